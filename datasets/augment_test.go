package datasets

import (
	"fmt"
	"image/color"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// pairs is a dataset whose target tells what the image does: a picture, or a map
// of four classes, made from the same values.
type pairs struct {
	n, channels, height, width int
	classes                    bool
}

func (d pairs) Info() Info {
	info := Info{Name: "pairs", Channels: d.channels, Height: d.height, Width: d.width, Target: &Target{Channels: d.channels}}
	if d.classes {
		info.Target = &Target{Channels: 4, Classes: []string{"a", "b", "c", "d"}, Palette: make([]color.RGBA, 4)}
	}
	return info
}

func (d pairs) Len() int { return d.n }

// Read fills the image with noise, of which the target is a copy or the quarters.
func (d pairs) Read(i int, s *Sample) error {
	rng := rand.New(rand.NewPCG(uint64(i), 7))
	for j := range s.Image {
		v := rng.Float32()
		s.Image[j] = v*v*2 - 1 // not multiples of one power of two, whose interpolation would always be exact
	}
	if !d.classes {
		copy(s.Target, s.Image)
		return nil
	}
	plane := d.height * d.width
	for p := range plane {
		for c := range 4 {
			s.Target[c*plane+p] = -1
		}
		s.Target[quarter(s.Image[p])*plane+p] = 1
	}
	return nil
}

// quarter is the class of a value of the first channel.
func quarter(v float32) int { return min(3, int((v+1)*2)) }

func (d pairs) sample(t testing.TB, i int) Sample {
	t.Helper()
	info := d.Info()
	s := Sample{Image: make([]float32, d.channels*d.height*d.width), Target: make([]float32, info.Target.Channels*d.height*d.width)}
	if err := d.Read(i, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func clone(s Sample) Sample {
	return Sample{slices.Clone(s.Image), slices.Clone(s.Target), s.Label}
}

func newRNG(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// augmentationDefaults are all registered augmentations.
func augmentationDefaults() map[string]Augmentation {
	all := map[string]Augmentation{}
	for _, name := range AugmentationNames() {
		p, _ := LookupAugmentation(name)
		all[name] = p.Options()
	}
	return all
}

func TestAugmentationRegistry(t *testing.T) {
	want := []string{"brightness", "contrast", "crop", "flip", "rotate", "translate", "vertical_flip"}
	if got := AugmentationNames(); !slices.Equal(got, want) {
		t.Errorf("names %v, want %v", got, want)
	}
	for _, name := range want {
		p, ok := LookupAugmentation(name)
		if !ok || p.Name != name || p.About == "" || p.Options() == p.Options() {
			t.Errorf("%s: %+v, %v; the options must be fresh", name, p, ok)
		}
	}
	if _, ok := LookupAugmentation("flop"); ok {
		t.Error("flop is known")
	}
	fresh := func() Augmentation { return &Flip{} }
	for _, bad := range []AugmentationPlugin{{Options: fresh}, {Name: "flip", Options: fresh}, {Name: "no options"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was registered", bad)
				}
			}()
			RegisterAugmentation(bad)
		}()
	}
}

// TestFlips: flips move values and change none, with the given probability.
func TestFlips(t *testing.T) {
	for _, width := range []int{1, 4, 5} {
		for _, height := range []int{1, 4, 5} {
			d := pairs{n: 1, channels: 3, height: height, width: width, classes: true}
			plain := d.sample(t, 0)
			for name, test := range map[string]struct {
				flip Augmentation
				from func(x, y int) (int, int)
			}{
				"flip":          {&Flip{P: 1}, func(x, y int) (int, int) { return width - 1 - x, y }},
				"vertical_flip": {&VerticalFlip{P: 1}, func(x, y int) (int, int) { return x, height - 1 - y }},
				"both":          {fold([]Augmentation{&Flip{P: 1}, &VerticalFlip{P: 1}})[0], func(x, y int) (int, int) { return width - 1 - x, height - 1 - y }},
				"twice":         {fold([]Augmentation{&Flip{P: 1}, &Flip{P: 1}})[0], func(x, y int) (int, int) { return x, y }},
				"never":         {&Flip{P: 0}, func(x, y int) (int, int) { return x, y }},
			} {
				s := clone(plain)
				s.Label = 7
				test.flip.Apply(newRNG(1), d.Info(), &s)
				want := moved(plain, height, width, test.from)
				if !slices.Equal(s.Image, want.Image) || !slices.Equal(s.Target, want.Target) || s.Label != 7 {
					t.Errorf("%s of %dx%d is wrong", name, height, width)
				}
			}
		}
	}
	for name, flip := range map[string]Augmentation{"flip": &Flip{P: 0.3}, "vertical_flip": &VerticalFlip{P: 0.3}} {
		rng, flips := newRNG(1), 0
		for range 1000 {
			s := Sample{Image: []float32{0, 0.1, 0.2, 0.3}}
			flip.Apply(rng, Info{Channels: 1, Height: 2, Width: 2}, &s)
			if s.Image[0] != 0 {
				flips++
			}
		}
		if flips < 240 || flips > 360 {
			t.Errorf("%s: %d of 1000 were flipped, want about 300", name, flips)
		}
	}
}

// moved takes each pixel from where from says.
func moved(s Sample, height, width int, from func(x, y int) (int, int)) Sample {
	out := clone(s)
	for _, images := range [][2][]float32{{out.Image, s.Image}, {out.Target, s.Target}} {
		for at := range images[0] {
			plane := at / (height * width) * height * width
			x, y := from(at%width, at/width%height)
			images[0][at] = images[1][plane+y*width+x]
		}
	}
	return out
}

// TestExactGeometry: what moves pixels onto pixels is index arithmetic.
func TestExactGeometry(t *testing.T) {
	reflected := func(i, n int) int {
		for i < 0 || i >= n {
			if i < 0 {
				i = -1 - i
			} else {
				i = 2*n - 1 - i
			}
		}
		return i
	}
	clamped := func(i, n int) int { return min(max(i, 0), n-1) }
	for _, n := range []int{1, 2, 7, 8, 301} {
		last := n - 1
		for _, test := range []struct {
			name string
			a    affine
			fill string
			from func(x, y int) (int, int)
		}{
			{"0", rotation(0), "reflect", func(x, y int) (int, int) { return x, y }},
			{"90", rotation(90), "black", func(x, y int) (int, int) { return last - y, x }},
			{"180", rotation(180), "black", func(x, y int) (int, int) { return last - x, last - y }},
			{"-90", rotation(-90), "edge", func(x, y int) (int, int) { return y, last - x }},
			{"270", rotation(270), "edge", func(x, y int) (int, int) { return y, last - x }},
			{"360", rotation(360), "black", func(x, y int) (int, int) { return x, y }},
			{"90 and a flip", rotation(90).then(affine{xx: -1, yy: 1}), "black", func(x, y int) (int, int) { return last - y, last - x }},
			{"a flip and 90", affine{xx: -1, yy: 1}.then(rotation(90)), "black", func(x, y int) (int, int) { return y, x }},
			{"shift", affine{xx: 1, yy: 1, dx: 2, dy: -3}, "reflect", func(x, y int) (int, int) { return reflected(x+2, n), reflected(y-3, n) }},
			{"far shift", affine{xx: 1, yy: 1, dx: -31, dy: 23}, "reflect", func(x, y int) (int, int) { return reflected(x-31, n), reflected(y+23, n) }},
			{"shift, edge", affine{xx: 1, yy: 1, dx: 2, dy: -3}, "edge", func(x, y int) (int, int) { return clamped(x+2, n), clamped(y-3, n) }},
		} {
			for _, classes := range []bool{false, true} {
				d := pairs{n: 1, channels: 3, height: n, width: n, classes: classes}
				s := d.sample(t, 0)
				want := moved(s, n, n, test.from)
				test.a.apply(d.Info(), &s, test.fill)
				if !slices.Equal(s.Image, want.Image) || !slices.Equal(s.Target, want.Target) {
					t.Errorf("%s, %d pixels, classes %v: the pixels are not where they belong", test.name, n, classes)
				}
			}
		}
	}
}

// TestBlack: beyond the picture is black, and of the first class.
func TestBlack(t *testing.T) {
	d := pairs{n: 1, channels: 1, height: 4, width: 5, classes: true}
	s := d.sample(t, 0)
	plain := clone(s)
	affine{xx: 1, yy: 1, dx: 2}.apply(d.Info(), &s, "black")
	for at := range s.Image {
		x := at % 5
		image, class := float32(-1), 0
		if x < 3 {
			image = plain.Image[at+2]
			class = quarter(image)
		}
		if s.Image[at] != image || s.Target[class*20+at] != 1 {
			t.Errorf("pixel %d: %v, classes %v %v %v %v", at, s.Image[at], s.Target[at], s.Target[20+at], s.Target[40+at], s.Target[60+at])
		}
	}
}

// TestInterpolation: half a pixel to the side is the mean of two.
func TestInterpolation(t *testing.T) {
	info := Info{Channels: 1, Height: 1, Width: 4}
	for fill, want := range map[string][]float32{
		"reflect": {0.5, -0.5, -0.25, 0.5}, "edge": {0.5, -0.5, -0.25, 0.5}, "black": {0.5, -0.5, -0.25, -1},
	} {
		s := Sample{Image: []float32{1, 0, -1, 0.5}}
		affine{xx: 1, yy: 1, dx: 0.5}.apply(info, &s, fill)
		if !slices.Equal(s.Image, want) {
			t.Errorf("%s: got %v, want %v", fill, s.Image, want)
		}
	}
	// Black begins where the outermost pixels end, half a pixel from their centres.
	for dx, want := range map[float64][]float32{0.25: {0.75, -0.25, -0.625, 0.5}, -0.25: {1, 0.25, -0.75, 0.125}} {
		s := Sample{Image: []float32{1, 0, -1, 0.5}}
		affine{xx: 1, yy: 1, dx: dx}.apply(info, &s, "black")
		if !slices.Equal(s.Image, want) {
			t.Errorf("by %v: got %v, want %v", dx, s.Image, want)
		}
	}
}

// TestResamplingIsPlain: every pixel is what the formula says, to the last bit, however fast it is found.
func TestResamplingIsPlain(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("Go may round sums of products in another way here")
	}
	rng := newRNG(3)
	for i, d := range []pairs{
		{n: 1, channels: 3, height: 9, width: 12}, {n: 1, channels: 1, height: 16, width: 16}, {n: 1, channels: 3, height: 5, width: 7, classes: true},
		{n: 1, channels: 3, height: 1, width: 1}, {n: 1, channels: 1, height: 1, width: 9},
	} {
		for _, fill := range []string{"reflect", "edge", "black", ""} {
			for range 50 {
				a := rotation(between(rng, -180, 180))
				a.xx, a.yy = a.xx*between(rng, 0.5, 3), a.yy*between(rng, 0.5, 3)
				a.dx, a.dy = between(rng, -40, 40), between(rng, -40, 40)
				s := d.sample(t, 0)
				plain := clone(s)
				a.apply(d.Info(), &s, fill)
				image := plainly(a, plain.Image, d.height, d.width, fill, false)
				target := plainly(a, plain.Target, d.height, d.width, fill, d.classes)
				if !slices.Equal(s.Image, image) || !slices.Equal(s.Target, target) {
					t.Fatalf("%d, %s, %+v: %v\n%v, expected %v\n%v", i, fill, a, s.Image, s.Target, image, target)
				}
			}
		}
	}
}

// plainly is what affine.apply says it does, pixel by pixel.
func plainly(a affine, src []float32, height, width int, fill string, nearest bool) []float32 {
	dst := make([]float32, len(src))
	inside := func(v float64, n int) int {
		i := int(v)
		if fill == "edge" || fill == "black" {
			return min(max(i, 0), n-1)
		}
		for i < 0 || i >= n {
			if i < 0 {
				i = -1 - i
			} else {
				i = 2*n - 1 - i
			}
		}
		return i
	}
	cx, cy := float64(width-1)/2, float64(height-1)/2
	for i := range dst {
		c, y, x := i/(height*width), i/width%height, i%width
		u := a.xx*(float64(x)-cx) + a.xy*(float64(y)-cy) + a.dx + cx
		v := a.yx*(float64(x)-cx) + a.yy*(float64(y)-cy) + a.dy + cy
		at := func(u, v float64) float32 { return src[(c*height+inside(v, height))*width+inside(u, width)] }
		left, top := math.Floor(u), math.Floor(v)
		upper := at(left, top) + (at(left+1, top)-at(left, top))*float32(u-left)
		lower := at(left, top+1) + (at(left+1, top+1)-at(left, top+1))*float32(u-left)
		switch {
		case fill == "black" && (u < -0.5 || v < -0.5 || u >= float64(width)-0.5 || v >= float64(height)-0.5):
			dst[i] = -1
			if nearest && c == 0 {
				dst[i] = 1
			}
		case nearest:
			dst[i] = at(math.Floor(u+0.5), math.Floor(v+0.5))
		default:
			dst[i] = upper + (lower-upper)*float32(v-top)
		}
	}
	return dst
}

// TestIdentity: augmentations whose range is nothing change nothing.
func TestIdentity(t *testing.T) {
	list := []Augmentation{
		&Flip{}, &VerticalFlip{}, &Rotate{Fill: "black"}, &Crop{Scale: [2]float64{1, 1}, Ratio: [2]float64{1, 1}},
		&Translate{Fill: "black"}, &Brightness{}, &Contrast{},
	}
	d := pairs{n: 1, channels: 3, height: 9, width: 6}
	plain := d.sample(t, 0)
	for _, list := range [][]Augmentation{list, fold(list)} {
		for _, a := range list {
			s := clone(plain)
			a.Apply(newRNG(1), d.Info(), &s)
			if !slices.Equal(s.Image, plain.Image) || !slices.Equal(s.Target, plain.Target) {
				t.Errorf("%T changes the sample", a)
			}
		}
	}
}

// TestPairsStayAligned: image and target get the same geometry, whatever it is,
// and a map of classes stays one. The image's values tell the column, and so does
// the map, which has a class for each; then they tell the row.
func TestPairsStayAligned(t *testing.T) {
	const h, w = 24, 32
	pairsStayAligned(t, w, func(at int) int { return at % w })
	pairsStayAligned(t, h, func(at int) int { return at / w })
	d := pairs{n: 1, channels: 3, height: h, width: w}
	for seed := range uint64(20) {
		s := d.sample(t, 0)
		rng := newRNG(seed)
		for _, a := range fold(strongGeometry) {
			a.Apply(rng, d.Info(), &s)
		}
		if !slices.Equal(s.Image, s.Target) {
			t.Fatal("a picture and its copy as target differ")
		}
	}
}

var strongGeometry = []Augmentation{
	&Flip{0.5}, &VerticalFlip{0.5}, &Rotate{180, "reflect"}, &Crop{[2]float64{0.3, 1}, [2]float64{0.7, 1.4}}, &Translate{0.3, "reflect"},
}

// pairsStayAligned looks at pixels of 24x32 that line, one of n, tells apart.
func pairsStayAligned(t *testing.T, n int, line func(at int) int) {
	t.Helper()
	const h, w = 24, 32
	info := Info{Channels: 1, Height: h, Width: w, Target: &Target{Channels: n, Classes: make([]string, n)}}
	plain := Sample{Image: make([]float32, h*w), Target: make([]float32, n*h*w)}
	for i := range plain.Target {
		plain.Target[i] = -1
	}
	for at := range plain.Image {
		plain.Image[at] = float32(line(at))/float32(n) - 0.5
		plain.Target[line(at)*h*w+at] = 1
	}
	strong := strongGeometry
	for i, list := range [][]Augmentation{strong[:1], strong[1:2], strong[2:3], strong[3:4], strong[4:], strong} {
		for seed := range uint64(20) {
			s := clone(plain)
			rng := newRNG(seed)
			for _, a := range fold(list) {
				a.Apply(rng, info, &s)
			}
			for at := range s.Image {
				class, ones := 0, 0
				for c := range n {
					switch s.Target[c*h*w+at] {
					case 1:
						class, ones = c, ones+1
					case -1:
					default:
						t.Fatalf("list %d: a target of %v", i, s.Target[c*h*w+at])
					}
				}
				// The nearest line is half a line away at most.
				from := (s.Image[at] + 0.5) * float32(n)
				if ones != 1 || math.Abs(float64(from)-float64(class)) > 0.51 {
					t.Fatalf("list %d, seed %d, pixel %d: the image is from line %v of %d, the target from %d (%d classes)", i, seed, at, from, n, class, ones)
				}
			}
		}
	}
}

// TestFold: neighbours become one, and draw what they would have drawn alone.
func TestFold(t *testing.T) {
	crop := &Crop{[2]float64{0.5, 1}, [2]float64{0.9, 1.1}}
	for name, test := range map[string]struct {
		list []Augmentation
		want []int // how many went into each
	}{
		"nothing":       {nil, nil},
		"all":           {[]Augmentation{&Flip{}, &Rotate{10, "edge"}, crop, &Translate{0.1, "edge"}}, []int{4}},
		"fills differ":  {[]Augmentation{&Flip{}, &Rotate{10, "edge"}, crop, &Translate{0.1, "black"}, &Flip{}}, []int{3, 2}},
		"colours split": {[]Augmentation{&Flip{}, crop, &Brightness{}, &Contrast{}, crop}, []int{2, 0, 0, 1}},
	} {
		var got []int
		for _, a := range fold(test.list) {
			n := 0
			if w, ok := a.(*warp); ok {
				n = len(w.steps)
			}
			got = append(got, n)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: folded into %v, want %v", name, got, test.want)
		}
	}
	// On a smooth picture, once and step by step look the same in the middle.
	const n = 64
	info := Info{Channels: 1, Height: n, Width: n}
	smooth := make([]float32, n*n)
	for at := range smooth {
		smooth[at] = float32(math.Sin(float64(at%n)/12) * math.Cos(float64(at/n)/9))
	}
	list := []Augmentation{&Flip{1}, &Rotate{20, "reflect"}, crop, &Translate{0.05, "reflect"}, &VerticalFlip{1}}
	for seed := range uint64(10) {
		once, steps := Sample{Image: slices.Clone(smooth)}, Sample{Image: slices.Clone(smooth)}
		one, each := newRNG(seed), newRNG(seed)
		fold(list)[0].Apply(one, info, &once)
		for _, a := range list {
			a.Apply(each, info, &steps)
		}
		if one.Uint64() != each.Uint64() {
			t.Fatal("folded augmentations draw otherwise")
		}
		for at := range smooth {
			x, y := at%n, at/n
			if min(x, y, n-1-x, n-1-y) > 16 && math.Abs(float64(once.Image[at]-steps.Image[at])) > 0.02 {
				t.Fatalf("seed %d, (%d, %d): %v at once, %v step by step", seed, x, y, once.Image[at], steps.Image[at])
			}
		}
	}
}

// TestDraws: an augmentation takes as many random numbers whatever comes out.
func TestDraws(t *testing.T) {
	want := map[string]int{"flip": 1, "vertical_flip": 1, "rotate": 1, "crop": 4, "translate": 2, "brightness": 1, "contrast": 1}
	d := pairs{n: 1, channels: 1, height: 4, width: 4}
	for name, a := range augmentationDefaults() {
		for seed := range uint64(20) {
			rng, reference := newRNG(seed), newRNG(seed)
			s := d.sample(t, 0)
			a.Apply(rng, d.Info(), &s)
			for range want[name] {
				reference.Uint64()
			}
			if rng.Uint64() != reference.Uint64() {
				t.Errorf("%s took another number of draws than %d", name, want[name])
				break
			}
		}
	}
}

// TestRanges: what is drawn fills the range of the options and does not leave it.
func TestRanges(t *testing.T) {
	info := Info{Channels: 1, Height: 50, Width: 100}
	rng := newRNG(3)
	var angle, dx, dy, area, wide, high float64
	least := 1.0
	for range 4000 {
		r := (&Rotate{Degrees: 30}).draw(rng, info)
		angle = max(angle, math.Abs(math.Atan2(r.yx, r.xx))*180/math.Pi)
		m := (&Translate{Fraction: 0.2}).draw(rng, info)
		dx, dy = max(dx, math.Abs(m.dx)), max(dy, math.Abs(m.dy))
		c := (&Crop{[2]float64{0.5, 0.8}, [2]float64{0.8, 1.25}}).draw(rng, info)
		area, least = max(area, c.xx*c.yy), min(least, c.xx*c.yy)
		wide, high = max(wide, c.xx/c.yy), max(high, c.yy/c.xx)
		// The rectangle stays in the picture.
		if math.Abs(c.dx) > (1-c.xx)*50+1e-9 || math.Abs(c.dy) > (1-c.yy)*25+1e-9 {
			t.Fatalf("a crop of %vx%v at %v, %v", c.xx, c.yy, c.dx, c.dy)
		}
	}
	for name, v := range map[string][2]float64{
		"angle": {angle, 30}, "shift to the side": {dx, 20}, "shift up or down": {dy, 10}, "area": {area, 0.8}, "area left": {1 - least, 0.5},
		"width to height": {wide, 1.25}, "height to width": {high, 1.25},
	} {
		if v[0] > v[1]+1e-9 || v[0] < 0.98*v[1] {
			t.Errorf("%s: at most %v, want nearly %v", name, v[0], v[1])
		}
	}
}

// TestColors compares with the formulas on light, 0 to 1.
func TestColors(t *testing.T) {
	info := Info{Channels: 3, Height: 1, Width: 2}
	image := []float32{-1, 0.5, -0.25, 1, 0, 0.75}
	light := func(v float32) float64 { return (float64(v) + 1) / 2 }
	grey := 0.0
	for i, weight := range []float64{0.299, 0.587, 0.114} {
		grey += weight * (light(image[2*i]) + light(image[2*i+1])) / 2
	}
	darker, lighter := false, false
	for seed := range uint64(20) {
		factor := 0.6 + 0.8*newRNG(seed).Float64()
		darker, lighter = darker || factor < 0.8, lighter || factor > 1.2
		for name, test := range map[string]struct {
			a    Augmentation
			want func(v float64) float64
		}{
			"brightness": {&Brightness{0.4}, func(v float64) float64 { return v * factor }},
			"contrast":   {&Contrast{0.4}, func(v float64) float64 { return grey + (v-grey)*factor }},
		} {
			s := Sample{Image: slices.Clone(image), Target: slices.Clone(image)}
			test.a.Apply(newRNG(seed), info, &s)
			for i, v := range s.Image {
				if want := min(max(test.want(light(image[i])), 0), 1); math.Abs(light(v)-want) > 1e-6 {
					t.Errorf("%s by %v of %v: got %v, want %v", name, factor, light(image[i]), light(v), want)
				}
			}
			if !slices.Equal(s.Target, image) {
				t.Errorf("%s changes the target", name)
			}
		}
	}
	if !darker || !lighter {
		t.Error("the seeds do not cover the range")
	}
	// Of one channel the grey is the mean, here 0.
	s := Sample{Image: []float32{-1, 0, 0.5, 0.5}}
	(&Contrast{1}).Apply(newRNG(1), Info{Channels: 1, Height: 2, Width: 2}, &s)
	factor := float32(2 * newRNG(1).Float64())
	for i, v := range []float32{-1, 0, 0.5, 0.5} {
		if want := min(max(v*factor, -1), 1); math.Abs(float64(s.Image[i]-want)) > 1e-6 {
			t.Errorf("one channel, contrast %v: got %v for %v", factor, s.Image[i], v)
		}
	}
}

// TestValuesStayInRange: with everything at its strongest, on extreme pictures.
func TestValuesStayInRange(t *testing.T) {
	d := pairs{n: 8, channels: 3, height: 7, width: 10}
	for _, fill := range []string{"reflect", "edge", "black"} {
		list := fold([]Augmentation{
			&Flip{0.5}, &Rotate{180, fill}, &Crop{[2]float64{0.01, 1}, [2]float64{0.2, 5}}, &Translate{1, fill}, &Contrast{1}, &Brightness{1}, &Rotate{180, fill},
		})
		for seed := range uint64(100) {
			s := d.sample(t, int(seed%8))
			for i := range s.Image {
				if seed%2 == 0 {
					s.Image[i] = float32(math.Copysign(1, float64(s.Image[i])))
				}
			}
			rng := newRNG(seed)
			for _, a := range list {
				a.Apply(rng, d.Info(), &s)
			}
			for _, v := range slices.Concat(s.Image, s.Target) {
				if !(v >= -1 && v <= 1) {
					t.Fatalf("%s, seed %d: %v", fill, seed, v)
				}
			}
		}
	}
}

// TestAugmentIsReproducible: what a sample gets is a function of seed, epoch and
// index, whatever the order, batches and workers.
func TestAugmentIsReproducible(t *testing.T) {
	d := pairs{n: 13, channels: 3, height: 8, width: 6, classes: true}
	list := []Augmentation{&Flip{0.5}, &Rotate{30, "reflect"}, &Crop{[2]float64{0.7, 1}, [2]float64{0.9, 1.1}}, &Brightness{0.2}, &Translate{0.1, "edge"}, &Contrast{0.2}}
	type key struct{ epoch, index int }
	collect := func(o LoaderOptions, epochs int) map[key]string {
		l := mustLoader(t, d, o)
		order := newOrder(d.n, o.Seed, o.InOrder, 0)
		places := make([]place, o.BatchSize)
		got := map[key]string{}
		for range epochs * d.n / o.BatchSize {
			b := mustNext(t, l)
			order.take(places)
			for i, p := range places {
				image, target := len(b.Images)/b.N, len(b.Targets)/b.N
				got[key{int(p.epoch), p.index}] = fmt.Sprint(b.Images[i*image:(i+1)*image], b.Targets[i*target:(i+1)*target])
			}
			l.Recycle(b)
		}
		l.Close()
		return got
	}
	want := collect(LoaderOptions{BatchSize: 13, Seed: 5, Workers: 1, InOrder: true, Augment: list}, 4)
	for _, o := range []LoaderOptions{{BatchSize: 13, Workers: 1}, {BatchSize: 4, Workers: 4}, {BatchSize: 1, Workers: 3, InOrder: true}, {BatchSize: 26, Workers: 2}} {
		o.Seed, o.Augment = 5, list
		for k, sample := range collect(o, 4) {
			if sample != want[k] {
				t.Fatalf("%+v: sample %+v differs", o, k)
			}
		}
	}
	for k, sample := range collect(LoaderOptions{BatchSize: 13, Seed: 6, InOrder: true, Augment: list}, 1) {
		if sample == want[k] {
			t.Errorf("another seed gives the same sample %+v", k)
		}
	}
}

// TestFewImagesGiveManySamples: 16 images never repeat.
func TestFewImagesGiveManySamples(t *testing.T) {
	d := pairs{n: 16, channels: 3, height: 8, width: 8}
	l := mustLoader(t, d, LoaderOptions{BatchSize: 16, Seed: 1, Augment: []Augmentation{&Flip{0.5}, &Rotate{10, "reflect"}, &Crop{[2]float64{0.8, 1}, [2]float64{0.9, 1.1}}}})
	seen := map[string]bool{}
	const epochs = 100
	for range epochs {
		b := mustNext(t, l)
		for image := range slices.Chunk(b.Images, 3*8*8) {
			seen[fmt.Sprint(image)] = true
		}
		l.Recycle(b)
	}
	if len(seen) != 16*epochs {
		t.Errorf("%d different samples of %d", len(seen), 16*epochs)
	}
}

func TestAugmentAllocatesNothing(t *testing.T) {
	for _, classes := range []bool{false, true} {
		d := pairs{n: 1, channels: 3, height: 16, width: 16, classes: classes}
		info, s, rng := d.Info(), d.sample(t, 0), newRNG(1)
		var list []Augmentation
		for _, name := range AugmentationNames() {
			list = append(list, augmentationDefaults()[name])
		}
		list = fold(list)
		apply := func() {
			for _, a := range list {
				a.Apply(rng, info, &s)
			}
		}
		apply()
		if got := testing.AllocsPerRun(500, apply); got >= 1 {
			t.Errorf("%v allocations a sample, want none", got)
		}
	}
}

func BenchmarkAugment(b *testing.B) {
	d := pairs{n: 1, channels: 3, height: 128, width: 128}
	info, s, rng := d.Info(), d.sample(b, 0), newRNG(1)
	s.Target = nil
	for _, name := range AugmentationNames() {
		a := augmentationDefaults()[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.Apply(rng, info, &s)
			}
		})
	}
}
