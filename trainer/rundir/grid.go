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
	if columns <= 0 {
		columns = int(math.Ceil(math.Sqrt(float64(n))))
	}
	columns = max(1, min(columns, n))
	rows := (n + columns - 1) / columns
	scale := max(1, (minTile+max(h, w)-1)/max(h, w))
	stepX, stepY := w*scale+gridMargin, h*scale+gridMargin
	grid := image.NewRGBA(image.Rect(0, 0, columns*stepX+gridMargin, rows*stepY+gridMargin))
	draw.Draw(grid, grid.Rect, image.NewUniform(gridGround), image.Point{}, draw.Src)
	for i := range n {
		tile := Picture(images[i*c*h*w:(i+1)*c*h*w], c, h, w)
		left, top := gridMargin+i%columns*stepX, gridMargin+i/columns*stepY
		for y := range h * scale {
			for x := range w * scale {
				grid.SetRGBA(left+x, top+y, tile.RGBAAt(x/scale, y/scale))
			}
		}
	}
	return grid
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
