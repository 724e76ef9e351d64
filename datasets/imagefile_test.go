package datasets

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/image/bmp"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// Pictures of formats that Go reads and cannot write.
const (
	// 6x4: the left half red, the right half blue with alpha 128.
	losslessWebP = "5249464620000000574542505650384c130000002f05c000100f10fb3fff0ffc8f0ac589e87f0000"
	// 4x4 of (40, 200, 40).
	lossyWebP = "524946463a00000057454250565038202e0000003002009d012a0400040001402625a00274ba01f801f800061e0000fdc71ffa68a30a63ee4dffd9dcdaa90feddc00"
	// 8x8 of cyan alone, stored inverted as Adobe's programs do.
	cmykJPEG = "ffd8ffee000e41646f626500640000000000ffdb004300100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d51575f626768673e4d71797064785c656763ffc000140800080008044311004d11005911004b1100ffc40014000100000000000000000000000000000007ffc40014100100000000000000000000000000000000ffda000e0443004d0059004b00003f003f2010080fffd9"
)

func unhex(t testing.TB, s string) []byte {
	data, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// alphaWebP is lossyWebP with another width and an alpha channel; how says how that is filtered and compressed.
func alphaWebP(t testing.TB, width, how byte, alpha []byte) []byte {
	plain := unhex(t, lossyWebP)
	const riff, content, widthAt = 12, 20, 26
	plain[widthAt] = width
	canvas := []byte{1 << 4, 0, 0, 0, width - 1, 0, 0, 3, 0, 0} // with alpha
	data := withRIFF(withRIFF(plain[:riff], "VP8X", canvas), "ALPH", append([]byte{how}, alpha...))
	return withRIFF(data, "VP8 ", plain[content:])
}

// alphaWebPs has each way to store an alpha channel: as it is, as differences, compressed.
func alphaWebPs(t testing.TB) map[string][]byte {
	const compressed, filterLeft, losslessContent = 1, 1 << 2, 25
	left := make([]byte, 4*4)
	left[0] = 51 // and no more from pixel to pixel
	return map[string][]byte{
		"WebP, alpha":             alphaWebP(t, 4, 0, bytes.Repeat([]byte{51}, 4*4)),
		"WebP, filtered alpha":    alphaWebP(t, 4, filterLeft, left),
		"WebP, transparent, VP8L": alphaWebP(t, 6, compressed, unhex(t, losslessWebP)[losslessContent:]), // its green is 0
	}
}

func encode(t testing.TB, format string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "jpg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 100})
	case "gif":
		err = gif.Encode(&b, m, nil)
	case "bmp":
		err = bmp.Encode(&b, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// paint fills an image with one colour and returns it.
func paint[T draw.Image](m T, c color.Color) T {
	draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

// loadBytes writes data to a file and loads it.
func loadBytes(t *testing.T, f form, data []byte) (pixels []byte, size image.Point, err error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	pixels = make([]byte, f.bytes())
	size, err = f.load(path, pixels)
	return pixels, size, err
}

func mustLoad(t *testing.T, f form, data []byte) []byte {
	t.Helper()
	pixels, _, err := loadBytes(t, f, data)
	if err != nil {
		t.Fatal(err)
	}
	return pixels
}

// near says whether no two values are more than most apart.
func near(a, b []byte, most int) bool {
	for i := range min(len(a), len(b)) {
		if d := int(a[i]) - int(b[i]); d > most || d < -most {
			return false
		}
	}
	return len(a) == len(b)
}

// TestModes: whatever a picture is stored as, 1x1 pixels of it come out as red,
// green and blue over white.
func TestModes(t *testing.T) {
	r := image.Rect(0, 0, 5, 4)
	sky, veil := color.NRGBA{10, 100, 250, 255}, color.NRGBA{0, 0, 0, 51}
	palette := color.Palette{color.NRGBA{0, 0, 0, 255}, sky, color.NRGBA{9, 9, 9, 0}}
	corner := image.NewPaletted(image.Rect(6, 4, 8, 6), palette) // a frame that covers a sixteenth of its GIF
	var part bytes.Buffer
	if err := gif.EncodeAll(&part, &gif.GIF{
		Image: []*image.Paletted{corner, image.NewPaletted(image.Rect(0, 0, 8, 8), palette)}, Delay: []int{1, 1},
		Config: image.Config{ColorModel: palette, Width: 8, Height: 8},
	}); err != nil {
		t.Fatal(err)
	}
	alpha := alphaWebPs(t)
	for name, c := range map[string]struct {
		data []byte
		want []byte
		most int
	}{
		"PNG":                      {encode(t, "png", paint(image.NewNRGBA(r), sky)), []byte{10, 100, 250}, 0},
		"PNG, alpha":               {encode(t, "png", paint(image.NewNRGBA(r), veil)), []byte{204, 204, 204}, 1},
		"PNG, transparent":         {encode(t, "png", paint(image.NewNRGBA(r), color.NRGBA{200, 0, 0, 0})), []byte{255, 255, 255}, 0},
		"PNG, 16 bits":             {encode(t, "png", paint(image.NewRGBA64(r), color.RGBA64{0x0aff, 0x6480, 0xfa00, 0xffff})), []byte{10, 100, 250}, 1},
		"PNG, 16 bits, alpha":      {encode(t, "png", paint(image.NewNRGBA64(r), color.NRGBA64{0, 0, 0, 0x3333})), []byte{204, 204, 204}, 1},
		"PNG, grey":                {encode(t, "png", paint(image.NewGray(r), color.Gray{77})), []byte{77, 77, 77}, 0},
		"PNG, grey, 16 bits":       {encode(t, "png", paint(image.NewGray16(r), color.Gray16{77<<8 + 77})), []byte{77, 77, 77}, 0},
		"PNG, palette":             {encode(t, "png", paint(image.NewPaletted(r, palette), sky)), []byte{10, 100, 250}, 0},
		"PNG, transparent palette": {encode(t, "png", paint(image.NewPaletted(r, palette), palette[2])), []byte{255, 255, 255}, 0},
		"JPEG":                     {encode(t, "jpg", paint(image.NewNRGBA(r), sky)), []byte{10, 100, 250}, 2},
		"JPEG, grey":               {encode(t, "jpg", paint(image.NewGray(r), color.Gray{77})), []byte{77, 77, 77}, 1},
		"JPEG, CMYK":               {unhex(t, cmykJPEG), []byte{0, 255, 255}, 1},
		"GIF":                      {encode(t, "gif", paint(image.NewPaletted(r, palette), sky)), []byte{10, 100, 250}, 0},
		"GIF, a part":              {part.Bytes(), []byte{239, 239, 239}, 1},
		"BMP":                      {encode(t, "bmp", paint(image.NewRGBA(r), sky)), []byte{10, 100, 250}, 0},
		"BMP, palette":             {encode(t, "bmp", paint(image.NewPaletted(r, palette), sky)), []byte{10, 100, 250}, 0},
		"WebP":                     {unhex(t, lossyWebP), []byte{40, 200, 40}, 3},
		"WebP, alpha":              {alpha["WebP, alpha"], []byte{212, 244, 212}, 3},
		"WebP, filtered alpha":     {alpha["WebP, filtered alpha"], []byte{212, 244, 212}, 3},
		"WebP, transparent, VP8L":  {alpha["WebP, transparent, VP8L"], []byte{255, 255, 255}, 0},
	} {
		got := mustLoad(t, form{height: 1, width: 1, channels: 3}, c.data)
		if !near(got, c.want, c.most) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		red, green, blue := float64(c.want[0]), float64(c.want[1]), float64(c.want[2])
		luma := []byte{byte(0.299*red + 0.587*green + 0.114*blue + 0.5)}
		if got := mustLoad(t, form{height: 1, width: 1, channels: 1}, c.data); !near(got, luma, c.most+1) {
			t.Errorf("%s: grey %v, want %v", name, got, luma)
		}
	}
	got := mustLoad(t, form{height: 4, width: 6, channels: 3}, unhex(t, losslessWebP))
	want := slices.Concat(slices.Repeat([]byte{255, 255, 255, 127, 127, 127}, 4), slices.Repeat([]byte{0, 0, 0, 127, 127, 127}, 4),
		slices.Repeat([]byte{0, 0, 0, 255, 255, 255}, 4))
	if !near(got, want, 1) {
		t.Errorf("lossless WebP: %v, want %v", got, want)
	}
}

// TestScaling: the own size changes nothing, shrinking averages, stretching and
// cropping show what they say.
func TestScaling(t *testing.T) {
	checks := image.NewGray(image.Rect(0, 0, 120, 120))
	for i := range checks.Pix {
		checks.Pix[i] = byte(255 * ((i + i/120) % 2))
	}
	same := form{height: 120, width: 120, channels: 1}
	data := encode(t, "png", checks)
	if got := mustLoad(t, same, data); !bytes.Equal(got, checks.Pix) {
		t.Error("a picture of the wanted size is changed")
	}
	for _, side := range []int{7, 10, 30} {
		got := mustLoad(t, form{height: side, width: side, channels: 1}, data)
		if !near(got, bytes.Repeat([]byte{127}, side*side), 12) {
			t.Errorf("a chessboard shrunk to %d is %v, want it grey", side, got)
		}
	}

	// Three bars of 40 pixels; the middle one is white.
	bars := image.NewGray(image.Rect(0, 0, 120, 40))
	paint(bars.SubImage(image.Rect(40, 0, 80, 40)).(*image.Gray), color.White)
	data = encode(t, "png", bars)
	stretched := mustLoad(t, form{height: 3, width: 3, channels: 1}, data)
	if !near(stretched, []byte{0, 255, 0, 0, 255, 0, 0, 255, 0}, 50) {
		t.Errorf("stretched: %v", stretched)
	}
	if got := mustLoad(t, form{height: 3, width: 3, channels: 1, crop: true}, data); !near(got, bytes.Repeat([]byte{255}, 9), 0) {
		t.Errorf("cropped: %v", got)
	}
	if got := mustLoad(t, form{height: 9, width: 3, channels: 1, crop: true}, data); !near(got, bytes.Repeat([]byte{255}, 27), 0) {
		t.Errorf("cropped to an upright form: %v", got)
	}
}

// TestShortened: a picture that is high beyond measure is scaled as any other.
func TestShortened(t *testing.T) {
	const h = 9000
	m := image.NewRGBA(image.Rect(0, 0, 2, h))
	for y := range h {
		for x := range 2 {
			m.SetRGBA(x, y, color.RGBA{byte(y * 255 / h), byte(255 * x), byte(y % 2 * 255), 255})
		}
	}
	data := encode(t, "png", m)
	if got := maxRows(4096, 8); got != 4096 {
		t.Fatalf("up to %d rows at once", got)
	}
	whole, short := mustLoad(t, form{height: 8, width: 2, channels: 3}, data), mustLoad(t, form{height: 8, width: 4096, channels: 3}, data)
	for plane := range 3 {
		for y := range 8 {
			for x := range 2 {
				got, want := int(short[(plane*8+y)*4096+4095*x]), int(whole[(plane*8+y)*2+x])
				if got < want-3 || got > want+3 {
					t.Errorf("plane %d, row %d, side %d: %d, want about %d", plane, y, x, got, want)
				}
			}
		}
	}
	// By 2 or 3 rows, of a part that begins elsewhere.
	strip := image.NewGray(image.Rect(3, 4, 5, 4+7+2))
	for i, v := range []byte{99, 10, 20, 30, 40, 50, 60, 70, 99} {
		strip.Pix[2*i], strip.Pix[2*i+1] = v, v
	}
	got := shorten(strip, image.Rect(3, 5, 5, 12), 3)
	if got.Rect != image.Rect(0, 0, 2, 3) || got.Pix[0] != 15 || got.Pix[got.Stride+4] != 35 || got.Pix[2*got.Stride] != 60 {
		t.Errorf("%v: %v", got.Rect, got.Pix)
	}
}

// progressive makes a JPEG say that its frame comes in several scans.
func progressive(jpeg []byte) []byte {
	return bytes.Replace(jpeg, []byte{0xff, 0xc0}, []byte{0xff, 0xc2}, 1)
}

// TestMemory: what a picture takes in passing is bounded, and the budget is given back.
func TestMemory(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want int64 // bytes a pixel
	}{
		"JPEG":              {encode(t, "jpg", image.NewRGBA(image.Rect(0, 0, 5, 4))), 3},
		"JPEG, grey":        {encode(t, "jpg", image.NewGray(image.Rect(0, 0, 5, 4))), 1},
		"GIF":               {encode(t, "gif", image.NewPaletted(image.Rect(0, 0, 5, 4), color.Palette{color.Black})), 5},
		"PNG, 16 bits":      {encode(t, "png", image.NewRGBA64(image.Rect(0, 0, 5, 4))), 16},
		"JPEG, progressive": {progressive(encode(t, "jpg", image.NewRGBA(image.Rect(0, 0, 5, 4)))), 15},
		"JPEG, stray byte":  {slices.Insert(progressive(encode(t, "jpg", image.NewRGBA(image.Rect(0, 0, 5, 4)))), 2, 0), 15},
	} {
		header, err := readHeader(c.data)
		if err != nil || header.memory != 20*c.want {
			t.Errorf("%s: %d bytes, want %d; error %v", name, header.memory, 20*c.want, err)
		}
	}
	for _, f := range []form{{height: 64, width: 64}, {height: maxFormSide, width: maxFormSide}, {height: 1, width: maxFormSide}, {height: maxFormSide, width: 1}} {
		for _, size := range []image.Point{{1, 1}, {1, maxPictureSide}, {maxPictureSide, 1}, {1024, maxPictureSide}, {8192, 8192}} {
			for _, o := range []orientation{upright, 6} {
				if got := f.scratch(size, o); got > 1<<30+4*maxPicturePixels || got < scratchPixel {
					t.Errorf("%+v, %v: %d bytes", f, size, got)
				}
			}
		}
	}
	for range 3 { // the third would wait for ever
		decoding.take(4 * decoding.bytes)()
	}
	expectGivenBack(t)
}

func expectGivenBack(t *testing.T) {
	t.Helper()
	for name, b := range map[string]*budget{"decoding": decoding, "reading": reading} {
		if !b.TryAcquire(b.bytes) {
			t.Fatalf("the budget of %s is not given back", name)
		}
		b.Release(b.bytes)
	}
}

// TestFilesWait: a file's bytes are read when there is room for them, and make room again, also where the file is unusable.
func TestFilesWait(t *testing.T) {
	f := form{height: 8, width: 8, channels: 3}
	classes := classMap{f, []string{"a", "b"}}
	dir := t.TempDir()
	drawing := encode(t, "png", image.NewGray(image.Rect(0, 0, 8, 8)))
	writeFiles(t, dir, map[string][]byte{"good.png": drawing, "text.png": []byte("text"), "cut.png": drawing[:50]})
	for _, name := range []string{"good.png", "text.png", "cut.png"} {
		path := filepath.Join(dir, name)
		for kind, load := range map[string]func(string, []byte) (image.Point, error){"picture": f.load, "map": classes.load} {
			giveBack := reading.take(reading.bytes)
			done := make(chan struct{})
			go func() {
				_, _ = load(path, make([]byte, f.bytes()))
				close(done)
			}()
			select {
			case <-done:
				t.Errorf("%s as a %s: it is read while there is no room", name, kind)
			case <-time.After(20 * time.Millisecond):
			}
			giveBack()
			<-done
			expectGivenBack(t)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "missing")} {
		if _, err := f.load(path, nil); err == nil {
			t.Errorf("%s: no error", path)
		}
		expectGivenBack(t)
	}
}

func TestPart(t *testing.T) {
	f := form{crop: true}
	for _, c := range []struct{ w, h, toW, toH, wantW, wantH int }{
		{120, 40, 1, 1, 40, 40}, {40, 120, 1, 1, 40, 40}, {40, 41, 1, 1, 40, 41}, {100, 100, 2, 1, 100, 50},
		{100, 100, 64, 64, 100, 100}, {1, 1000, 64, 64, 1, 2}, {1000, 1, 1, 4096, 2, 1}, {3, 2, 3, 2, 3, 2},
	} {
		r := image.Rect(5, 6, 5+c.w, 6+c.h)
		got := f.part(r, c.toW, c.toH)
		if got.Dx() != c.wantW || got.Dy() != c.wantH || !got.In(r) || got.Min.X-r.Min.X != r.Max.X-got.Max.X || got.Min.Y-r.Min.Y != r.Max.Y-got.Max.Y {
			t.Errorf("%dx%d to %d:%d: %v of %v", c.w, c.h, c.toW, c.toH, got, r)
		}
	}
}

func TestUnusablePictures(t *testing.T) {
	small := paint(image.NewRGBA(image.Rect(0, 0, 30, 20)), color.White)
	photo, drawing := encode(t, "jpg", small), encode(t, "png", small)
	bomb := func(w, h uint32) []byte {
		header := slices.Clone(drawing[:33])
		for i, v := range []uint32{w, h} {
			copy(header[16+4*i:], []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
		}
		return fixPNG(header)
	}
	// webp is a WebP of 4x4 pixels whose header says otherwise.
	webp := func(id string, lie int) []byte {
		data := unhex(t, lossyWebP)
		switch id {
		case "VP8X": // a canvas of another size
			side := []byte{byte(lie - 1), byte((lie - 1) >> 8), byte((lie - 1) >> 16)}
			data = slices.Concat(data[:12], []byte("VP8X\x0a\x00\x00\x00"), make([]byte, 4), side, side, data[12:])
			binary.LittleEndian.PutUint32(data[4:], uint32(len(data)-8))
			return data
		case "VP8 ": // more bytes than there are
			binary.LittleEndian.PutUint32(data[16:], uint32(lie))
		}
		copy(data[12:], id)
		return data
	}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":         {nil, "it is empty"},
		"text":          {[]byte("not a picture"), "its content (text/plain; charset=utf-8) is none of JPEG, PNG, GIF, BMP and WebP"},
		"cut JPEG":      {photo[:len(photo)-20], "it is no usable JPEG: it is truncated"},
		"cut end":       {photo[:len(photo)-2], "it is no usable JPEG: it is truncated"},
		"cut header":    {photo[:30], "it is no usable JPEG: it is truncated"},
		"cut PNG":       {drawing[:len(drawing)-20], "it is no usable PNG: it is truncated"},
		"signature":     {drawing[:8], "it is no usable PNG: it is truncated"},
		"damaged PNG":   {append(slices.Clone(drawing[:45]), append([]byte{1, 2, 3}, drawing[48:]...)...), "it is no usable PNG: png: invalid format"},
		"other WebP":    {webp("VP8L", 0), "it is no usable WEBP: vp8l: invalid header; convert it to PNG or JPEG"},
		"lying canvas":  {webp("VP8X", 8), "it is no usable WEBP: webp: invalid format; convert it to PNG or JPEG"},
		"lying length":  {webp("VP8 ", 1<<20), "it is no usable WEBP: "},
		"giant canvas":  {webp("VP8X", 1<<15), "its size is 32768x32768, expected at most"},
		"bomb":          {bomb(30_000, 30_000), "its size is 30000x30000, expected at most 65535 to a side and 67108864 pixels"},
		"long bomb":     {bomb(1, 60_000_000), "its size is 1x60000000, expected"},
		"greatest bomb": {bomb(1<<31-1, 1<<31-1), "PNG"}, // Go's own limit
		"slow JPEG":     {append(photo[:len(photo)-2:len(photo)-2], bytes.Repeat([]byte("\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x00\x00\x00"), 100)...), "it has 101 scans, expected at most 100"},
	} {
		_, _, err := loadBytes(t, form{height: 8, width: 8, channels: 3}, c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	f := form{height: 8, width: 8, channels: 3}
	if _, err := f.load(t.TempDir(), make([]byte, f.bytes())); err == nil || err.Error() != "it is not a regular file" {
		t.Errorf("a folder: %v", err)
	}
	huge := filepath.Join(t.TempDir(), "huge.png")
	if err := os.WriteFile(huge, drawing, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, maxPictureFile+1); err != nil {
		t.Fatal(err)
	}
	if _, err := f.load(huge, make([]byte, f.bytes())); err == nil || err.Error() != "it has 268435457 bytes, expected at most 268435456" {
		t.Errorf("a huge file: %v", err)
	}
}

// pictureLimit is how many bytes reading and decoding a file may allocate, and the
// size that it claims. It skips pictures that are allowed, but slow.
func pictureLimit(t *testing.T, data []byte) (limit int, size image.Point) {
	header, _ := readHeader(data)
	if header.size.X*header.size.Y > 1<<18 {
		t.Skip()
	}
	return 1<<20 + 8*len(data) + int(header.memory), header.size
}

func FuzzPicture(f *testing.F) {
	target := fuzztest.New(f)
	colours := paint(image.NewPaletted(image.Rect(0, 0, 9, 7), color.Palette{color.Black, color.White}), color.White)
	for _, format := range []string{"png", "jpg", "gif", "bmp"} {
		data := encode(f, format, colours)
		target.Add(data)
		target.Add(data[:len(data)-8])
		target.Add(encode(f, format, paint(image.NewNRGBA(image.Rect(0, 0, 5, 6)), color.NRGBA{1, 200, 3, 40})))
	}
	for _, data := range []string{losslessWebP, lossyWebP, cmykJPEG} {
		target.Add(unhex(f, data))
	}
	for _, data := range alphaWebPs(f) {
		target.Add(data)
		target.Add(data[:len(data)-9])
	}
	target.Add(withExif(encode(f, "jpg", colours), tiff(binary.LittleEndian, 3, 6)))
	target.Add(progressive(encode(f, "jpg", colours)))
	target.Add(slices.Insert(progressive(encode(f, "jpg", colours)), 2, 0, 1, 2))
	target.Add(fixPNG(append(encode(f, "png", colours)[:16], "\x00\x00\x20\x00\x00\x00\x20\x00\x08\x06\x00\x00\x00...."...)))
	gif := encode(f, "gif", colours)
	copy(gif[6:], "\x00\x04\x00\x01") // 1024x256, of which the frame is a part
	target.Add(gif)
	path := filepath.Join(f.TempDir(), "picture")
	target.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		limit, size := pictureLimit(t, data)
		for _, to := range []form{{height: 3, width: 5, channels: 3}, {height: 4, width: 2, channels: 1, crop: true}} {
			dst := make([]byte, to.bytes())
			scratch := max(to.scratch(size, upright), to.scratch(size, 6))
			fuzztest.Bounded(t, limit+int(scratch), func() {
				got, err := to.load(path, dst)
				if err == nil && got != size && got != image.Pt(size.Y, size.X) {
					t.Errorf("its size is %v, that of the header %v", got, size)
				}
			})
		}
	})
}
