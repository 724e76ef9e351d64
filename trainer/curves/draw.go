package curves

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Sizes are in points, 1/72 inch.
const (
	dpi         = 96
	panelWidth  = 420
	panelHeight = 235
	gap         = 14
	lineHeight  = 14
	sampleWidth = 20 // of a line in a legend
	dotSpace    = 8  // points that are nearer to each other are a line without dots
)

// palette is Okabe and Ito's, made to be told apart with every kind of colour vision, without its yellow, which is too
// pale for a line.
var palette = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff},
	{0xe6, 0x9f, 0x00, 0xff}, {0x56, 0xb4, 0xe9, 0xff}, {0x00, 0x00, 0x00, 0xff},
}

// dashes tell metrics apart where colours are taken by the runs, or used up.
var dashes = [][]vg.Length{nil, {5, 2}, {1.5, 2}, {7, 2, 1.5, 2}}

var (
	textColor = color.RGBA{0x30, 0x30, 0x30, 0xff}
	pale      = color.RGBA{0x70, 0x70, 0x70, 0xff}
	gridStyle = draw.LineStyle{Color: color.RGBA{0xe4, 0xe4, 0xe4, 0xff}, Width: 0.75}
)

func style(size font.Length, weight xfont.Weight, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: size},
		Handler: plot.DefaultTextHandler,
		YAlign:  draw.YTop,
	}
}

// entry is a line of a legend.
type entry struct {
	text string
	line draw.LineStyle
}

// drawPage lays the picture out: title, the legend of the runs if there are several, panels in rows.
func drawPage(title string, runs []Run) image.Image {
	panels, more := arrange(runs)
	columns := min(2, max(1, len(panels)))
	rows := (len(panels) + columns - 1) / columns
	width := vg.Length(columns*panelWidth + (columns+1)*gap)
	var legend []entry
	if len(runs) > 1 {
		for i, r := range runs {
			legend = append(legend, entry{r.Name, lineStyle(i, 0)})
		}
	}
	titleStyle := style(12, xfont.WeightBold, textColor)
	head := vg.Length(gap)
	if title != "" {
		head += 1.6 * titleStyle.Font.Size
	}
	legendAt := head
	if len(legend) > 0 {
		head += legendHeight(legend, width-2*gap) + gap/2
	}
	height := head + vg.Length(rows)*(panelHeight+gap)
	if rows == 0 {
		height += 2 * gap
	}
	if more > 0 {
		height += lineHeight
	}
	canvas := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))
	page := draw.New(canvas)
	page.FillText(titleStyle, vg.Point{X: gap, Y: height - gap}, fit(titleStyle, title, width-2*gap))
	drawLegend(draw.Crop(page, gap, -gap, 0, -legendAt), legend)
	if len(panels) == 0 {
		page.FillText(style(10, xfont.WeightNormal, pale), vg.Point{X: gap, Y: height - head}, "no metrics have been logged yet")
	}
	if more > 0 {
		page.FillText(style(10, xfont.WeightNormal, pale), vg.Point{X: gap, Y: lineHeight + gap/2}, fmt.Sprintf("and %d more phases", more))
	}
	last := lastIteration(panels)
	for i, p := range panels {
		left := vg.Length(gap + i%columns*(panelWidth+gap))
		top := height - head - vg.Length(i/columns*(panelHeight+gap))
		p.draw(draw.Canvas{Canvas: page.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: left, Y: top - panelHeight}, Max: vg.Point{X: left + panelWidth, Y: top},
		}}, len(runs) > 1, last)
	}
	return canvas.Image()
}

// lineStyle is how a curve is drawn.
func lineStyle(colored, dashed int) draw.LineStyle {
	return draw.LineStyle{Color: palette[colored%len(palette)], Width: 1.4, Dashes: dashes[dashed%len(dashes)]}
}

// draw draws a panel: title, legend, axes and curves. Last is the end of the axis of iterations.
func (p *panel) draw(c draw.Canvas, compared bool, last int) {
	s := p.scaleOf()
	titleStyle, noteStyle := style(10.5, xfont.WeightBold, textColor), style(8.5, xfont.WeightNormal, pale)
	title := fit(titleStyle, p.title, panelWidth/2)
	c.FillText(titleStyle, vg.Point{X: c.Min.X, Y: c.Max.Y}, title)
	noteAt := c.Min.X + titleStyle.Width(title) + 8
	c.FillText(noteStyle, vg.Point{X: noteAt, Y: c.Max.Y - 1.5}, fit(noteStyle, p.note(s, compared), c.Max.X-noteAt))
	c.Max.Y -= lineHeight + 2
	legend := p.legend(compared)
	if len(legend) > 0 {
		drawLegend(c, legend)
		c.Max.Y -= legendHeight(legend, panelWidth)
	}
	c.Max.Y -= 2

	plotted := newPlot(s, last)
	plotted.Y.Label.Text = fit(plotted.Y.Label.TextStyle, p.yLabel(s), panelHeight)
	low, high := s.at(s.low), s.at(s.high)
	var lines []plot.Plotter
	for _, curve := range p.curves {
		line := lineStyle(curve.metric, curve.metric/len(palette))
		if compared {
			line = lineStyle(curve.run, curve.metric)
		} else if p.kind == losses && curve.metric == 0 && len(p.metrics) > 1 {
			line.Width = 2.2 // seen where another one lies on it, as parts of a loss may
		}
		points := s.places(curve.points)
		if w := p.window(curve); w > 1 {
			if !p.crowded(compared) {
				raw := draw.LineStyle{Color: lighter(line.Color), Width: 0.8}
				plotted.Add(trace{thin(points, panelWidth), raw, false})
			}
			points = smooth(points, w, low, high)
		}
		lines = append(lines, trace{thin(points, panelWidth), line, apart(points, last)})
	}
	plotted.Add(lines...) // no curve lies under another one's points
	plotted.Draw(c)
}

// window is over how many points a curve is averaged. Learning rates are no noise.
func (p *panel) window(c curve) int {
	if p.kind == rates {
		return 1
	}
	return window(len(c.points))
}

// crowded says whether the points themselves are too much beside the smoothed curves.
func (p *panel) crowded(compared bool) bool { return compared && len(p.curves) > 2 }

// legend names the metrics. A panel of one metric has its name at the axis.
func (p *panel) legend(compared bool) []entry {
	if len(p.metrics) < 2 {
		return nil
	}
	var legend []entry
	for m, name := range p.metrics {
		line := lineStyle(m, m/len(palette))
		if compared { // the colours are those of the runs
			line = lineStyle(0, m)
			line.Color = pale
		}
		legend = append(legend, entry{name, line})
	}
	return legend
}

func (p *panel) yLabel(s scale) string {
	label := "value"
	switch {
	case len(p.metrics) == 1:
		label = p.metrics[0]
	case p.kind == gradients:
		label = "norm"
	case p.kind == shares:
		label = "share"
	case p.kind == rates:
		label = "rate"
	}
	if s.log {
		label += " (log scale)"
	}
	return label
}

// note says what was done to the curves.
func (p *panel) note(s scale, compared bool) string {
	narrowest, widest := math.MaxInt, 1
	for _, curve := range p.curves {
		w := p.window(curve)
		narrowest, widest = min(narrowest, w), max(widest, w)
	}
	var notes []string
	if widest > 1 {
		note := "mean of "
		if s.log {
			note = "geometric mean of "
		}
		if narrowest < widest {
			note += "up to "
		}
		note += fmt.Sprintf("%d points", widest)
		if !p.crowded(compared) {
			note += ", the points pale"
		}
		notes = append(notes, note)
	}
	switch {
	case s.outside == 1:
		notes = append(notes, "1 point is outside")
	case s.outside > 1:
		notes = append(notes, fmt.Sprintf("%d points are outside", s.outside))
	case s.empty:
		notes = append(notes, "no finite values")
	}
	if more := p.more(); more > 0 {
		notes = append([]string{fmt.Sprintf("and %d more metrics", more)}, notes...)
	}
	return strings.Join(notes, "; ")
}

// newPlot makes axes and a grid.
func newPlot(s scale, last int) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Padding = 0
		axis.LineStyle.Color = pale
		axis.Tick.LineStyle.Color = pale
		axis.Tick.Length = 3
		xAlign, yAlign := axis.Tick.Label.XAlign, axis.Tick.Label.YAlign
		axis.Tick.Label = style(8.5, xfont.WeightNormal, textColor)
		axis.Tick.Label.XAlign, axis.Tick.Label.YAlign = xAlign, yAlign
		axis.Label.TextStyle = style(9, xfont.WeightNormal, textColor)
		axis.Label.TextStyle.XAlign, axis.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
		axis.Label.Padding = 2
	}
	p.X.Label.Text = "iteration"
	p.X.Min, p.X.Max = 0, float64(last)*1.01
	p.X.Tick.Marker = plot.TickerFunc(iterationTicks)
	p.Y.Min, p.Y.Max = s.at(s.low), s.at(s.high)
	p.Y.Tick.Marker = plot.ConstantTicks(s.ticks())
	p.Add(grid{})
	return p
}

// grid marks the ticks of both axes, those without a label too.
type grid struct{}

func (grid) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(gridStyle, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		c.StrokeLine2(gridStyle, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
	}
}

// lighter mixes a colour with white.
func lighter(c color.Color) color.Color {
	r, g, b, _ := c.RGBA()
	mix := func(v uint32) uint8 { return uint8(0xff - (0xff-v>>8)*3/10) }
	return color.RGBA{mix(r), mix(g), mix(b), 0xff}
}

// apart says whether there is room for a dot at each point.
func apart(points []place, last int) bool {
	if len(points) == 0 {
		return false
	}
	width := panelWidth * (points[len(points)-1].x - points[0].x) / float64(last)
	return width >= float64(len(points)-1)*dotSpace
}

// trace draws points as lines, and a point that stands alone as a dot.
type trace struct {
	points []place
	line   draw.LineStyle
	dots   bool // at every point
}

func (t trace) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for begin := 0; begin < len(t.points); {
		var part []vg.Point
		end := begin
		for ; end < len(t.points) && !math.IsNaN(t.points[end].y); end++ {
			part = append(part, vg.Point{X: x(t.points[end].x), Y: y(t.points[end].y)})
		}
		begin = end + 1
		if len(part) > 1 {
			c.StrokeLines(t.line, c.ClipLinesXY(part)...)
		}
		if len(part) == 1 || t.dots {
			for _, at := range part {
				c.DrawGlyph(draw.GlyphStyle{Color: t.line.Color, Radius: 1.7, Shape: draw.CircleGlyph{}}, at)
			}
		}
	}
}
