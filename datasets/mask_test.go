package datasets

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// maskOf is a class map with a palette in which all colours are the same: only
// the indices may count.
func maskOf(t testing.TB, width int, numbers ...byte) []byte {
	t.Helper()
	m := image.NewPaletted(image.Rect(0, 0, width, len(numbers)/width), slices.Repeat(color.Palette{color.NRGBA{1, 2, 3, 255}}, 200))
	copy(m.Pix, numbers)
	return encode(t, "png", m)
}

func TestDecodeMask(t *testing.T) {
	numbers := []byte{0, 1, 2, 3, 3, 0}
	grey := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(grey.Pix, numbers)
	few := image.NewPaletted(grey.Rect, color.Palette{color.Black, color.White, color.Transparent, color.Gray{9}}) // 2 bits a pixel
	copy(few.Pix, numbers)
	for name, data := range map[string][]byte{
		"palette":       maskOf(t, 3, numbers...),
		"small palette": encode(t, "png", few),
		"grey":          encode(t, "png", grey),
		"grey, 2 bits":  unhex(t, greyMask2),
		"grey, 4 bits":  smallGrey(t, 4, []byte{0x01, 0x20}, []byte{0x33, 0x00}),
	} {
		m, err := decodeMask(data)
		if err != nil || m.size != image.Pt(3, 2) || !slices.Equal(m.numbers, numbers) {
			t.Errorf("%s: %t, error %v", name, m != nil, err)
		}
	}
	bit := smallGrey(t, 1, []byte{0b010_00000}, []byte{0b110_00000})
	if m, err := decodeMask(bit); err != nil || !slices.Equal(m.numbers, []byte{0, 1, 0, 1, 1, 0}) {
		t.Errorf("grey, 1 bit: %t, error %v", m != nil, err)
	}
	fifteen := smallGrey(t, 4, []byte{0xfe, 0xd0}, []byte{0xcb, 0xa0})
	if m, err := decodeMask(fifteen); err != nil || !slices.Equal(m.numbers, []byte{15, 14, 13, 12, 11, 10}) {
		t.Errorf("grey, 4 bits: %t, error %v", m != nil, err)
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"colours":      {encode(t, "png", image.NewRGBA(grey.Rect)), "its pixels are colours, expected a PNG with a palette, or grey"},
		"grey, 16 bit": {encode(t, "png", image.NewGray16(grey.Rect)), "its pixels are colours"},
		"JPEG":         {encode(t, "jpg", grey), "it is a JPEG, expected a PNG, whose pixels are class numbers"},
		"text":         {[]byte("text"), "none of JPEG, PNG"},
		"turned":       {withChunk(maskOf(t, 3, numbers...), "eXIf", tiff(binary.BigEndian, 3, 6)), "it is marked as turned (Exif orientation 6)"},
		"cut":          {maskOf(t, 3, numbers...)[:60], "it is no usable PNG: it is truncated"},
	} {
		if m, err := decodeMask(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %t, error %v, want %q", name, m != nil, err, c.want)
		}
	}
}

// greyMask2 is a grey PNG of 3x2 pixels of 2 bits, which Go reads and cannot
// write: 0 1 2, 3 3 0.
const greyMask2 = "89504e470d0a1a0a0000000d4948445200000003000000020200000000f2af21670000000c49444154789c639060f80000013c010939c2a9aa0000000049454e44ae426082"

// smallGrey is a grey PNG of 3x2 pixels of fewer than 8 bits, which Go reads and
// cannot write.
func smallGrey(t testing.TB, bits byte, rows ...[]byte) []byte {
	t.Helper()
	var pixels bytes.Buffer
	w := zlib.NewWriter(&pixels)
	for _, row := range rows {
		if _, err := w.Write(append([]byte{0}, row...)); err != nil { // 0: no filter
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	header := encode(t, "png", image.NewGray(image.Rect(0, 0, 3, 2)))[:33]
	header[24] = bits
	return withChunk(append(fixPNG(header), "\x00\x00\x00\x00IEND\xaeB`\x82"...), "IDAT", pixels.Bytes())
}

// TestMaskScaling: a mask keeps its class numbers and stays where its photo is.
func TestMaskScaling(t *testing.T) {
	load := func(f form, data []byte) []byte {
		path := filepath.Join(t.TempDir(), "mask.png")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		c := classMap{f, []string{"a", "b", "c", "d"}}
		numbers := make([]byte, c.bytes())
		if err := c.loadTarget(path, numbers, image.Point{}); err != nil {
			t.Fatal(err)
		}
		return numbers
	}
	data := maskOf(t, 4, 0, 1, 2, 3)
	if got := load(form{height: 2, width: 8}, data); !slices.Equal(got, []byte{0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2, 3, 3}) {
		t.Errorf("enlarged: %v", got)
	}
	if got := load(form{height: 1, width: 2}, data); !slices.Equal(got, []byte{1, 3}) {
		t.Errorf("shrunk: %v", got)
	}
	if got := load(form{height: 2, width: 4, crop: true}, data); !slices.Equal(got, []byte{1, 1, 2, 2, 1, 1, 2, 2}) {
		t.Errorf("cropped: %v", got)
	}

	// A photo made of the mask shows the same where the mask is not at an edge.
	const w, h = 90, 40
	numbers := make([]byte, w*h)
	picture := image.NewGray(image.Rect(0, 0, w, h))
	for i := range numbers {
		if x, y := i%w, i/w; (x-50)*(x-50)+(y-15)*(y-15) < 100 {
			numbers[i], picture.Pix[i] = 1, 255
		}
	}
	for _, f := range []form{{height: 16, width: 16}, {height: 16, width: 16, crop: true}, {height: 100, width: 120, crop: true}, {height: 11, width: 7}} {
		f.channels = 1
		photo, classes := mustLoad(t, f, encode(t, "png", picture)), load(f, maskOf(t, w, numbers...))
		inside := 0
		for i, v := range photo {
			inside += int(classes[i])
			if v < 20 && classes[i] == 1 || v > 235 && classes[i] == 0 {
				t.Fatalf("%+v: pixel %d is %d, and of class %d", f, i, v, classes[i])
			}
		}
		if inside == 0 {
			t.Errorf("%+v: nothing is there", f)
		}
	}
}

// TestOneHot: each pixel is 1 in its class's plane and -1 in the others.
func TestOneHot(t *testing.T) {
	got := slices.Repeat([]float32{7}, 12)
	classMap{}.unpack(got, []byte{2, 0, 1, 0})
	want := []float32{-1, 1, -1, 1, -1, -1, 1, -1, 1, -1, -1, -1}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestVOCColours(t *testing.T) {
	for k, want := range map[int]color.RGBA{
		0: {0, 0, 0, 255}, 1: {128, 0, 0, 255}, 2: {0, 128, 0, 255}, 3: {128, 128, 0, 255}, 4: {0, 0, 128, 255},
		8: {64, 0, 0, 255}, 15: {192, 128, 128, 255}, 20: {0, 64, 128, 255}, 255: {224, 224, 192, 255},
	} {
		if got := vocColour(k); got != want {
			t.Errorf("%d: %v, want %v", k, got, want)
		}
	}
}

// FuzzMask: any bytes give an error or as many numbers as pixels, and what has
// been checked can be made one-hot.
func FuzzMask(f *testing.F) {
	target := fuzztest.New(f)
	target.Add(maskOf(f, 3, 0, 1, 2, 3, 3, 0))
	target.Add(maskOf(f, 3, 0, 1, 2, 3, 3, 0)[:60])
	target.Add(unhex(f, greyMask2))
	target.Add(encode(f, "png", image.NewGray16(image.Rect(0, 0, 2, 2))))
	target.Add(fixPNG(append(maskOf(f, 3, 0, 1, 2, 3, 3, 0)[:16], "\x00\x00\xff\xff\x00\x00\xff\xff\x08\x03\x00\x00\x00...."...)))
	target.Fuzz(func(t *testing.T, data []byte) {
		limit, _ := pictureLimit(t, data)
		var m *mask
		fuzztest.Bounded(t, limit, func() { m, _ = decodeMask(data) })
		if m == nil {
			return
		}
		if len(m.numbers) != m.size.X*m.size.Y {
			t.Fatalf("%d numbers, size %v", len(m.numbers), m.size)
		}
		grey := image.NewGray(image.Rectangle{Max: m.size})
		copy(grey.Pix, m.numbers)
		if again, err := decodeMask(encode(t, "png", grey)); err != nil || !slices.Equal(again.numbers, m.numbers) || again.size != m.size {
			t.Fatalf("it does not read back: %v", err)
		}
		c := classMap{form{height: 3, width: 5, crop: true}, []string{"a", "b", "c"}}
		if m.check(c.classes) == nil {
			numbers := make([]byte, c.bytes())
			c.resize(numbers, m)
			c.form.crop = false
			c.resize(numbers, m)
			c.unpack(make([]float32, 3*c.bytes()), numbers)
		}
	})
}
