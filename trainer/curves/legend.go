package curves

import (
	"sort"
	"unicode/utf8"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	entryGap    = 12
	legendLines = 8 // more make entries narrower
)

func legendStyle() text.Style { return style(9, xfont.WeightNormal, textColor) }

// placeLegend calls put for each entry, in lines that are as wide as fits, and returns how many lines there are. It stands
// beside the curves, which a legend among them would hide.
func placeLegend(legend []entry, width vg.Length, put func(e entry, label string, x vg.Length, line int)) int {
	most := width
	if placeEntries(legend, width, width, func(entry, string, vg.Length, int) {}) > legendLines {
		most = width/4 - entryGap // else no room is left for the curves
	}
	return placeEntries(legend, width, most, put)
}

// placeEntries is placeLegend with entries that are as wide as most.
func placeEntries(legend []entry, width, most vg.Length, put func(e entry, label string, x vg.Length, line int)) int {
	s := legendStyle()
	var x vg.Length
	line := 0
	for _, e := range legend {
		label := fit(s, e.text, most-sampleWidth-4)
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

// longestText is how many letters of a text are measured: no more have room anywhere.
const longestText = 200

// fit shortens a text to a width, at its front: the end of a path says more than its beginning.
func fit(s text.Style, txt string, width vg.Length) string {
	begin := len(txt)
	for n := 0; begin > 0 && n < longestText; n++ {
		_, size := utf8.DecodeLastRuneInString(txt[:begin])
		begin -= size
	}
	if begin == 0 && s.Width(txt) <= width {
		return txt
	}
	runes := []rune(txt[begin:])
	dropped := sort.Search(len(runes)-1, func(n int) bool { return s.Width("..."+string(runes[n:])) <= width })
	return "..." + string(runes[dropped:])
}
