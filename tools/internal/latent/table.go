package latent

import (
	"image"
	"math"

	"golang.org/x/image/draw"

	"github.com/imori-ml/imori/trainer/rundir"
)

// format is the size of images: channels, height, width.
type format struct{ c, h, w int }

// tile draws an image, values in [-1, 1], in that size. Pixels that grow stay squares.
func (m format) tile(values []float32, size image.Point) *image.RGBA {
	img := rundir.Picture(values, m.c, m.h, m.w)
	if img.Rect.Max == size {
		return img
	}
	scaled := image.NewRGBA(image.Rectangle{Max: size})
	if size.X < m.w {
		draw.CatmullRom.Scale(scaled, scaled.Rect, img, img.Rect, draw.Src, nil)
	} else {
		draw.NearestNeighbor.Scale(scaled, scaled.Rect, img, img.Rect, draw.Src, nil)
	}
	return scaled
}

// fit is the size of images of which so many stand side by side: a whole multiple of their own, up to about the given
// number of pixels, or less where they would be too wide.
func (m format) fit(columns, gap, pixels int) image.Point {
	room := (goodWidth - (columns-1)*gap) / columns
	if scale := min(room/m.w, max(1, pixels/max(m.w, m.h))); scale > 1 {
		return image.Pt(m.w*scale, m.h*scale)
	}
	widest := (maxWidth - 200 - (columns-1)*gap) / columns // 200: for labels
	if m.w <= widest {
		return image.Pt(m.w, m.h)
	}
	return image.Pt(widest, max(1, m.h*widest/m.w))
}

// axis is one side of a table: its marks are at numbers of images from the top or the left, 0.5 in the middle of the first.
type axis struct {
	label string
	marks []mark
	ticks bool // lines that lead from the images to the marks
}

// middles are marks in the middles of rows or columns.
func middles(texts ...string) []mark {
	var all []mark
	for i, t := range texts {
		all = append(all, mark{float64(i) + 0.5, t})
	}
	return all
}

// table is images in rows, with what they stand for.
type table struct {
	tiles               []*image.RGBA // all of one size
	columns             int
	gap                 int // pixels between images
	size                image.Point
	title               string
	captions            []string // above each image
	left, right, bottom axis
}

const (
	tickLength  = 5
	textGap     = 6
	captionLine = 20
	tickLine    = 18
	labelLine   = 26
	titleLine   = 30
)

// draw draws the table.
func (t *table) draw() *image.RGBA {
	rows := (len(t.tiles) + t.columns - 1) / t.columns
	caption := 0
	if t.captions != nil {
		caption = captionLine
	}
	stepX, stepY := t.size.X+t.gap, t.size.Y+t.gap+caption
	area := image.Rect(0, 0, t.columns*stepX-t.gap, rows*stepY-t.gap)
	left, right, top, bottom := margin+t.left.width(), margin+t.right.width(), margin, margin+t.bottom.height()
	if t.title != "" {
		top += titleLine
		right = max(right, margin+int(titleStyle.Width(t.title))+margin-left-area.Dx())
	}
	if n := len(t.bottom.marks); n > 0 { // the last may hang over
		right = max(right, margin+int(tickStyle.Width(t.bottom.marks[n-1].text)/2))
	}
	area = area.Add(image.Pt(left, top))
	p := newPage(area.Max.X+right, area.Max.Y+bottom)
	p.write(titleStyle, t.title, float64(left), margin-2, -1, -1)

	tileOf := func(i int) image.Point {
		return area.Min.Add(image.Pt(i%t.columns*stepX, i/t.columns*stepY+caption))
	}
	for i, c := range t.captions {
		at := tileOf(i)
		p.write(tickStyle, c, float64(at.X)+float64(t.size.X)/2, float64(at.Y)-2, 0, 1)
	}
	// Without captions and gaps this is a measure that goes on through the images.
	x := func(at float64) float64 { return float64(area.Min.X) + along(at, t.size.X, t.gap) }
	y := func(at float64) float64 { return float64(area.Min.Y+caption) + along(at, t.size.Y, t.gap+caption) }
	l, r, b := float64(area.Min.X), float64(area.Max.X), float64(area.Max.Y)
	for _, m := range t.left.marks {
		p.write(tickStyle, m.text, l-t.left.room(), y(m.at), 1, 0)
		if t.left.ticks {
			p.line(l-tickLength, y(m.at), l, y(m.at))
		}
	}
	for _, m := range t.right.marks {
		p.write(tickStyle, m.text, r+t.right.room(), y(m.at), -1, 0)
	}
	for _, m := range t.bottom.marks {
		p.write(tickStyle, m.text, x(m.at), b+t.bottom.room(), 0, -1)
		if t.bottom.ticks {
			p.line(x(m.at), b, x(m.at), b+tickLength)
		}
	}
	if t.bottom.label != "" {
		p.write(labelStyle, t.bottom.label, (l+r)/2, float64(p.Max.Y)-margin, 0, 1)
	}
	if t.left.label != "" {
		s := labelStyle
		s.Rotation = math.Pi / 2
		p.write(s, t.left.label, margin+labelLine/2, float64(area.Min.Y+area.Max.Y)/2, 0, 0)
	}
	img := p.image()
	for i, tile := range t.tiles {
		at := tileOf(i)
		draw.Draw(img, image.Rectangle{at, at.Add(t.size)}, tile, image.Point{}, draw.Src)
	}
	return img
}

// along is how many pixels from the first image on a place is, counted in images.
func along(at float64, size, gap int) float64 {
	return at*float64(size) + math.Floor(at)*float64(gap)
}

// room is between images and marks.
func (a axis) room() float64 {
	if a.ticks {
		return tickLength + textGap/2
	}
	return textGap
}

// width is what an upright axis takes.
func (a axis) width() int {
	var w float64
	for _, m := range a.marks {
		w = max(w, a.room()+float64(tickStyle.Width(m.text)))
	}
	if a.label != "" {
		w += labelLine
	}
	return int(math.Ceil(w))
}

// height is what a lying axis takes.
func (a axis) height() int {
	h := 0
	if a.marks != nil {
		h += int(a.room()) + tickLine
	}
	if a.label != "" {
		h += labelLine
	}
	return h
}
