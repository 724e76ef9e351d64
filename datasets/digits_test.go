package datasets

import (
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
)

func mustDigits(t testing.TB, o DigitsOptions) Dataset {
	t.Helper()
	d, err := o.Open(t.Context(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func readImage(t testing.TB, d Dataset, i int) Sample {
	t.Helper()
	info := d.Info()
	s := Sample{Image: make([]float32, info.Channels*info.Height*info.Width)}
	if info.Target != nil {
		s.Target = make([]float32, info.Target.Channels*info.Height*info.Width)
	}
	if err := d.Read(i, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDigitsAtEverySize(t *testing.T) {
	for _, channels := range []int{1, 3} {
		for _, size := range []int{8, 9, 16, 28, 32, 33, 64, 100, 256} {
			name := fmt.Sprintf("%dx%dx%d", channels, size, size)
			d := mustDigits(t, DigitsOptions{Size: size, Channels: channels, Count: 40, Distortion: 1, Split: "train"})
			info := d.Info()
			if info.Name != "digits" || info.Channels != channels || info.Height != size || info.Width != size || len(info.Classes) != 10 || d.Len() != 40 {
				t.Fatalf("%s: info %+v, %d samples", name, info, d.Len())
			}
			for i := range d.Len() {
				s := readImage(t, d, i)
				if s.Label != int64(i%10) || info.Classes[s.Label] != fmt.Sprint(i%10) {
					t.Errorf("%s: sample %d has label %d", name, i, s.Label)
				}
				low, high := slices.Min(s.Image), slices.Max(s.Image)
				if low < -1 || high > 1 {
					t.Errorf("%s: sample %d reaches from %v to %v", name, i, low, high)
				}
				if channels == 1 && (low != -1 || high < 0) {
					t.Errorf("%s: sample %d reaches from %v to %v, want black and ink", name, i, low, high)
				}
				// The digit lies inside: the frame is paper, but for what antialiasing spills.
				n := size * size
				for c := range channels {
					plane := s.Image[c*n : (c+1)*n]
					for k := range size {
						for _, at := range []int{k, n - 1 - k, k * size, k*size + size - 1} {
							if size >= 32 && plane[at] != plane[0] {
								t.Fatalf("%s: sample %d touches the edge", name, i)
							}
						}
					}
				}
				if share := inked(s.Image[:n]); share < 0.05 || share > 0.5 {
					t.Errorf("%s: sample %d is inked over %.2f of its area", name, i, share)
				}
			}
		}
	}
}

// inked is the share of a plane that is not its corner's colour.
func inked(plane []float32) float64 {
	low, high := slices.Min(plane), slices.Max(plane)
	paper := plane[0]
	var sum float64
	for _, v := range plane {
		sum += math.Abs(float64(v - paper))
	}
	return sum / float64(high-low) / float64(len(plane))
}

func TestDigitsContrast(t *testing.T) {
	d := mustDigits(t, DigitsOptions{Size: 64, Channels: 3, Count: 500, Distortion: 1, Split: "train"})
	n := 64 * 64
	for i := range d.Len() {
		s := readImage(t, d, i)
		var lightness []float32
		for k := range n {
			lightness = append(lightness, luma([3]float32{s.Image[k], s.Image[n+k], s.Image[2*n+k]}))
		}
		if contrast := slices.Max(lightness) - slices.Min(lightness); contrast < 0.78 { // of 2; bytes are rounded
			t.Errorf("sample %d: contrast %.2f, want at least 0.8", i, contrast)
		}
	}
}

func TestDigitsAreDeterministic(t *testing.T) {
	base := DigitsOptions{Size: 16, Channels: 3, Count: 60, Seed: 5, Distortion: 1, Split: "train"}
	cached, fresh := mustDigits(t, base), mustDigits(t, base)
	fresh.(*digits).cache = nil // as if there were too many
	for i := base.Count - 1; i >= 0; i-- {
		first := readImage(t, cached, i)
		for what, again := range map[string]Sample{"again": readImage(t, cached, i), "without a cache": readImage(t, fresh, i)} {
			if !slices.Equal(first.Image, again.Image) || first.Label != again.Label {
				t.Fatalf("sample %d differs when read %s", i, what)
			}
		}
	}
	for what, change := range map[string]func(*DigitsOptions){
		"seed":  func(o *DigitsOptions) { o.Seed = 6 },
		"split": func(o *DigitsOptions) { o.Split = "test" },
	} {
		o := base
		change(&o)
		other := mustDigits(t, o)
		for i := range base.Count {
			for j := range base.Count {
				if slices.Equal(readImage(t, cached, i).Image, readImage(t, other, j).Image) {
					t.Errorf("another %s draws sample %d again", what, i)
				}
			}
		}
	}
	longer := base
	longer.Count = 1000
	if !slices.Equal(readImage(t, cached, 59).Image, readImage(t, mustDigits(t, longer), 59).Image) {
		t.Error("a sample depends on how many there are")
	}
}

func TestDigitsConcurrently(t *testing.T) {
	o := DigitsOptions{Size: 24, Channels: 1, Count: 50, Distortion: 1, Split: "test"}
	alone, shared := mustDigits(t, o), mustDigits(t, o)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			s := Sample{Image: make([]float32, 24*24)}
			for i := range o.Count {
				if err := shared.Read(i, &s); err != nil || !slices.Equal(s.Image, readImage(t, alone, i).Image) {
					t.Errorf("sample %d differs, error %v", i, err)
				}
			}
		})
	}
	readers.Wait()
}

func TestDigitsCacheIsBounded(t *testing.T) {
	for _, c := range []struct {
		size, channels, count int
		cached                bool
	}{{256, 1, 4096, true}, {256, 1, 4097, false}, {256, 3, 10_000, false}, {8, 1, 100_000_000, false}} {
		d := mustDigits(t, DigitsOptions{Size: c.size, Channels: c.channels, Count: c.count, Distortion: 1, Split: "train"})
		if got := d.(*digits).cache != nil; got != c.cached {
			t.Errorf("%+v: cached %v", c, got)
		}
		readImage(t, d, c.count-1)
	}
}

func TestDigitsRefuses(t *testing.T) {
	good := DigitsOptions{Size: 32, Channels: 1, Count: 10, Distortion: 1, Split: "train"}
	for want, change := range map[string]func(*DigitsOptions){
		"size is 7, expected 8 to 256":                func(o *DigitsOptions) { o.Size = 7 },
		"size is 257":                                 func(o *DigitsOptions) { o.Size = 257 },
		"channels is 2, expected 1 or 3":              func(o *DigitsOptions) { o.Channels = 2 },
		"count is 0, expected 1 to 100000000":         func(o *DigitsOptions) { o.Count = 0 },
		"count is 100000001":                          func(o *DigitsOptions) { o.Count = 100_000_001 },
		`split is "valid", expected train or test`:    func(o *DigitsOptions) { o.Split = "valid" },
		`dataset digits: split is "", expected train`: func(o *DigitsOptions) { o.Split = "" },
	} {
		o := good
		change(&o)
		if _, err := o.Open(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", o, err, want)
		}
	}
	d := mustDigits(t, good)
	for _, i := range []int{-1, 10} {
		if err := d.Read(i, &Sample{Image: make([]float32, 1024)}); err == nil {
			t.Errorf("sample %d of 10 can be read", i)
		}
	}
}

// TestDigitFaces: every face has ten outlines of one height, no two faces the
// same digit, and emboldening thickens strokes rather than moving them.
func TestDigitFaces(t *testing.T) {
	all := glyphs()
	if len(all) != len(digitFaces) {
		t.Fatalf("%d faces, want %d", len(all), len(digitFaces))
	}
	area := func(g glyph, weight float32) float64 {
		p := newDigitPen(200, 1, 1)
		p.raster.Reset(200, 200)
		for _, c := range g {
			c = c.embolden(nil, weight)
			for i, k := range c { // control points stand in for their curves
				x, y := 100+120*k.x, 100+120*k.y
				if i == 0 {
					p.raster.MoveTo(x, y)
				} else {
					p.raster.LineTo(x, y)
				}
			}
			p.raster.ClosePath()
		}
		p.raster.Draw(p.mask, p.mask.Bounds(), image.Opaque, image.Point{})
		var sum float64
		for _, a := range p.mask.Pix {
			sum += float64(a) / 255
		}
		return sum
	}
	for face := range all {
		for digit, g := range all[face] {
			low, high := float32(1), float32(-1)
			for _, c := range g {
				for i, k := range c {
					low, high = min(low, k.y), max(high, k.y)
					if next := c[(i+1)%len(c)]; next.x == k.x && next.y == k.y {
						t.Errorf("face %d, digit %d: two equal knots in a row", face, digit)
					}
				}
			}
			if h := high - low; h < 0.95 || h > 1.15 {
				t.Errorf("face %d, digit %d: height %v, want about 1", face, digit, h)
			}
			thin, normal, bold := area(g, -0.012), area(g, 0), area(g, 0.022)
			if thin > 0.97*normal || bold < 1.05*normal || thin < 0.6*normal || bold > 1.8*normal {
				t.Errorf("face %d, digit %d: areas %.0f, %.0f, %.0f thinned, plain, bold", face, digit, thin, normal, bold)
			}
			for other := range face {
				if slices.EqualFunc(g, all[other][digit], func(a, b contour) bool { return slices.Equal(a, b) }) {
					t.Errorf("faces %d and %d draw %d alike", face, other, digit)
				}
			}
		}
	}
}

func BenchmarkDigit(b *testing.B) {
	for _, size := range []int{8, 32, 64, 256} {
		for _, channels := range []int{1, 3} {
			b.Run(fmt.Sprintf("%dx%d", channels, size), func(b *testing.B) {
				pen := newDigitPen(size, channels, 1)
				image := make([]byte, channels*size*size)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					pen.draw(image, 1, streamDigits, i)
					i++
				}
			})
		}
	}
}

// Without distortion only the fonts and the ink are left to vary: far fewer outlines than images.
func TestDistortion(t *testing.T) {
	outlines := func(distortion float64) int {
		d := mustDigits(t, DigitsOptions{Size: 16, Channels: 1, Count: 600, Distortion: distortion, Split: "train"})
		seen := map[string]bool{}
		for i := 0; i < d.Len(); i += 10 { // zeros
			shape := make([]byte, 16*16)
			image := readImage(t, d, i).Image
			ink := slices.Max(image) // differs from image to image
			for j, v := range image {
				if v > (ink-1)/2 {
					shape[j] = 1
				}
			}
			seen[string(shape)] = true
		}
		return len(seen)
	}
	none, some := outlines(0), outlines(1)
	if fonts := len(glyphs()); none > fonts+2 || some < 50 {
		t.Errorf("%d outlines of 60 zeros without distortion and %d with, expected at most %d and at least 50", none, some, fonts+2)
	}
	bad := &DigitsOptions{Size: 16, Channels: 1, Count: 1, Distortion: 1.5, Split: "train"}
	if _, err := bad.Open(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), "distortion is 1.5, expected 0 to 1") {
		t.Errorf("distortion 1.5: %v", err)
	}
}

// TestDigitOutlines: the target is the digit as it is without outlines, and the
// outline is dark inside the strokes and away from them.
func TestDigitOutlines(t *testing.T) {
	const size = 32
	plain := DigitsOptions{Size: size, Channels: 1, Count: 20, Distortion: 1, Split: "train"}
	outlined := plain
	outlined.Outlines = true
	d := mustDigits(t, outlined)
	if target := d.Info().Target; target == nil || target.Channels != 1 || target.Classes != nil {
		t.Fatalf("the target is %+v", target)
	}
	for i := range d.Len() {
		want := readImage(t, mustDigits(t, plain), i)
		s := Sample{Image: make([]float32, size*size), Target: make([]float32, size*size)}
		if err := d.Read(i, &s); err != nil {
			t.Fatal(err)
		}
		if s.Label != want.Label || !slices.Equal(s.Target, want.Image) {
			t.Fatalf("sample %d: the target is not the digit", i)
		}
		lit := 0
		for k, v := range s.Image {
			if v < -1 || v > 1 {
				t.Fatalf("sample %d: the outline has a value of %g", i, v)
			}
			if v > 0 {
				lit++
				if want.Image[k] > 0.9 {
					t.Errorf("sample %d: the outline is light inside a stroke", i)
				}
			}
		}
		if lit < 20 || lit > size*size/2 {
			t.Errorf("sample %d: the outline has %d light pixels", i, lit)
		}
	}
	outlined.Channels = 3
	if _, err := outlined.Open(t.Context(), Env{}); err == nil || !strings.Contains(err.Error(), "outlines is true with 3 channels") {
		t.Errorf("outlines in colour: %v", err)
	}
}
