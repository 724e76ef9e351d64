package rundir

import (
	"image"
	"image/color"
	"math"
	"slices"
	"testing"
)

func TestGridSize(t *testing.T) {
	for _, c := range []struct {
		n, h, w, columns int
		want             image.Point
	}{
		{1, 64, 64, 1, image.Pt(68, 68)},
		{6, 64, 64, 3, image.Pt(3*66+2, 2*66+2)},
		{7, 64, 64, 3, image.Pt(3*66+2, 3*66+2)},
		{9, 64, 64, 0, image.Pt(3*66+2, 3*66+2)}, // a square
		{2, 64, 64, 8, image.Pt(2*66+2, 66+2)},   // no empty columns
		{1, 32, 32, 1, image.Pt(68, 68)},         // twice
		{1, 28, 28, 1, image.Pt(3*28+4, 3*28+4)},
		{1, 8, 8, 1, image.Pt(68, 68)},
		{1, 1, 1, 1, image.Pt(68, 68)},
		{1, 16, 48, 1, image.Pt(96+4, 32+4)},
		{1, 65, 100, 1, image.Pt(104, 69)},
		{0, 8, 8, 0, image.Pt(68, 2)},
	} {
		got := Grid(make([]float32, c.n*c.h*c.w), c.n, 1, c.h, c.w, c.columns).Rect
		if got != (image.Rectangle{Max: c.want}) {
			t.Errorf("%+v: got %v", c, got)
		}
		if size := GridSize(c.n, c.h, c.w, c.columns); size != c.want {
			t.Errorf("%+v: got %v", c, size)
		}
	}
}

func TestGridPixels(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	// Two pictures of 2x1 in colour, one above the other, each pixel 32 wide.
	grid := Grid([]float32{
		-1, 1 /* red */, 0, 0.5 /* green */, 1, -0.5, /* blue */
		-2, 0, inf, 0, -inf, nan,
	}, 2, 3, 1, 2, 1)
	for _, c := range []struct {
		x, y int
		want color.RGBA
	}{
		{0, 0, gridGround}, {1, 1, gridGround}, {66, 5, gridGround}, {5, 34, gridGround}, {5, 35, gridGround},
		{2, 2, color.RGBA{0, 128, 255, 255}}, {33, 33, color.RGBA{0, 128, 255, 255}},
		{34, 2, color.RGBA{255, 191, 64, 255}}, {65, 33, color.RGBA{255, 191, 64, 255}},
		{2, 36, color.RGBA{0, 255, 0, 255}},
		{65, 67, color.RGBA{255, 0, 255, 255}},
	} {
		if got := grid.RGBAAt(c.x, c.y); got != c.want {
			t.Errorf("at %d,%d: got %v, want %v", c.x, c.y, got, c.want)
		}
	}
	grey := Grid([]float32{-1, -0.999, 0.996, 1}, 1, 1, 2, 2, 1)
	for i, want := range []uint8{0, 0, 254, 255} {
		if got := grey.RGBAAt(2+i%2*32, 2+i/2*32); got != (color.RGBA{want, want, want, 255}) {
			t.Errorf("grey %d: got %v, want %d", i, got, want)
		}
	}
}

func TestTiles(t *testing.T) {
	tiles := NewTiles(3, 64, 64, 2)
	plane := make([]float32, 64*64)
	tiles.Draw(2, plane)
	tiles.Draw(1, slices.Concat(plane, plane, plane))
	grey := color.RGBA{128, 128, 128, 255}
	for at, want := range map[image.Point]color.RGBA{{2, 2}: gridGround, {68, 2}: grey, {2, 68}: grey, {68, 68}: gridGround} {
		if got := tiles.Image.RGBAAt(at.X, at.Y); got != want {
			t.Errorf("at %v: got %v, want %v", at, got, want)
		}
	}
}

func TestGridPanics(t *testing.T) {
	for _, c := range [][5]int{{3, 1, 1, 2, 2}, {8, 1, 2, 2, 2}, {0, 0, 1, 0, 1}, {0, -1, 1, 1, 1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v: no panic", c)
				}
			}()
			Grid(make([]float32, c[0]), c[1], c[2], c[3], c[4], 1)
		}()
	}
}
