package datasets

import (
	"fmt"
	"math"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/gomedium"
	"golang.org/x/image/font/gofont/gomediumitalic"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/gomonobold"
	"golang.org/x/image/font/gofont/gomonobolditalic"
	"golang.org/x/image/font/gofont/gomonoitalic"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// digitFaces are the Go fonts. Their two small-caps faces draw the digits of
// regular and italic again.
var digitFaces = [][]byte{
	goregular.TTF, goitalic.TTF, gomedium.TTF, gomediumitalic.TTF, gobold.TTF, gobolditalic.TTF,
	gomono.TTF, gomonoitalic.TTF, gomonobold.TTF, gomonobolditalic.TTF,
}

// glyph is the outline of a digit, about 1 high, around the origin, y downwards.
type glyph []contour

// contour is a closed curve as TrueType has it: points on it, and single control
// points of quadratic curves between two of those. The first is on it.
type contour []knot

type knot struct {
	x, y    float32
	control bool
}

// glyphs returns the outlines by face and digit. The fonts are part of the
// program, so that failing to read one is a panic.
var glyphs = sync.OnceValue(func() [][10]glyph {
	all := make([][10]glyph, len(digitFaces))
	var buf sfnt.Buffer
	for i, ttf := range digitFaces {
		face, err := opentype.Parse(ttf)
		if err != nil {
			panic(fmt.Sprintf("datasets: bundled font %d: %v", i, err))
		}
		for digit := range 10 {
			all[i][digit], err = loadGlyph(face, &buf, rune('0'+digit))
			if err != nil {
				panic(fmt.Sprintf("datasets: bundled font %d, digit %d: %v", i, digit, err))
			}
		}
	}
	return all
})

func loadGlyph(face *sfnt.Font, buf *sfnt.Buffer, r rune) (glyph, error) {
	index, err := face.GlyphIndex(buf, r)
	if err != nil {
		return nil, err
	}
	ppem := fixed.I(1024) // fine enough for the 26.6 fixed point that outlines come in
	height, err := capHeight(face, buf, ppem)
	if err != nil {
		return nil, err
	}
	segments, err := face.LoadGlyph(buf, index, ppem, nil)
	if err != nil {
		return nil, err
	}
	bounds := segments.Bounds()
	point := func(p fixed.Point26_6, control bool) knot {
		return knot{
			x:       (float32(p.X) - float32(bounds.Min.X+bounds.Max.X)/2) / height,
			y:       (float32(p.Y) - float32(bounds.Min.Y+bounds.Max.Y)/2) / height,
			control: control,
		}
	}
	var g glyph
	for _, s := range segments {
		if s.Op == sfnt.SegmentOpMoveTo {
			g = append(g, contour{point(s.Args[0], false)})
			continue
		}
		c := &g[len(g)-1]
		switch s.Op {
		case sfnt.SegmentOpLineTo:
			*c = append(*c, point(s.Args[0], false))
		case sfnt.SegmentOpQuadTo:
			*c = append(*c, point(s.Args[0], true), point(s.Args[1], false))
		default:
			return nil, fmt.Errorf("it has cubic curves, expected those of TrueType")
		}
	}
	for i, c := range g {
		if last := c[len(c)-1]; last == c[0] { // closed explicitly; a contour closes itself
			g[i] = c[:len(c)-1]
		}
	}
	return g, nil
}

// capHeight is the height of digits and capitals, in the units of an outline.
func capHeight(face *sfnt.Font, buf *sfnt.Buffer, ppem fixed.Int26_6) (float32, error) {
	m, err := face.Metrics(buf, ppem, font.HintingNone)
	if err != nil {
		return 0, err
	}
	if m.CapHeight <= 0 {
		return 0, fmt.Errorf("it gives no cap height")
	}
	return float32(m.CapHeight), nil
}

// embolden moves the curve outwards by distance (inwards if negative), which
// thickens strokes by twice that. TrueType's contours run clockwise around ink
// and anticlockwise around holes, so one rule serves both.
func (c contour) embolden(dst contour, distance float32) contour {
	n := len(c)
	for i, k := range c {
		inX, inY := direction(c[(i+n-1)%n], k)
		outX, outY := direction(k, c[(i+1)%n])
		// The corner of the two moved edges lies along the sum of their normals.
		// Sharp corners would shoot out far: they get at most twice the distance.
		along := 1 + inX*outX + inY*outY
		f := distance / max(along, 0.5)
		k.x += f * (inY + outY)
		k.y -= f * (inX + outX)
		dst = append(dst, k)
	}
	return dst
}

// direction is the unit vector from a to b; there are no two equal knots in a row.
func direction(a, b knot) (x, y float32) {
	x, y = b.x-a.x, b.y-a.y
	length := float32(math.Sqrt(float64(x*x + y*y)))
	return x / length, y / length
}
