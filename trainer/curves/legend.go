package curves

import (
	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const entryGap = 12

func legendStyle() text.Style { return style(9, xfont.WeightNormal, textColor) }

// placeLegend calls put for each entry, in lines that are as wide as fits, and returns how many lines there are. It stands
// beside the curves, which a legend among them would hide.
func placeLegend(legend []entry, width vg.Length, put func(e entry, label string, x vg.Length, line int)) int {
	s := legendStyle()
	var x vg.Length
	line := 0
	for _, e := range legend {
		label := fit(s, e.text, width-sampleWidth-4)
		w := sampleWidth + 4 + s.Width(label)
		if x > 0 && x+w > width {
			x = 0
			line++
		}
		put(e, label, x, line)
		x += w + entryGap
	}
	return line + 1
}

func legendHeight(legend []entry, width vg.Length) vg.Length {
	return lineHeight * vg.Length(placeLegend(legend, width, func(entry, string, vg.Length, int) {}))
}

// drawLegend begins at the top left of the canvas.
func drawLegend(c draw.Canvas, legend []entry) {
	s := legendStyle()
	placeLegend(legend, c.Max.X-c.Min.X, func(e entry, label string, x vg.Length, line int) {
		top := c.Max.Y - vg.Length(line)*lineHeight
		x += c.Min.X
		c.StrokeLine2(e.line, x, top-5, x+sampleWidth, top-5)
		c.FillText(s, vg.Point{X: x + sampleWidth + 4, Y: top}, label)
	})
}

// fit shortens a text to a width, at its front: the end of a path says more than its beginning.
func fit(s text.Style, txt string, width vg.Length) string {
	if s.Width(txt) <= width {
		return txt
	}
	runes := []rune(txt)
	for len(runes) > 1 && s.Width("..."+string(runes)) > width {
		runes = runes[1:]
	}
	return "..." + string(runes)
}
