package datasets

import (
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"slices"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// fixPNG gives a header a right checksum again.
func fixPNG(data []byte) []byte {
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

// tiff makes a directory with one other tag before the orientation.
func tiff(order binary.AppendByteOrder, kind, value uint16) []byte {
	data := []byte("II*\x00")
	if order.String() == "BigEndian" {
		data = []byte("MM\x00*")
	}
	data = order.AppendUint32(data, 10) // where the directory begins
	data = append(data, "??"...)
	data = order.AppendUint16(data, 2)
	for _, entry := range [][3]uint16{{271, 3, 6}, {274, kind, value}} {
		data = order.AppendUint16(data, entry[0])
		data = order.AppendUint16(data, entry[1])
		data = order.AppendUint32(data, 1)
		data = order.AppendUint16(data, entry[2])
		data = order.AppendUint16(data, 0)
	}
	return order.AppendUint32(data, 0)
}

// withSegment puts a segment right after the beginning of a JPEG.
func withSegment(jpeg []byte, marker byte, content []byte) []byte {
	segment := append([]byte{0xff, marker}, binary.BigEndian.AppendUint16(nil, uint16(len(content)+2))...)
	return slices.Concat(jpeg[:2], segment, content, jpeg[2:])
}

func withExif(jpeg, tiff []byte) []byte {
	return withSegment(jpeg, 0xe1, append([]byte("Exif\x00\x00"), tiff...))
}

// withChunk puts a chunk right after the header of a PNG.
func withChunk(png []byte, id string, content []byte) []byte {
	const header = 33
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(content))), id...)
	chunk = append(chunk, content...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return slices.Concat(png[:header], chunk, png[header:])
}

// withRIFF puts a chunk at the end of a WebP.
func withRIFF(webp []byte, id string, content []byte) []byte {
	webp = append(slices.Clone(webp), id...)
	webp = append(binary.LittleEndian.AppendUint32(webp, uint32(len(content))), content...)
	if len(content)%2 == 1 {
		webp = append(webp, 0)
	}
	binary.LittleEndian.PutUint32(webp[4:], uint32(len(webp)-8))
	return webp
}

// TestOrientation: what is stored turned in each of the eight ways comes out the same.
func TestOrientation(t *testing.T) {
	upright := []byte{ // three columns, two rows
		10, 50, 90,
		130, 170, 210,
	}
	for value, stored := range map[uint16]struct {
		width int
		cells []byte // as a camera stores them
	}{
		1: {3, []byte{10, 50, 90, 130, 170, 210}},
		2: {3, []byte{90, 50, 10, 210, 170, 130}},
		3: {3, []byte{210, 170, 130, 90, 50, 10}},
		4: {3, []byte{130, 170, 210, 10, 50, 90}},
		5: {2, []byte{10, 130, 50, 170, 90, 210}}, // the first row is the left side
		6: {2, []byte{90, 210, 50, 170, 10, 130}}, // the first row is the right side, top first
		7: {2, []byte{210, 90, 170, 50, 130, 10}}, // the right side, bottom first
		8: {2, []byte{130, 10, 170, 50, 210, 90}}, // the left side, bottom first
	} {
		height := 6 / stored.width
		m := image.NewGray(image.Rect(0, 0, 16*stored.width, 16*height))
		for i, v := range stored.cells {
			x, y := 16*(i%stored.width), 16*(i/stored.width)
			paint(m.SubImage(image.Rect(x, y, x+16, y+16)).(*image.Gray), color.Gray{v})
		}
		plain, drawing := encode(t, "jpg", m), encode(t, "png", m)
		jfif := []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
		for name, data := range map[string][]byte{
			"little endian": withSegment(withExif(plain, tiff(binary.LittleEndian, 3, value)), 0xe0, jfif),
			"big endian":    withSegment(withExif(plain, tiff(binary.BigEndian, 3, value)), 0xe0, jfif),
			"PNG":           withChunk(withChunk(drawing, "eXIf", tiff(binary.BigEndian, 3, value)), "tEXt", []byte("a\x00b")),
			"PNG, prefix":   withChunk(drawing, "eXIf", append([]byte("Exif\x00\x00"), tiff(binary.BigEndian, 3, value)...)),
		} {
			for _, c := range []struct {
				f       form
				columns []int // a pixel of each of the picture's columns
			}{
				{form{height: 16, width: 24, channels: 1}, []int{4, 12, 20}},
				{form{height: 16, width: 24, channels: 1, crop: true}, []int{4, 12, 20}},
				{form{height: 16, width: 16, channels: 1, crop: true}, []int{1, 8, 14}}, // the outer ones are cut in half
			} {
				pixels, size, err := loadBytes(t, c.f, data)
				var got []byte
				for _, row := range []int{4, 12} {
					for _, column := range c.columns {
						got = append(got, pixels[row*c.f.width+column])
					}
				}
				if err != nil || size != image.Pt(48, 32) || !near(got, upright, 8) {
					t.Errorf("%d, %s, %+v: %v of size %v, want %v; error %v", value, name, c.f, got, size, upright, err)
				}
			}
		}
	}
}

// TestWebPOrientation: a left half of red comes to the top.
func TestWebPOrientation(t *testing.T) {
	plain := unhex(t, losslessWebP)
	data := withRIFF(withRIFF(plain, "XMP ", []byte("odd")), "EXIF", tiff(binary.LittleEndian, 3, 6))
	pixels, size, err := loadBytes(t, form{height: 6, width: 4, channels: 3}, data)
	if err != nil || size != image.Pt(4, 6) || !near(pixels[:24], slices.Concat(slices.Repeat([]byte{255}, 12), slices.Repeat([]byte{127}, 12)), 1) {
		t.Errorf("red is %v, size %v, error %v", pixels[:24], size, err)
	}
	if o := exifOrientation("webp", withRIFF(plain, "XMP ", tiff(binary.LittleEndian, 3, 6))); o != upright {
		t.Errorf("another chunk's orientation is %d", o)
	}
}

// TestOrientationDamaged: a picture whose Exif data make no sense is shown as it is.
func TestOrientationDamaged(t *testing.T) {
	plain := encode(t, "jpg", image.NewGray(image.Rect(0, 0, 8, 8)))
	good := tiff(binary.LittleEndian, 3, 6)
	if o := exifOrientation("jpeg", withExif(plain, good)); o != 6 {
		t.Fatalf("orientation %d, want 6", o)
	}
	for name, between := range map[string][]byte{"padding": {0xff, 0xff}, "stray bytes": {1, 2, 0xff, 0}, "a restart": {0xff, 0xd3}} {
		if o := exifOrientation("jpeg", slices.Concat(plain[:2], between, withExif(plain, good)[2:])); o != 6 {
			t.Errorf("after %s: orientation %d, want 6", name, o)
		}
	}
	far := slices.Clone(good)
	binary.LittleEndian.PutUint32(far[4:], 0xfffffff0)
	many := slices.Clone(good)
	binary.LittleEndian.PutUint16(many[10:], 0xffff)
	binary.LittleEndian.PutUint16(many[24:], 275)
	for name, data := range map[string][]byte{
		"none":         plain,
		"empty":        withExif(plain, nil),
		"no TIFF":      withExif(plain, []byte("XX*\x00 and so on")),
		"0":            withExif(plain, tiff(binary.BigEndian, 3, 0)),
		"9":            withExif(plain, tiff(binary.BigEndian, 3, 9)),
		"a text":       withExif(plain, tiff(binary.LittleEndian, 2, 6)),
		"far away":     withExif(plain, far),
		"many entries": withExif(plain, many),
		"cut":          withExif(plain, good[:30]),
		"other APP1":   withSegment(plain, 0xe1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), good...)),
		"other APP":    withSegment(plain, 0xe2, append([]byte("Exif\x00\x00"), good...)),
		"cut file":     withExif(plain, good)[:20],
		"short size":   {0xff, 0xd8, 0xff, 0xe1, 0, 1, 0, 0},
		"after a scan": slices.Concat(plain, withExif(plain, good)[2:]),
	} {
		if o := exifOrientation("jpeg", data); o != upright {
			t.Errorf("%s: orientation %d, want none", name, o)
		}
	}
	drawing, webp := encode(t, "png", image.NewGray(image.Rect(0, 0, 8, 8))), unhex(t, losslessWebP)
	if o := exifOrientation("png", withChunk(drawing, "eXIf", good)); o != 6 {
		t.Fatalf("PNG: orientation %d, want 6", o)
	}
	if o := exifOrientation("webp", withRIFF(webp, "EXIF", good)); o != 6 {
		t.Fatalf("WebP: orientation %d, want 6", o)
	}
	for _, length := range []int{0, 1, 8, 11, 12, 19, 33, 40, 41, 45, 50} {
		for format, data := range map[string][]byte{"png": withChunk(drawing, "eXIf", good), "webp": withRIFF(webp, "EXIF", good)} {
			if o := exifOrientation(format, data[:length]); o != upright {
				t.Errorf("%s of %d bytes: orientation %d, want none", format, length, o)
			}
		}
	}
	huge := withRIFF(webp, "EXIF", good)
	for i := range 4 {
		huge[len(webp)+4+i] = 0xff
	}
	if o := exifOrientation("webp", huge); o != upright {
		t.Errorf("a chunk of 4 GiB: orientation %d, want none", o)
	}
}

// FuzzOrientation: any bytes give one of the eight.
func FuzzOrientation(f *testing.F) {
	plain := encode(f, "jpg", image.NewGray(image.Rect(0, 0, 8, 8)))
	target := fuzztest.New(f)
	target.Add(plain)
	target.Add(withExif(plain, tiff(binary.LittleEndian, 3, 6)))
	target.Add(withExif(plain, tiff(binary.BigEndian, 3, 8)))
	target.Add(withExif(plain, tiff(binary.BigEndian, 3, 8)[:15]))
	target.Add(withChunk(encode(f, "png", image.NewGray(image.Rect(0, 0, 8, 8))), "eXIf", tiff(binary.BigEndian, 3, 8)))
	target.Add(withRIFF(unhex(f, losslessWebP), "EXIF", tiff(binary.LittleEndian, 3, 8)))
	target.Add(tiff(binary.LittleEndian, 3, 6))
	target.Fuzz(func(t *testing.T, data []byte) {
		fuzztest.Bounded(t, 1<<16, func() { // it copies nothing
			for _, o := range []orientation{exifOrientation("jpeg", data), exifOrientation("png", data), exifOrientation("webp", data), tiffOrientation(data)} {
				if o < 1 || o > 8 {
					t.Errorf("orientation %d", o)
				}
			}
		})
	})
}
