package tensorboard

import (
	"bytes"
	"strings"
	"testing"
)

func TestMaskedCRC(t *testing.T) {
	unmasked := func(crc uint32) uint32 { return (crc>>15 | crc<<17) + 0xa282ead8 }
	for _, test := range []struct {
		data string
		want uint32
	}{
		{strings.Repeat("\x00", 32), unmasked(0x8a9136aa)}, // RFC 3720, B.4
		{strings.Repeat("\xff", 32), unmasked(0x62a8ab43)},
		{"123456789", unmasked(0xe3069283)},              // the usual check value of CRC-32C
		{"\x18\x00\x00\x00\x00\x00\x00\x00", 0x224b7fa3}, // the length in every file that TensorFlow writes
		{"\x1a\x11CRC test, one two", 0x5794d08a},        // of an event of TensorFlow
	} {
		if got := maskedCRC([]byte(test.data)); got != test.want {
			t.Errorf("masked CRC of %q is %#08x, expected %#08x", test.data, got, test.want)
		}
	}
}

// TestRecord compares with the first record of a file that TensorFlow wrote.
func TestRecord(t *testing.T) {
	const data = "\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0dbrain.Event:2"
	const want = "\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7f\x4b\x22" + data + "\x12\x4b\x36\xab"
	if got := appendRecord([]byte("before"), []byte(data)); !bytes.Equal(got, []byte("before"+want)) {
		t.Errorf("record is %q, expected %q", got, want)
	}
}
