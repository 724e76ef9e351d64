package latent

import (
	"image"
	"image/color"
	"testing"

	"gonum.org/v1/plot"

	"github.com/imori-ml/imori/datasets"
)

// find looks for a part of a picture, from a column on.
func find(whole, part *image.RGBA, left int) (image.Point, bool) {
	size := part.Rect.Size()
	for y := 0; y+size.Y <= whole.Rect.Dy(); y++ {
		for x := left; x+size.X <= whole.Rect.Dx(); x++ {
			if matches(whole, part, x, y) {
				return image.Pt(x, y), true
			}
		}
	}
	return image.Point{}, false
}

// matches leaves room for the rounding of sums, whose order depends on how many images are made at a time.
func matches(whole, part *image.RGBA, x, y int) bool {
	width := 4 * part.Rect.Dx()
	for row := range part.Rect.Dy() {
		at := whole.PixOffset(x, y+row)
		for i, want := range part.Pix[row*part.Stride : row*part.Stride+width] {
			if got := whole.Pix[at+i]; max(got, want)-min(got, want) > 1 {
				return false
			}
		}
	}
	return true
}

// greys are images of one value each.
func greys(n int, size image.Point) (tiles []*image.RGBA) {
	for i := range n {
		v := float32(i+1)/8 - 1
		tiles = append(tiles, format{1, 1, 2}.tile([]float32{v, v}, size))
	}
	return tiles
}

func TestTable(t *testing.T) {
	size := image.Pt(20, 10)
	m := greys(5, size)
	plain := &table{tiles: m, columns: 3, gap: 4, size: size}
	full := *plain
	full.title, full.captions = "a title wider than the images themselves", []string{"1", "2", "3", "4", "5"}
	full.left = axis{label: "z2", marks: middles("seed 1", "seed 2"), ticks: true}
	full.right, full.bottom = axis{marks: middles("a", "b")}, axis{label: "z1", marks: middles("-1", "0", "1")}
	for name, test := range map[string]struct {
		*table
		stepY int
	}{"plain": {plain, 14}, "with everything": {&full, 14 + captionLine}} {
		img := test.draw()
		first, ok := find(img, m[0], 0)
		if !ok {
			t.Fatalf("%s: the first image is not there", name)
		}
		for i := range 5 {
			if at := first.Add(image.Pt(i%3*24, i/3*test.stepY)); !matches(img, m[i], at.X, at.Y) {
				t.Errorf("%s: image %d is not at %v", name, i, at)
			}
		}
		for _, p := range []image.Point{{}, img.Rect.Max.Sub(image.Pt(1, 1)), first.Add(image.Pt(22, 5)), first.Add(image.Pt(2*24+5, test.stepY+5))} {
			if img.RGBAAt(p.X, p.Y) != (color.RGBA{255, 255, 255, 255}) {
				t.Errorf("%s: %v is not white", name, p)
			}
		}
		if name == "plain" && img.Rect.Max != image.Pt(2*margin+68, 2*margin+24) {
			t.Errorf("size %v", img.Rect)
		}
		border := 4
		for x := range img.Rect.Dx() {
			if img.RGBAAt(x, img.Rect.Dy()-border).R != 255 || img.RGBAAt(x, border).R != 255 {
				t.Fatalf("%s: something reaches the border at %d", name, x)
			}
		}
	}
}

func TestFit(t *testing.T) {
	for _, test := range []struct {
		w, h, columns, gap, pixels int
		want                       image.Point
	}{
		{28, 28, 10, 6, 96, image.Pt(84, 84)},
		{28, 28, 30, 0, 96, image.Pt(28, 28)},
		{32, 32, 30, 1, 96, image.Pt(32, 32)},
		{64, 64, 30, 0, 96, image.Pt(46, 46)},
		{256, 128, 10, 4, 96, image.Pt(136, 68)},
		{8, 8, 2, 0, 96, image.Pt(96, 96)},
		{512, 512, 1, 0, 256, image.Pt(512, 512)},
		{3000, 1500, 1, 0, 256, image.Pt(1400, 700)},
	} {
		m := format{c: 1, h: test.h, w: test.w}
		if got := m.fit(test.columns, test.gap, test.pixels); got != test.want {
			t.Errorf("%+v: got %v", test, got)
		}
	}
}

func TestNumbered(t *testing.T) {
	for n, want := range map[int]int{2: 2, 10: 10, 11: 6, 34: 9, 100: 10} {
		if got := numbered(format{1, 1, 2}, n); got.columns != want || len(got.captions) != n || got.captions[n-1] == got.captions[0] {
			t.Errorf("%d images: %d in a row, %v", n, got.columns, got.captions)
		}
	}
}

// memory is a dataset without samples.
type memory struct{ info datasets.Info }

func (m memory) Info() datasets.Info              { return m.info }
func (m memory) Len() int                         { return 0 }
func (m memory) Read(int, *datasets.Sample) error { return nil }

// placed makes codes of images that lie at these points.
func placed(classes []string, points []point, labels ...int64) *codes {
	data := memory{datasets.Info{Name: "memory", Channels: 1, Height: 1, Width: 1, Classes: classes}}
	return &codes{images: &selection{Dataset: data, what: "test images"}, points: points, labels: labels, weight: make([]float64, 2)}
}

// colored counts the pixels of about a colour, and finds the middle of them, left of a column.
func colored(img *image.RGBA, c color.NRGBA, left int) (n int, middle image.Point) {
	for y := range img.Rect.Dy() {
		for x := range left {
			p := img.RGBAAt(x, y)
			far := func(a, b uint8) bool { return max(a, b)-min(a, b) > 40 }
			if !far(p.R, c.R) && !far(p.G, c.G) && !far(p.B, c.B) {
				n++
				middle = middle.Add(image.Pt(x, y))
			}
		}
	}
	if n > 0 {
		middle = middle.Div(n)
	}
	return n, middle
}

func TestFigure(t *testing.T) {
	// Red lies to the right of blue, green above it, as far: the axes have one scale.
	c := &cloud{codes: placed([]string{"blue", "orange", "green", "red"}, []point{{0, 0}, {3, 0}, {0, 3}}, 0, 3, 2), x: 0, y: 1}
	img := c.figure("title")
	if img.Rect.Dx() != goodWidth {
		t.Errorf("size %v", img.Rect)
	}
	plotted := 810 // without the legend
	nBlue, blue := colored(img, classColors[0], plotted)
	nRed, red := colored(img, classColors[3], plotted)
	nGreen, green := colored(img, classColors[2], plotted)
	if nBlue < 20 || nRed < 20 || nGreen < 20 {
		t.Fatalf("points of %d, %d and %d pixels", nBlue, nRed, nGreen)
	}
	right, up := red.X-blue.X, blue.Y-green.Y
	if right < 300 || max(right-up, up-right) > 3 || red.Y-blue.Y > 1 || green.X-blue.X > 1 {
		t.Errorf("blue at %v, red at %v, green at %v", blue, red, green)
	}
	for i := range 4 { // the legend has all classes
		if n, _ := colored(img, classColors[i], img.Rect.Dx()); n < 40 {
			t.Errorf("class %d is not in the legend", i)
		}
	}
	if n, _ := colored(img, classColors[1], plotted); n > 0 {
		t.Error("a class without points has some")
	}
	z2 := &cloud{codes: c.codes, x: 1, y: 0}
	if _, at := colored(z2.figure(""), classColors[3], plotted); at.Y > 200 {
		t.Errorf("with the axes exchanged, red is at %v", at)
	}
}

func TestFigureOfOddPoints(t *testing.T) {
	var many []string
	for range 60 {
		many = append(many, "class")
	}
	for name, c := range map[string]*codes{
		"one point":    placed(nil, []point{{1, 1}}, 0),
		"no spread":    placed([]string{"a"}, []point{{1, 1}, {1, 2}}, 0, 0),
		"many classes": placed(many, []point{{1, 1}, {2, 2}}, 3, 59),
		"far":          placed(nil, []point{{1e30, -1e-30}, {-1e30, 0}}, 0, 0),
		"near":         placed(nil, []point{{1, 1}, {1.0000001, 1}}, 0, 0),
	} {
		img := (&cloud{codes: c, x: 0, y: 1}).figure(name, &trail{points: []point{{1, 1}, {1, 2}}, x: 0, y: 1})
		if img.Rect.Dx() != goodWidth || img.Rect.Dy() < 500 || img.Rect.Dy() > 1000 {
			t.Errorf("%s: size %v", name, img.Rect)
		}
	}
}

func TestWiden(t *testing.T) {
	for _, test := range []struct{ x, y, wantX, wantY float64 }{
		{4, 3, 4, 4}, {1, 4, 4, 4}, {4, 0.5, 4, 0.5}, {0, 0, 1, 1},
	} {
		x, y := plot.Axis{Min: 0, Max: test.x}, plot.Axis{Min: 0, Max: test.y}
		widen(&x, &y)
		if gotX, gotY := (x.Max-x.Min)/1.04, (y.Max-y.Min)/1.04; gotX < test.wantX-1e-9 || gotX > test.wantX+1e-9 || gotY < test.wantY-1e-9 || gotY > test.wantY+1e-9 {
			t.Errorf("%g x %g became %g x %g", test.x, test.y, gotX, gotY)
		}
	}
}
