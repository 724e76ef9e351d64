package datasets

import (
	"bytes"
	"encoding/binary"
	"image"
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

// exifOrientation finds the orientation in a JPEG. Whatever is missing, damaged or
// out of range leaves the picture as it is, as it does elsewhere.
func exifOrientation(jpeg []byte) orientation {
	const app1, startOfScan = 0xe1, 0xda
	for at := 2; at+4 <= len(jpeg) && jpeg[at] == 0xff; {
		marker := jpeg[at+1]
		if marker == 0xff { // padding
			at++
			continue
		}
		if marker == startOfScan {
			break
		}
		size := int(binary.BigEndian.Uint16(jpeg[at+2:])) // with itself
		if size < 2 || at+2+size > len(jpeg) {
			break
		}
		segment := jpeg[at+4 : at+2+size]
		if tiff, found := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); found && marker == app1 {
			return tiffOrientation(tiff)
		}
		at += 2 + size
	}
	return upright
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
