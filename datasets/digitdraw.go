package datasets

import (
	"image"
	"image/draw"
	"math"
	"math/rand/v2"

	"golang.org/x/image/vector"
)

// digitPen draws digits of one size. It is for one goroutine.
type digitPen struct {
	size, channels int
	distortion     float32 // 1: as much as rasterise says; 0: none
	src            rand.PCG
	rng            *rand.Rand
	raster         *vector.Rasterizer
	mask           *image.Alpha
	outline        []contour // scratch
}

func newDigitPen(size, channels int, distortion float64) *digitPen {
	p := &digitPen{
		size: size, channels: channels, distortion: float32(distortion),
		raster: vector.NewRasterizer(size, size),
		mask:   image.NewAlpha(image.Rect(0, 0, size, size)),
	}
	p.rng = rand.New(&p.src)
	return p
}

// between draws uniformly from [low, high).
func (p *digitPen) between(low, high float32) float32 { return low + (high-low)*p.rng.Float32() }

// around draws uniformly from [low, high), a range that distortion draws in towards its middle.
func (p *digitPen) around(low, high float32) float32 {
	middle := (low + high) / 2
	return middle + (p.between(low, high)-middle)*p.distortion
}

// digitLabel gives every class the same share.
func digitLabel(index int) int { return index % 10 }

// draw renders sample index of the stream into dst, CHW.
func (p *digitPen) draw(dst []byte, seed int64, stream uint64, index int) {
	reseed(&p.src, uint64(seed), stream, uint64(index))
	faces := glyphs()
	p.rasterise(faces[p.rng.IntN(len(faces))][digitLabel(index)])
	if p.channels == 1 {
		ink := p.between(0.8, 1)
		for i, a := range p.mask.Pix {
			dst[i] = uint8(float32(a)*ink + 0.5)
		}
		return
	}
	paper, ink := p.colours()
	n := p.size * p.size
	for c := range 3 {
		plane := dst[c*n : (c+1)*n]
		for i, a := range p.mask.Pix {
			plane[i] = uint8(paper[c] + (ink[c]-paper[c])*float32(a)/255 + 0.5)
		}
	}
}

// rasterise fills the mask with a random distortion of g: stroke width, aspect,
// slant, rotation, size, place. All of it moves the outline, so that what the
// mask holds is the exact share of each pixel that is inked.
func (p *digitPen) rasterise(g glyph) {
	weight := p.around(-0.012, 0.022) // a regular stem is 0.13 wide
	aspect := p.around(0.85, 1.2)
	shear := p.around(-0.15, 0.15)
	sin, cos := math.Sincos(float64(p.around(-12, 12)) * math.Pi / 180)
	rotX, rotY := float32(cos), float32(sin)
	height := p.around(0.6, 0.78) * float32(p.size)
	offX, offY := p.around(-0.08, 0.08)*float32(p.size), p.around(-0.08, 0.08)*float32(p.size)

	lowX, lowY := float32(math.Inf(1)), float32(math.Inf(1))
	highX, highY := -lowX, -lowY
	p.outline = p.outline[:0]
	for _, c := range g {
		if len(p.outline) < cap(p.outline) { // take over the old contour's memory
			p.outline = p.outline[:len(p.outline)+1]
		} else {
			p.outline = append(p.outline, nil)
		}
		last := &p.outline[len(p.outline)-1]
		*last = c.embolden((*last)[:0], weight)
		for i, k := range *last {
			x, y := (k.x+shear*k.y)*aspect*height, k.y*height
			k.x, k.y = rotX*x-rotY*y, rotY*x+rotX*y
			(*last)[i] = k
			lowX, highX = min(lowX, k.x), max(highX, k.x)
			lowY, highY = min(lowY, k.y), max(highY, k.y)
		}
	}

	// The whole digit stays inside, a little off the edges: too wide ones shrink,
	// and the offset is cut to the room that is left.
	full, margin := float32(p.size), float32(p.size)/32
	shrink := min(1, (full-2*margin)/max(highX-lowX, highY-lowY))
	place := func(low, high, off float32) float32 {
		room := (full-(high-low)*shrink)/2 - margin
		return full/2 - (low+high)/2*shrink + max(-room, min(off, room))
	}
	moveX, moveY := place(lowX, highX, offX), place(lowY, highY, offY)

	p.raster.Reset(p.size, p.size)
	p.raster.DrawOp = draw.Src // Reset makes it Over
	for _, c := range p.outline {
		at := func(i int) (x, y float32) {
			k := c[i%len(c)]
			return k.x*shrink + moveX, k.y*shrink + moveY
		}
		p.raster.MoveTo(at(0))
		for i := 1; i < len(c); i++ {
			x, y := at(i)
			if !c[i].control {
				p.raster.LineTo(x, y)
				continue
			}
			endX, endY := at(i + 1)
			p.curveTo(x, y, endX, endY)
			i++
		}
		p.raster.ClosePath()
	}
	p.raster.Draw(p.mask, p.mask.Bounds(), image.Opaque, image.Point{})
}

// curveTo draws a quadratic curve as lines that keep within a hundredth of a
// pixel of it; the rasteriser's own allow a seventh, which shows in small images.
func (p *digitPen) curveTo(x1, y1, x2, y2 float32) {
	x0, y0 := p.raster.Pen()
	bend := math.Hypot(float64(x0-2*x1+x2), float64(y0-2*y1+y2)) // the curve leaves its chord by a quarter of this
	n := max(1, math.Ceil(math.Sqrt(bend/4*100)))
	for i := 1.0; i <= n; i++ {
		t := float32(i / n)
		a, b, c := (1-t)*(1-t), 2*t*(1-t), t*t
		p.raster.LineTo(a*x0+b*x1+c*x2, a*y0+b*y1+c*y2)
	}
}

// colours draws a paper and an ink, 0 to 255 by channel, that differ in
// lightness by at least 2/5 of the whole range, whatever their hues.
func (p *digitPen) colours() (paper, ink [3]float32) {
	for {
		for c := range 3 {
			paper[c], ink[c] = p.between(0, 255), p.between(0, 255)
		}
		if d := luma(ink) - luma(paper); max(d, -d) >= 0.4*255 {
			return paper, ink
		}
	}
}

// luma is Rec. 601's, as in JPEG.
func luma(c [3]float32) float32 { return lumaRed*c[0] + lumaGreen*c[1] + lumaBlue*c[2] }
