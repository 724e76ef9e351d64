package datasets

import (
	"math"
	"math/rand/v2"
)

func init() {
	RegisterAugmentation(AugmentationPlugin{"flip", "mirrors left and right", func() Augmentation { return &Flip{P: 0.5} }})
	RegisterAugmentation(AugmentationPlugin{"vertical_flip", "mirrors top and bottom", func() Augmentation { return &VerticalFlip{P: 0.5} }})
	RegisterAugmentation(AugmentationPlugin{"rotate", "turns about the centre, by any angle of a range",
		func() Augmentation { return &Rotate{Degrees: 10, Fill: "reflect"} }})
	RegisterAugmentation(AugmentationPlugin{"crop", "cuts a part out and resizes it to the whole",
		func() Augmentation { return &Crop{Scale: [2]float64{0.8, 1}, Ratio: [2]float64{0.9, 1.1}} }})
	RegisterAugmentation(AugmentationPlugin{"translate", "shifts", func() Augmentation { return &Translate{Fraction: 0.1, Fill: "reflect"} }})
}

// Flip mirrors left and right with probability P.
type Flip struct {
	P float64 `yaml:"p" check:"min=0,max=1" doc:"the probability"`
}

// VerticalFlip mirrors top and bottom with probability P.
type VerticalFlip struct {
	P float64 `yaml:"p" check:"min=0,max=1" doc:"the probability"`
}

// Rotate turns a picture about its centre by an angle drawn uniformly from
// -Degrees to Degrees.
type Rotate struct {
	Degrees float64 `yaml:"degrees" check:"min=0,max=180" doc:"the largest angle, to either side; 180: any"`
	Fill    string  `yaml:"fill" check:"oneof=reflect|edge|black" doc:"what is beyond the picture: its mirror image, its outermost pixels, or black"`
}

// Crop cuts a rectangle out of a picture, anywhere in it, and resizes it to the
// whole, as PyTorch's RandomResizedCrop does (Szegedy et al. 2015). What would be
// wider or higher than the picture is cut to it.
type Crop struct {
	Scale [2]float64 `yaml:"scale" check:"gt=0,max=1,ascending" doc:"the rectangle's area, a share of the picture's, from and to"`
	Ratio [2]float64 `yaml:"ratio" check:"gt=0,ascending" doc:"its width to its height where the picture's is 1, from and to"`
}

// Translate shifts a picture by up to Fraction of its width and height.
type Translate struct {
	Fraction float64 `yaml:"fraction" check:"min=0,max=1" doc:"the longest way, a share of the width and of the height"`
	Fill     string  `yaml:"fill" check:"oneof=reflect|edge|black" doc:"what is beyond the picture: its mirror image, its outermost pixels, or black"`
}

// geometric is an augmentation that only moves pixels.
type geometric interface {
	Augmentation
	draw(rng *rand.Rand, info Info) affine
	fill() string // "": whatever the neighbours have
}

// move applies one alone.
func move(g geometric, rng *rand.Rand, info Info, s *Sample) {
	g.draw(rng, info).apply(info, s, g.fill())
}

// warp is several geometric augmentations made as one, so that a picture is
// interpolated, and blurred, only once. What the later ones show from beyond the
// rectangle that an earlier one had left is the original picture, where there is
// one.
type warp struct {
	steps []geometric
	fill  string
}

// fold joins the geometric augmentations that follow each other directly, as far
// as they fill the border alike.
func fold(list []Augmentation) []Augmentation {
	var out []Augmentation
	var last *warp
	for _, a := range list {
		g, ok := a.(geometric)
		if !ok {
			out, last = append(out, a), nil
			continue
		}
		if last == nil || last.fill != "" && g.fill() != "" && last.fill != g.fill() {
			last = &warp{}
			out = append(out, last)
		}
		last.steps = append(last.steps, g)
		if g.fill() != "" {
			last.fill = g.fill()
		}
	}
	return out
}

// Apply implements Augmentation.
func (w *warp) Apply(rng *rand.Rand, info Info, s *Sample) {
	whole := affine{xx: 1, yy: 1}
	for _, g := range w.steps {
		whole = whole.then(g.draw(rng, info))
	}
	whole.apply(info, s, w.fill)
}

// Apply implements Augmentation.
func (f *Flip) Apply(rng *rand.Rand, info Info, s *Sample) { move(f, rng, info, s) }

func (f *Flip) draw(rng *rand.Rand, _ Info) affine {
	if rng.Float64() < f.P {
		return affine{xx: -1, yy: 1}
	}
	return affine{xx: 1, yy: 1}
}

func (f *Flip) fill() string { return "" }

// Apply implements Augmentation.
func (f *VerticalFlip) Apply(rng *rand.Rand, info Info, s *Sample) { move(f, rng, info, s) }

func (f *VerticalFlip) draw(rng *rand.Rand, _ Info) affine {
	if rng.Float64() < f.P {
		return affine{xx: 1, yy: -1}
	}
	return affine{xx: 1, yy: 1}
}

func (f *VerticalFlip) fill() string { return "" }

// Apply implements Augmentation.
func (r *Rotate) Apply(rng *rand.Rand, info Info, s *Sample) { move(r, rng, info, s) }

func (r *Rotate) draw(rng *rand.Rand, _ Info) affine {
	return rotation(between(rng, -r.Degrees, r.Degrees))
}

func (r *Rotate) fill() string { return r.Fill }

// Apply implements Augmentation.
func (c *Crop) Apply(rng *rand.Rand, info Info, s *Sample) { move(c, rng, info, s) }

func (c *Crop) draw(rng *rand.Rand, info Info) affine {
	area := between(rng, c.Scale[0], c.Scale[1])
	// Uniform in the logarithm: twice as wide is as likely as twice as high.
	ratio := math.Exp(between(rng, math.Log(c.Ratio[0]), math.Log(c.Ratio[1])))
	width, height := min(1, math.Sqrt(area*ratio)), min(1, math.Sqrt(area/ratio))
	dx := between(rng, -0.5, 0.5) * (1 - width) * float64(info.Width)
	dy := between(rng, -0.5, 0.5) * (1 - height) * float64(info.Height)
	return affine{xx: width, yy: height, dx: dx, dy: dy}
}

func (c *Crop) fill() string { return "" }

// Apply implements Augmentation.
func (t *Translate) Apply(rng *rand.Rand, info Info, s *Sample) { move(t, rng, info, s) }

func (t *Translate) draw(rng *rand.Rand, info Info) affine {
	dx := between(rng, -t.Fraction, t.Fraction) * float64(info.Width)
	dy := between(rng, -t.Fraction, t.Fraction) * float64(info.Height)
	return affine{xx: 1, yy: 1, dx: dx, dy: dy}
}

func (t *Translate) fill() string { return t.Fill }

// between draws from U(lo, hi). It always takes one number, so that what is drawn
// next does not depend on the range.
func between(rng *rand.Rand, lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }
