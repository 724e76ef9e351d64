package latent

import (
	"fmt"
	"image"
	"image/color"
	"math"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// classColors can be told from each other, as points too.
var classColors = []color.NRGBA{
	{0x1f, 0x77, 0xb4, 0xff}, {0xff, 0x7f, 0x0e, 0xff}, {0x2c, 0xa0, 0x2c, 0xff}, {0xd6, 0x27, 0x28, 0xff}, {0x94, 0x67, 0xbd, 0xff},
	{0x8c, 0x56, 0x4b, 0xff}, {0xe3, 0x77, 0xc2, 0xff}, {0x50, 0x50, 0x50, 0xff}, {0xbc, 0xbd, 0x22, 0xff}, {0x17, 0xbe, 0xcf, 0xff},
}

// classGlyphs are for more classes than there are colours.
var classGlyphs = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}, draw.PlusGlyph{}}

// cloud is the images as points in two dimensions of the latent space.
type cloud struct {
	*codes
	x, y   int
	alpha  float64
	radius vg.Length
}

func (c *cloud) glyph(class int64, alpha float64, radius vg.Length) draw.GlyphStyle {
	shade := classColors[class%int64(len(classColors))]
	shade.A = uint8(255 * alpha)
	return draw.GlyphStyle{Color: shade, Radius: radius, Shape: classGlyphs[class/int64(len(classColors))%int64(len(classGlyphs))]}
}

// Plot draws the points in the order of the images, so that no class covers the others.
func (c *cloud) Plot(canvas draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&canvas)
	for i, at := range c.points {
		canvas.DrawGlyph(c.glyph(c.labels[i], c.alpha, c.radius), vg.Point{X: x(float64(at[c.x])), Y: y(float64(at[c.y]))})
	}
}

// DataRange is where the points are.
func (c *cloud) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax = c.span(c.x)
	ymin, ymax = c.span(c.y)
	return xmin, xmax, ymin, ymax
}

func (c *codes) span(dim int) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range c.points {
		lo, hi = min(lo, float64(p[dim])), max(hi, float64(p[dim]))
	}
	return lo, hi
}

// figure draws the points, and others over them, with axes and a legend.
func (c *cloud) figure(title string, over ...plot.Plotter) *image.RGBA {
	if c.radius == 0 { // few points are large and solid
		n := float64(len(c.points))
		c.radius, c.alpha = vg.Length(min(max(90/math.Sqrt(n), 1.8), 6)), min(max(30/math.Sqrt(n), 0.5), 0.9)
	}
	p := plot.New()
	p.Title.Text, p.Title.Padding, p.Title.TextStyle.Font, p.Title.TextStyle.Color = title, 10, titleStyle.Font, ink
	lines := draw.LineStyle{Color: rule, Width: 1}
	p.Add(&plotter.Grid{Vertical: lines, Horizontal: lines}, c)
	p.Add(over...)
	widen(&p.X, &p.Y)
	for a, dim := range map[*plot.Axis]int{&p.X: c.x, &p.Y: c.y} {
		a.Label.Text, a.Label.TextStyle.Font, a.Label.TextStyle.Color, a.Label.Padding = c.label(dim), labelStyle.Font, ink, 4
		a.Tick.Label.Font, a.Tick.Label.Color, a.Padding, a.LineStyle.Color, a.Tick.Color = tickStyle.Font, ink, 0, ink, ink
		a.Tick.Marker = plot.ConstantTicks(ticks(marks(a.Min, a.Max, 8)))
	}

	legend, legendWidth := c.legend()
	width := goodWidth - 2*margin - int(legendWidth)
	data := p.DataCanvas(draw.NewCanvas(nil, vg.Length(width), vg.Length(width)))
	height := vg.Length(width) + data.Max.X - data.Min.X - (data.Max.Y - data.Min.Y) // makes the plot square
	full := newPage(goodWidth, int(height)+2*margin)
	area := draw.Crop(full.Canvas, margin, -margin-legendWidth, margin, -margin)
	p.Draw(area)
	top := p.DataCanvas(area).Max.Y
	legend.Draw(draw.Canvas{Canvas: full.Canvas.Canvas, Rectangle: vg.Rectangle{
		Min: vg.Point{X: area.Max.X + margin}, Max: vg.Point{X: full.Max.X, Y: top},
	}})
	return full.image()
}

func ticks(marks []mark) []plot.Tick {
	var all []plot.Tick
	for _, m := range marks {
		all = append(all, plot.Tick{Value: m.at, Label: m.text})
	}
	return all
}

// sameScale is how much longer one axis may be than the other until each gets a scale of its own.
const sameScale = 4

// widen gives two axes one scale, unless the points are all in a narrow strip, and some air.
func widen(x, y *plot.Axis) {
	spanX, spanY := x.Max-x.Min, y.Max-y.Min
	if wide, narrow := max(spanX, spanY), min(spanX, spanY); narrow*sameScale >= wide {
		spanX, spanY = wide, wide
	}
	for a, span := range map[*plot.Axis]float64{x: spanX, y: spanY} {
		if span == 0 { // all points in one place
			span = max(1, math.Abs(a.Min)/10)
		}
		middle := (a.Min + a.Max) / 2
		a.Min, a.Max = middle-span*0.52, middle+span*0.52
	}
}

// maxLegend is how many classes a legend names.
const maxLegend = 30

// thumbnail is a point in the legend.
type thumbnail struct{ draw.GlyphStyle }

func (t thumbnail) Thumbnail(c *draw.Canvas) { c.DrawGlyphNoClip(t.GlyphStyle, c.Center()) }

// legend names the classes, or is empty where there are none. Width is what it takes beside the plot.
func (c *cloud) legend() (legend plot.Legend, width vg.Length) {
	legend = plot.NewLegend()
	legend.TextStyle.Font, legend.TextStyle.Color = tickStyle.Font, ink
	legend.Top, legend.Left, legend.Padding, legend.ThumbnailWidth = true, true, 5, 14
	classes := c.images.Info().Classes
	for i, name := range classes {
		if i == maxLegend {
			name = fmt.Sprintf("and %d more", len(classes)-maxLegend)
			legend.Add(name)
		} else {
			legend.Add(name, thumbnail{c.glyph(int64(i), 1, 5)})
		}
		width = max(width, 14+margin+10+tickStyle.Width(name))
		if i == maxLegend {
			break
		}
	}
	return legend, width
}

// trail is a line through points of the latent space, which are numbered.
type trail struct {
	points []point
	x, y   int
}

// DataRange is where the points are.
func (t *trail) DataRange() (xmin, xmax, ymin, ymax float64) {
	c := codes{points: t.points}
	xmin, xmax = c.span(t.x)
	ymin, ymax = c.span(t.y)
	return xmin, xmax, ymin, ymax
}

// Plot draws the line, and as many numbers as have room, among them those of the ends.
func (t *trail) Plot(canvas draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&canvas)
	var at []vg.Point
	for _, v := range t.points {
		at = append(at, vg.Point{X: x(float64(v[t.x])), Y: y(float64(v[t.y]))})
	}
	canvas.StrokeLines(draw.LineStyle{Color: color.White, Width: 5}, at)
	canvas.StrokeLines(draw.LineStyle{Color: ink, Width: 2}, at)
	for _, a := range at {
		canvas.DrawGlyph(draw.GlyphStyle{Color: color.White, Radius: 6, Shape: draw.CircleGlyph{}}, a)
		canvas.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: 4.5, Shape: draw.CircleGlyph{}}, a)
	}
	last := len(at) - 1
	way := at[last].Sub(at[0])
	length := vg.Length(math.Hypot(float64(way.X), float64(way.Y)))
	beside := vg.Point{X: 16, Y: 0}
	if length > 1 { // full-size latents may lie behind each other
		beside = vg.Point{X: way.Y, Y: -way.X}.Scale(16 / length)
	}
	every := max(1, int(math.Ceil(22*float64(last)/max(1, float64(length)))))
	for i, a := range at {
		if i == last || i%every == 0 && last-i >= every {
			writeNumber(canvas, i+1, a.Add(beside))
		}
	}
}

// writeNumber writes a number that can be read among points.
func writeNumber(canvas draw.Canvas, n int, at vg.Point) {
	s := style(15, xfont.WeightBold)
	s.XAlign, s.YAlign = draw.XCenter, draw.YCenter
	txt := fmt.Sprint(n)
	s.Color = color.White
	for k := range 16 {
		sin, cos := math.Sincos(float64(k) * math.Pi / 8)
		canvas.FillText(s, vg.Point{X: at.X + vg.Length(2.5*cos), Y: at.Y + vg.Length(2.5*sin)}, txt)
	}
	s.Color = ink
	canvas.FillText(s, at, txt)
}
