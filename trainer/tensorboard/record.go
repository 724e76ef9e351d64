package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// castagnoli is the polynomial of CRC-32C (RFC 3720).
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the checksum of a TFRecord: a CRC-32C, changed so that data which holds checksums itself keeps one worth having.
func maskedCRC(b []byte) uint32 {
	return bits.RotateLeft32(crc32.Checksum(b, castagnoli), -15) + 0xa282ead8
}

// appendRecord appends data as a TFRecord. All numbers are little-endian:
//
//	uint64 length of the data, uint32 checksum of these 8 bytes, data, uint32 checksum of the data
func appendRecord(b, data []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(append(b, length...), maskedCRC(length))
	return binary.LittleEndian.AppendUint32(append(b, data...), maskedCRC(data))
}
