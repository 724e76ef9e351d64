package rundir

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestSavePicture(t *testing.T) {
	d := create(t)
	want := photo(40, 30, 0)
	path, err := d.SavePicture(500, want)
	if err != nil || path != filepath.Join(d.Path(), "samples", "00000500.png") {
		t.Fatalf("got %s, %v", path, err)
	}
	got, err := readPicture(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("another picture was read, %v", err)
	}
	if _, err := d.SavePicture(500, photo(8, 8, 0)); err != nil { // a resumed run draws it again
		t.Error(err)
	}
	if got := names(t, filepath.Dir(path)); got != "00000500.png" {
		t.Errorf("left: %s", got)
	}
	writeFile(t, filepath.Join(filepath.Dir(path), "another.png"), "")
	for upTo, want := range map[int]int{math.MaxInt: 1, 500: 1, 499: 0} {
		if n := len(d.Pictures(upTo)); n != want {
			t.Errorf("%d pictures up to iteration %d, expected %d", n, upTo, want)
		}
	}
}

// photo has smooth gradients of many colours, which phase moves.
func photo(w, h int, phase float64) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := float64(x)/float64(w), float64(y)/float64(h)
			img.SetRGBA(x, y, color.RGBA{
				uint8(255 * u), uint8(127 + 127*math.Sin(6*v+phase)), uint8(127 + 127*math.Cos(9*u*v+phase)), 255,
			})
		}
	}
	return img
}

func readGIF(t *testing.T, path string) *gif.GIF {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g, err := gif.DecodeAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAnimation(t *testing.T) {
	d := create(t)
	for i, size := range []int{50, 80, 80, 80} { // the first is of another size
		if _, err := d.SavePicture(100*i, photo(size, 60, float64(i)/5)); err != nil {
			t.Fatal(err)
		}
	}
	inRun(t, d.Path(), "samples/notes.txt")
	path, err := d.SaveAnimation(d.Pictures(math.MaxInt), 100*time.Millisecond)
	if err != nil || path != filepath.Join(d.Path(), "samples", "training.gif") {
		t.Fatalf("got %s, %v", path, err)
	}
	g := readGIF(t, path)
	if !slices.Equal(g.Delay, []int{10, 10, 200}) || g.LoopCount != 0 || g.Config.Width != 80 || g.Config.Height != 60 {
		t.Errorf("delays %v, loops %d, %dx%d", g.Delay, g.LoopCount, g.Config.Width, g.Config.Height)
	}
	for i, frame := range g.Image {
		if far := distance(frame, photo(80, 60, float64(i+1)/5)); far > 6 {
			t.Errorf("frame %d: colours are off by %.1f in 255 on average", i, far)
		}
	}
	first := readFile(t, path)
	if _, err := d.SaveAnimation(d.Pictures(math.MaxInt), 100*time.Millisecond); err != nil || readFile(t, path) != first {
		t.Errorf("the same pictures gave another animation, %v", err)
	}
	if _, err := d.SaveAnimation(d.Pictures(299), 0); err != nil || len(readGIF(t, path).Delay) != 2 {
		t.Errorf("up to iteration 299 it has the delays %v, %v", readGIF(t, path).Delay, err)
	}
}

// distance is the mean difference of two pictures, each blurred over 4x4 as an eye does with dithering.
func distance(a, b image.Image) float64 {
	size, sum, n := a.Bounds().Size(), 0.0, 0
	for y := 0; y+4 <= size.Y; y += 4 {
		for x := 0; x+4 <= size.X; x += 4 {
			var difference [3]int
			for i := range 16 {
				r1, g1, b1, _ := a.At(x+i%4, y+i/4).RGBA()
				r2, g2, b2, _ := b.At(x+i%4, y+i/4).RGBA()
				for k, v := range [3]int{int(r1>>8) - int(r2>>8), int(g1>>8) - int(g2>>8), int(b1>>8) - int(b2>>8)} {
					difference[k] += v
				}
			}
			for _, v := range difference {
				sum += math.Abs(float64(v)) / 16
				n++
			}
		}
	}
	return sum / float64(n)
}

// Few colours, as of grey digits, come through exactly.
func TestAnimationOfGreys(t *testing.T) {
	d := create(t)
	values := make([]float32, 16*16)
	for i := range values {
		values[i] = float32(i)/127.5 - 1
	}
	want := Grid(values, 1, 1, 16, 16, 1)
	if _, err := d.SavePicture(1, want); err != nil {
		t.Fatal(err)
	}
	path, err := d.SaveAnimation(d.Pictures(math.MaxInt), 0)
	if err != nil {
		t.Fatal(err)
	}
	g := readGIF(t, path)
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			if got := color.RGBAModel.Convert(g.Image[0].At(x, y)); got != want.RGBAAt(x, y) {
				t.Fatalf("at %d,%d: got %v, want %v", x, y, got, want.RGBAAt(x, y))
			}
		}
	}
	if g.Delay[0] != 2*lastFrames {
		t.Errorf("delay %v", g.Delay)
	}
}

func TestAnimationIsBounded(t *testing.T) {
	d := create(t)
	for i := range 120 {
		if _, err := d.SavePicture(i, Grid([]float32{float32(i)/60 - 1}, 1, 1, 1, 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	path, err := d.SaveAnimation(d.Pictures(math.MaxInt), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if g := readGIF(t, path); len(g.Image) != 100 {
		t.Errorf("%d frames", len(g.Image))
	}
	var all []string
	for i := range 120 {
		all = append(all, fmt.Sprint(i))
	}
	picked := evenly(all, 100)
	if len(picked) != 100 || picked[0] != "0" || picked[99] != "119" || picked[50] != "60" {
		t.Errorf("picked %v", picked)
	}
	if got := evenly(all[:7], 100); len(got) != 7 {
		t.Errorf("picked %v of 7", got)
	}
}

func TestLargePicturesAreShrunk(t *testing.T) {
	d := create(t)
	path, err := d.SavePicture(1, photo(2500, 90, 0))
	if err != nil {
		t.Fatal(err)
	}
	got, err := readPicture(path)
	if err != nil || got.Rect.Size() != image.Pt(833, 30) {
		t.Fatalf("got %v, %v", got.Rect, err)
	}
	if far := distance(got, photo(833, 30, 0)); far > 4 {
		t.Errorf("off by %.1f", far)
	}
}

func TestAnimationRefuses(t *testing.T) {
	d := create(t)
	_, err := d.SaveAnimation(d.Pictures(math.MaxInt), 0)
	wantError(t, err, "training.gif: there are no pictures of at most 256 million pixels in")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("not fs.ErrNotExist")
	}
	if _, err := d.SavePicture(2, photo(8, 8, 0)); err != nil {
		t.Fatal(err)
	}
	inRun(t, d.Path(), "samples/00000001.png")
	_, err = d.SaveAnimation(d.Pictures(math.MaxInt), 0)
	wantError(t, err, "00000001.png: ")
	if got := names(t, filepath.Join(d.Path(), samplesFolder)); got != "00000001.png 00000002.png" {
		t.Errorf("left: %s", got)
	}
}

func TestQuantize(t *testing.T) {
	var h histogram
	h.add(photo(200, 200, 0))
	p := h.palette()
	if len(p) != maxColors {
		t.Errorf("%d colours", len(p))
	}
	seen := map[color.Color]bool{}
	for _, c := range p {
		seen[c] = true
	}
	if len(seen) < 250 {
		t.Errorf("only %d different colours", len(seen))
	}
}
