package rundir

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
)

const (
	gridMargin = 2  // pixels between tiles and around them
	minTile    = 64 // pixels of a tile's longer side, so that a person can see what is on it
)

var (
	gridGround = color.RGBA{0x22, 0x22, 0x22, 0xff}
	notANumber = color.RGBA{0xff, 0x00, 0xff, 0xff} // magenta: a NaN is to be seen
)

// Grid draws n images, which lie in images one after the other as CHW with values in [-1, 1] (others are clamped, NaN is
// drawn in magenta), in rows of the given number of columns, 0 for a square. c is 1 or 3. Images whose longer side is
// below 64 pixels are magnified by a whole factor. It panics when images has not n*c*h*w values.
func Grid(images []float32, n, c, h, w, columns int) *image.RGBA {
	if n < 0 || h < 1 || w < 1 || (c != 1 && c != 3) || len(images) != n*c*h*w {
		panic(fmt.Sprintf("rundir.Grid: %d values for %d images of %dx%dx%d, expected n*c*h*w of them and 1 or 3 channels",
			len(images), n, c, h, w))
	}
	tiles := NewTiles(n, h, w, columns)
	for i := range n {
		tiles.Draw(i, images[i*c*h*w:(i+1)*c*h*w])
	}
	return tiles.Image
}

// Tiles is a grid that is drawn image by image. Those not drawn stay dark.
type Tiles struct {
	Image   *image.RGBA
	Columns int

	h, w, scale int
}

// NewTiles makes a grid such as Grid's for n images of h x w pixels.
func NewTiles(n, h, w, columns int) *Tiles {
	t := &Tiles{Columns: gridColumns(n, columns), h: h, w: w, scale: gridScale(h, w)}
	t.Image = image.NewRGBA(image.Rectangle{Max: GridSize(n, h, w, columns)})
	draw.Draw(t.Image, t.Image.Rect, image.NewUniform(gridGround), image.Point{}, draw.Src)
	return t
}

// GridSize is how large Grid's picture is, in pixels.
func GridSize(n, h, w, columns int) image.Point {
	columns = gridColumns(n, columns)
	rows, scale := (n+columns-1)/columns, gridScale(h, w)
	return image.Pt(columns*(w*scale+gridMargin)+gridMargin, rows*(h*scale+gridMargin)+gridMargin)
}

func gridColumns(n, columns int) int {
	if columns <= 0 {
		columns = SquareColumns(n)
	}
	return max(1, min(columns, n))
}

// SquareColumns is how many columns make about a square of n images.
func SquareColumns(n int) int { return int(math.Ceil(math.Sqrt(float64(n)))) }

func gridScale(h, w int) int { return max(1, (minTile+max(h, w)-1)/max(h, w)) }

// Draw draws image i: 1 or 3 planes of values in [-1, 1].
func (t *Tiles) Draw(i int, values []float32) {
	tile := Picture(values, len(values)/(t.h*t.w), t.h, t.w)
	left := gridMargin + i%t.Columns*(t.w*t.scale+gridMargin)
	top := gridMargin + i/t.Columns*(t.h*t.scale+gridMargin)
	for y := range t.h * t.scale {
		for x := range t.w * t.scale {
			t.Image.SetRGBA(left+x, top+y, tile.RGBAAt(x/t.scale, y/t.scale))
		}
	}
}

// Picture draws one image as Grid does, a pixel for each of its own. It panics when it has not c*h*w values.
func Picture(values []float32, c, h, w int) *image.RGBA {
	if h < 1 || w < 1 || (c != 1 && c != 3) || len(values) != c*h*w {
		panic(fmt.Sprintf("rundir.Picture: %d values for an image of %dx%dx%d, expected c*h*w of them and 1 or 3 channels",
			len(values), c, h, w))
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	plane := h * w
	for i, r := range values[:plane] {
		g, b := r, r
		if c == 3 {
			g, b = values[plane+i], values[2*plane+i]
		}
		img.SetRGBA(i%w, i/w, pixelColor(r, g, b))
	}
	return img
}

func pixelColor(r, g, b float32) color.RGBA {
	if r != r || g != g || b != b {
		return notANumber
	}
	return color.RGBA{level(r), level(g), level(b), 0xff}
}

// level takes [-1, 1] to 0..255.
func level(v float32) uint8 {
	return uint8(math.Round((float64(min(max(v, -1), 1)) + 1) * 127.5))
}
