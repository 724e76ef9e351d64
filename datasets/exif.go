package datasets

import (
	"bytes"
	"encoding/binary"
	"image"
	"iter"
)

// orientation says how a stored picture has to be turned to stand upright: 1 to 8
// as in Exif 2.3, 4.6.4. Each number names where the stored first row and first
// column are: 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left top,
// 6 right top, 7 right bottom, 8 left bottom.
type orientation int

const upright orientation = 1

// swaps says whether the stored rows are columns.
func (o orientation) swaps() bool { return o >= 5 }

// offset is where in m.Pix the pixel lies that is at x, y once m stands upright.
func (o orientation) offset(m *image.RGBA, x, y int) int {
	if o.swaps() {
		x, y = y, x
	}
	right, bottom := m.Rect.Dx()-1, m.Rect.Dy()-1
	switch o {
	case 2, 7, 8:
		x = right - x
	}
	switch o {
	case 4, 6, 7:
		y = bottom - y
	}
	if o == 3 {
		x, y = right-x, bottom-y
	}
	return y*m.Stride + 4*x
}

// exifOrientation finds the orientation in a JPEG, PNG or WebP. Whatever is
// missing, damaged or out of range leaves the picture as it is, as it does
// elsewhere.
func exifOrientation(format string, data []byte) orientation {
	var tiff []byte
	const exif = "Exif\x00\x00"
	switch format {
	case "jpeg":
		const app1 = 0xe1
		for marker, segment := range jpegSegments(data) {
			if marker == app1 && bytes.HasPrefix(segment, []byte(exif)) {
				tiff = segment
				break
			}
		}
	case "png":
		const signature = 8
		tiff = findChunk(data, signature, "eXIf", func(head []byte) (id string, size, next uint64) {
			size = uint64(binary.BigEndian.Uint32(head))
			return string(head[4:]), size, size + 4 // a checksum, which the decoder compares
		})
	case "webp":
		const riff = 12 // "RIFF", the size, "WEBP"
		tiff = findChunk(data, riff, "EXIF", func(head []byte) (id string, size, next uint64) {
			size = uint64(binary.LittleEndian.Uint32(head[4:]))
			return string(head[:4]), size, size + size%2
		})
	}
	return tiffOrientation(bytes.TrimPrefix(tiff, []byte(exif))) // in PNG and WebP some programs write it, too
}

// findChunk returns the content of the first chunk with an id, or nil. Chunks
// follow each other from start on; parse reads the 8 bytes before a content: its
// id, its size, and how many bytes after its begin the next chunk begins.
func findChunk(data []byte, start int, id string, parse func(head []byte) (id string, size, next uint64)) []byte {
	const head = 8
	for rest := data[min(start, len(data)):]; len(rest) >= head; {
		found, size, next := parse(rest[:head])
		rest = rest[head:]
		switch {
		case size > uint64(len(rest)):
			return nil
		case found == id:
			return rest[:size]
		}
		rest = rest[min(next, uint64(len(rest))):]
	}
	return nil
}

// jpegSegments gives the segments before the first scan, by their markers.
func jpegSegments(jpeg []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		const startOfScan = 0xda
		for at := nextMarker(jpeg, 2); at+4 <= len(jpeg); {
			marker := jpeg[at+1]
			size := int(binary.BigEndian.Uint16(jpeg[at+2:])) // with itself
			if marker == startOfScan || size < 2 || at+2+size > len(jpeg) || !yield(marker, jpeg[at+4:at+2+size]) {
				return
			}
			at = nextMarker(jpeg, at+2+size)
		}
	}
}

// nextMarker is where the next marker of a segment is, from a place on, or len(jpeg).
// It passes over stray bytes, padding and restarts, as the decoder does: what it sees
// and this does not would be outside the budget of memory.
func nextMarker(jpeg []byte, at int) int {
	const firstRestart, lastRestart = 0xd0, 0xd7
	for ; at+1 < len(jpeg); at++ {
		switch marker := jpeg[at+1]; {
		case jpeg[at] != 0xff || marker == 0 || marker == 0xff:
		case marker < firstRestart || marker > lastRestart:
			return at
		}
	}
	return len(jpeg)
}

// isProgressive says whether a JPEG's frame comes in several scans.
func isProgressive(jpeg []byte) bool {
	const progressive = 0xc2
	for marker := range jpegSegments(jpeg) {
		if marker == progressive {
			return true
		}
	}
	return false
}

// tiffOrientation reads tag 274 of the first directory.
func tiffOrientation(tiff []byte) orientation {
	const (
		tag   = 274
		short = 3
		entry = 12 // bytes: tag, type, count, value
	)
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(tiff, []byte("II*\x00")):
		order = binary.LittleEndian
	case bytes.HasPrefix(tiff, []byte("MM\x00*")):
		order = binary.BigEndian
	}
	if order == nil || len(tiff) < 8 {
		return upright
	}
	start := int64(order.Uint32(tiff[4:]))
	if start+2 > int64(len(tiff)) {
		return upright
	}
	count := int(order.Uint16(tiff[start:]))
	for rest := tiff[start+2:]; count > 0 && len(rest) >= entry; count, rest = count-1, rest[entry:] {
		if order.Uint16(rest) != tag {
			continue
		}
		value := orientation(order.Uint16(rest[8:]))
		if order.Uint16(rest[2:]) != short || order.Uint32(rest[4:]) != 1 || value < 1 || value > 8 {
			return upright
		}
		return value
	}
	return upright
}
