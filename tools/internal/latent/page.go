package latent

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/imori-ml/imori/trainer/curves"
)

const (
	goodWidth = 900  // pixels: what a reader sees whole
	maxWidth  = 1600 // of all pictures
	margin    = 16
)

var (
	ink  = color.RGBA{0x20, 0x20, 0x20, 0xff}
	rule = color.RGBA{0xe6, 0xe6, 0xe6, 0xff} // lines that help reading
)

// style is that of text: size in pixels.
func style(size font.Length, weight xfont.Weight) text.Style {
	return text.Style{
		Color:   ink,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: size},
		Handler: plot.DefaultTextHandler,
	}
}

var (
	titleStyle = style(17, xfont.WeightBold)
	labelStyle = style(16, xfont.WeightNormal)
	tickStyle  = style(14, xfont.WeightNormal)
)

// page is a white picture to draw on, in pixels.
type page struct {
	vgdraw.Canvas
	img *vgimg.Canvas
}

func newPage(width, height int) page {
	// At 72 dots an inch the library's points are pixels.
	img := vgimg.NewWith(vgimg.UseWH(vg.Length(width), vg.Length(height)), vgimg.UseDPI(72))
	return page{vgdraw.New(img), img}
}

// image returns the picture.
func (p page) image() *image.RGBA { return p.img.Image().(*image.RGBA) }

// write puts text at a place counted from the top left, which is in its middle, or where align says: -1 at its left or
// upper end, 1 at its right or lower end.
func (p page) write(s text.Style, txt string, x, y float64, alignX, alignY float64) {
	if alignY == 0 { // the library's middle is lower than that of digits and capitals
		y -= 0.1 * float64(s.Font.Size)
	}
	s.XAlign, s.YAlign = text.XAlignment(-(1+alignX)/2), text.YAlignment(-(1-alignY)/2)
	p.FillText(s, vg.Point{X: vg.Length(x), Y: p.Max.Y - vg.Length(y)}, txt)
}

// line draws a line between two places counted from the top left.
func (p page) line(x0, y0, x1, y1 float64) {
	p.StrokeLine2(vgdraw.LineStyle{Color: ink, Width: 1}, vg.Length(x0), p.Max.Y-vg.Length(y0), vg.Length(x1), p.Max.Y-vg.Length(y1))
}

// stack puts pictures below each other.
func stack(pictures ...*image.RGBA) *image.RGBA {
	if len(pictures) == 1 {
		return pictures[0]
	}
	var size image.Point
	for _, p := range pictures {
		size.X = max(size.X, p.Rect.Dx())
		size.Y += p.Rect.Dy()
	}
	all := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(all, all.Rect, image.White, image.Point{}, draw.Src)
	top := 0
	for _, p := range pictures {
		draw.Draw(all, p.Rect.Add(image.Pt((size.X-p.Rect.Dx())/2, top)), p, image.Point{}, draw.Src)
		top += p.Rect.Dy()
	}
	return all
}

// mark is a tick of an axis.
type mark struct {
	at   float64
	text string
}

// marks are about n round numbers between lo and hi.
func marks(lo, hi float64, n int) (all []mark) {
	values, digits := curves.Ticks(lo, hi, n)
	for _, v := range values {
		all = append(all, mark{v, number(v, digits)})
	}
	return all
}

// number writes a number with that many digits behind the point.
func number(v float64, digits int) string {
	size := strconv.FormatFloat(math.Abs(v), 'f', digits, 64)
	if v < 0 && strings.Trim(size, "0.") != "" {
		return "\u2212" + size // a minus as wide as a plus
	}
	return size
}
