package datasets

import (
	"math"
	"slices"
	"sync"
)

// affine says where a changed picture takes its pixels from: the pixel at p takes
// the one at (xx*p.x + xy*p.y + dx, yx*p.x + yy*p.y + dy), in pixels from the
// picture's centre, x to the right and y downward.
type affine struct{ xx, xy, yx, yy, dx, dy float64 }

// rotation turns anticlockwise.
func rotation(degrees float64) affine {
	sin, cos := math.Sincos(math.Mod(degrees, 360) * math.Pi / 180)
	// The cosine of a float64 near π/2 is not 0, and a quarter turn is to be exact.
	const grain = 1 << 50
	sin, cos = math.Round(sin*grain)/grain, math.Round(cos*grain)/grain
	return affine{xx: cos, xy: -sin, yx: sin, yy: cos}
}

// then returns a followed by b: b takes its pixels from a's.
func (a affine) then(b affine) affine {
	return affine{
		xx: a.xx*b.xx + a.xy*b.yx, xy: a.xx*b.xy + a.xy*b.yy, dx: a.xx*b.dx + a.xy*b.dy + a.dx,
		yx: a.yx*b.xx + a.yy*b.yx, yy: a.yx*b.xy + a.yy*b.yy, dy: a.yx*b.dx + a.yy*b.dy + a.dy,
	}
}

// originals holds *[]float32: a copy of the picture being changed.
var originals = sync.Pool{New: func() any { return new([]float32) }}

// apply changes the picture and its target. Pictures are interpolated bilinearly;
// a map of classes takes the nearest pixel whole, so that a pixel stays of one
// class. fill says what is beyond a picture's edges: "reflect" (or ""), the
// picture mirrored at them; "edge", its outermost pixels; "black", -1, and in a
// map of classes the first class, the background.
func (a affine) apply(info Info, s *Sample, fill string) {
	if a.xy == 0 && a.yx == 0 && math.Abs(a.xx) == 1 && math.Abs(a.yy) == 1 && a.dx == 0 && a.dy == 0 {
		for _, image := range [][]float32{s.Image, s.Target} {
			mirror(image, info.Height, info.Width, a.xx < 0, a.yy < 0)
		}
		return
	}
	r := resampling{a, info.Height, info.Width, fill}
	memory := originals.Get().(*[]float32)
	defer originals.Put(memory)
	*memory = append((*memory)[:0], s.Image...)
	r.bilinear(s.Image, *memory)
	*memory = append((*memory)[:0], s.Target...)
	if info.Target != nil && info.Target.Classes != nil {
		r.nearest(s.Target, *memory)
	} else {
		r.bilinear(s.Target, *memory)
	}
}

// mirror flips an image, CHW, in place.
func mirror(image []float32, height, width int, leftRight, topBottom bool) {
	if leftRight {
		for row := range slices.Chunk(image, width) {
			slices.Reverse(row)
		}
	}
	if topBottom {
		for plane := range slices.Chunk(image, height*width) {
			for y := range height / 2 {
				a, b := plane[y*width:(y+1)*width], plane[(height-1-y)*width:(height-y)*width]
				for x := range a {
					a[x], b[x] = b[x], a[x]
				}
			}
		}
	}
}

// resampling takes the pixels of images of one size, CHW, from src to dst.
type resampling struct {
	affine
	height, width int
	fill          string
}

// row is where the pixels of a row come from.
type row struct {
	affine
	cx, cy float64 // the picture's centre, from that of the top left pixel
	ux, vx float64 // what all pixels of the row have in common
}

func (r *resampling) row(y int) row {
	cx, cy := float64(r.width-1)/2, float64(r.height-1)/2
	py := float64(y) - cy
	return row{r.affine, cx, cy, r.xy * py, r.yy * py}
}

// source returns where the pixel at x comes from, in pixels from the centre of
// the top left one.
func (w *row) source(x int) (u, v float64) {
	px := float64(x) - w.cx
	return w.xx*px + w.ux + w.dx + w.cx, w.yx*px + w.vx + w.dy + w.cy
}

// blank says whether nothing is at (u, v), with fill black. A pixel reaches half a
// pixel from its centre, so that it is nothing just where the nearest pixel is.
func (r *resampling) blank(u, v float64) bool {
	return u < -0.5 || v < -0.5 || u >= float64(r.width)-0.5 || v >= float64(r.height)-0.5
}

// inside returns the one of n pixels in a line that stands for pixel i of the
// endless line.
func (r *resampling) inside(i, n int) int {
	if uint(i) < uint(n) {
		return i
	}
	return r.beyond(i, n)
}

func (r *resampling) beyond(i, n int) int {
	if r.fill == "edge" || r.fill == "black" { // black: within half a pixel of the edge
		return min(max(i, 0), n-1)
	}
	if i %= 2 * n; i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}

// floor is math.Floor for what an int holds.
func floor(v float64) int {
	i := int(v)
	if float64(i) > v {
		i--
	}
	return i
}

func (r *resampling) bilinear(dst, src []float32) {
	plane, black := r.height*r.width, r.fill == "black"
	for y := range min(r.height, len(dst)) { // none without an image
		row := r.row(y)
		for x := range r.width {
			at := y*r.width + x
			u, v := row.source(x)
			if black && r.blank(u, v) {
				for i := at; i < len(dst); i += plane {
					dst[i] = -1
				}
				continue
			}
			left, top := floor(u), floor(v)
			fx, fy := float32(u-float64(left)), float32(v-float64(top))
			x0, x1 := r.inside(left, r.width), r.inside(left+1, r.width)
			y0, y1 := r.inside(top, r.height)*r.width, r.inside(top+1, r.height)*r.width
			for c := 0; c < len(dst); c += plane {
				from := src[c : c+plane]
				a, b := from[y0+x0], from[y1+x0]
				a += (from[y0+x1] - a) * fx
				b += (from[y1+x1] - b) * fx
				dst[c+at] = a + (b-a)*fy
			}
		}
	}
}

func (r *resampling) nearest(dst, src []float32) {
	plane, black := r.height*r.width, r.fill == "black"
	for y := range min(r.height, len(dst)) { // none without an image
		row := r.row(y)
		for x := range r.width {
			at := y*r.width + x
			u, v := row.source(x)
			if black && r.blank(u, v) {
				for i := at; i < len(dst); i += plane {
					dst[i] = -1
				}
				dst[at] = 1
				continue
			}
			from := r.inside(floor(v+0.5), r.height)*r.width + r.inside(floor(u+0.5), r.width)
			for c := 0; c < len(dst); c += plane {
				dst[c+at] = src[c+from]
			}
		}
	}
}
