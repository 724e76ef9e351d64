package curves

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"

	"github.com/imori-ml/imori/internal/fuzztest"
	"github.com/imori-ml/imori/trainer/rundir"
)

// series makes a series of points at iterations 1, 2, ...
func series(name string, values ...float64) rundir.Series {
	s := rundir.Series{Name: name}
	for i, v := range values {
		s.Points = append(s.Points, rundir.Point{Iteration: i + 1, Value: v})
	}
	return s
}

// repeat makes n values.
func repeat(n int, f func(i int) float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = f(i)
	}
	return values
}

// has tells whether a picture has a colour, but for what smoothing of edges makes of it.
func has(img image.Image, c color.Color) bool {
	r, g, b, _ := c.RGBA()
	bounds := img.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			if r2, g2, b2, _ := img.At(x, y).RGBA(); r == r2 && g == g2 && b == b2 {
				return true
			}
		}
	}
	return false
}

func drawn(t *testing.T, runs ...Run) image.Image {
	t.Helper()
	img, err := Draw("title", runs...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestArrange(t *testing.T) {
	names := []string{
		"lr/generator", "code_discriminator/loss", "generator/loss", "generator/l1", "generator/grad_norm_encoder",
		"code_discriminator/accuracy_real", "code_discriminator/diversity", "test/mse", "test/kl.3", "train/mse", "bare",
		"code_discriminator/grad_norm", "code_discriminator/accuracy_generated",
	}
	var run Run
	for _, n := range names {
		run.Series = append(run.Series, series(n, 1))
	}
	var got []string
	panels, _ := arrange([]Run{run})
	for _, p := range panels {
		got = append(got, p.title+": "+strings.Join(p.metrics, ", "))
	}
	const want = `code discriminator: loss
generator: loss, l1
metrics: bare
test images: mse
train images: mse
accuracy and diversity: code discriminator accuracy real, diversity, code discriminator accuracy generated
norm of gradients: generator encoder, code discriminator
learning rate: generator`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	other := Run{Series: []rundir.Series{series("generator/l2", 1), series("generator/loss", 2)}}
	panels, _ = arrange([]Run{run, other})
	if p := panels[1]; fmt.Sprint(p.metrics) != "[loss l1 l2]" || len(p.curves) != 4 || p.curves[3].run != 1 || p.curves[3].metric != 0 {
		t.Errorf("of two runs: %+v", p)
	}
}

func TestScale(t *testing.T) {
	inf := math.Inf(1)
	noise := func(i int) float64 { return 1 + 0.1*math.Sin(float64(i)) }
	outlier := repeat(100, noise)
	outlier[7] = 1e9
	low := repeat(100, noise)
	low[7] = -1e9
	for _, c := range []struct {
		name    string
		kind    kind
		values  []float64
		want    scale   // outside, log, empty
		low, to float64 // the range, to a tenth
	}{
		{"linear", losses, []float64{1, 2, 3}, scale{}, 0.92, 3.08},
		{"both signs", losses, []float64{-500, 0.01, 500}, scale{}, -540, 540},
		{"sizes", losses, []float64{100, 0.1}, scale{log: true}, 0.076, 132},
		{"a zero", losses, []float64{100, 0}, scale{}, -4, 104},
		{"constant", losses, []float64{5, 5}, scale{}, 4.5, 5.5},
		{"nearly", losses, []float64{5, 5 + 1e-12}, scale{}, 4.5, 5.5},
		{"zero", losses, []float64{0, 0}, scale{}, -1, 1},
		{"nothing", losses, nil, scale{empty: true}, 0, 1},
		{"not finite", losses, []float64{math.NaN(), inf}, scale{empty: true, outside: 1}, 0, 1},
		{"infinite", losses, []float64{1, inf, -inf, 1e300, 2}, scale{outside: 3}, 0.96, 2.04},
		{"outlier", losses, outlier, scale{outside: 1}, 0.9, 1.2},
		{"low outlier", losses, low, scale{outside: 1}, 0.8, 1.1},
		{"outlier of a few", losses, []float64{1, 1e9, 1}, scale{log: true}, 0.43, 2.3e9},
		{"shares", shares, []float64{0.4, 0.5}, scale{}, -0.04, 1.04},
		{"more than the data's", shares, []float64{0.4, 1.5}, scale{}, -0.06, 1.56},
		{"gradients", gradients, []float64{0.4, 0.5}, scale{log: true}, 0.396, 0.5},
		{"constant gradients", gradients, []float64{0.4}, scale{log: true}, 0.2, 0.8},
		{"no gradients", gradients, []float64{0, 1}, scale{}, -0.04, 1.04},
		{"rates", rates, []float64{1, 2}, scale{}, -0.08, 2.08},
	} {
		p := panel{kind: c.kind}
		p.add(0, "x", series("x", c.values...).Points)
		got := p.scaleOf()
		near := func(a, b float64) bool { return math.Abs(a-b) <= 0.1*max(math.Abs(a), math.Abs(b)) }
		if got.log != c.want.log || got.empty != c.want.empty || got.outside != c.want.outside || !near(got.low, c.low) || !near(got.high, c.to) {
			t.Errorf("%s: got %+v, want %+v from %g to %g", c.name, got, c.want, c.low, c.to)
		}
	}
}

// A short run counts as much as a long one.
func TestScaleOfTwo(t *testing.T) {
	p := panel{}
	p.add(0, "x", series("x", repeat(500, func(i int) float64 { return 1 + 0.1*math.Sin(float64(i)) })...).Points)
	p.add(1, "x", series("x", 100, 50, 40).Points)
	if s := p.scaleOf(); !s.log || s.outside != 0 || s.high < 100 || s.low > 0.9 {
		t.Errorf("it is %+v", s)
	}
}

func TestSmooth(t *testing.T) {
	straight := scale{}.places(series("x", repeat(100, func(i int) float64 { return float64(3 * i) })...).Points)
	for i, p := range smooth(straight[:90], 11, -1e9, 1e9)[:80] {
		if math.Abs(p.y-float64(3*i)) > 1e-9 || p.x != float64(i+1) {
			t.Fatalf("a straight line is bent at %d: %v", i, p)
		}
	}
	values := repeat(21, func(i int) float64 { return float64(i % 2) })
	values[10], values[4] = 1e9, math.NaN()
	out := smooth(scale{}.places(series("x", values...).Points), 5, -1, 2)
	if !math.IsNaN(out[4].y) || out[10].y < 0 || out[10].y > 1 || out[0].y != 0 {
		t.Errorf("with a gap and an outlier: %v", out)
	}
	if got := smooth(straight, 1, -1e9, 1e9); got[50] != straight[50] {
		t.Errorf("a window of one point: %v, want %v", got[50], straight[50])
	}
	if window(smoothFrom-1) != 1 || window(smoothFrom) != 3 || window(1000)%2 != 1 {
		t.Error("windows are off")
	}
}

func TestThin(t *testing.T) {
	values := repeat(10_000, func(i int) float64 { return math.Sin(float64(i)) })
	values[1234], values[7777], values[5000] = 50, -50, math.NaN()
	out := thin(scale{}.places(series("x", values...).Points), 100)
	low, high, gaps := 0.0, 0.0, 0
	for i, p := range out {
		if math.IsNaN(p.y) {
			gaps++
		} else {
			low, high = min(low, p.y), max(high, p.y)
		}
		if i > 0 && p.x < out[i-1].x {
			t.Fatalf("it goes back at %v", p)
		}
	}
	if len(out) > 200 || low != -50 || high != 50 || gaps != 1 {
		t.Errorf("%d points from %g to %g, %d gaps", len(out), low, high, gaps)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		s    scale
		want string
	}{
		{scale{low: 0.92, high: 3.08}, "1.0 1.5 2.0 2.5 3.0"},
		{scale{low: -540, high: 540}, "-400 -200 0 200 400"},
		{scale{low: -2e6, high: 2.1e6}, "-2M -1M 0 1M 2M"},
		{scale{low: 0, high: 3e-7}, "0 5e-8 1e-7 1.5e-7 2e-7 2.5e-7 3e-7"},
		{scale{low: 1e12, high: 5e12}, "1e12 1.5e12 2e12 2.5e12 3e12 3.5e12 4e12 4.5e12 5e12"},
		{scale{low: 0.05, high: 200, log: true}, "0.1 1 10 100"},
		{scale{low: 0.15, high: 12, log: true}, "0.2 0.5 1 2 5 10"},
		{scale{low: 1.1, high: 1.3, log: true}, "1.10 1.15 1.20 1.25 1.30"},
		{scale{low: 1e-12, high: 1e12, log: true}, "1e-12 1e-8 0.0001 1 10000 1e8 1e12"},
	} {
		var labels []string
		for _, tick := range c.s.ticks() {
			if tick.Value < c.s.at(c.s.low)-1e-9*math.Abs(c.s.low) || tick.Value > c.s.at(c.s.high)+1e-9*math.Abs(c.s.high) {
				t.Errorf("%+v: a tick at %g", c.s, tick.Value)
			}
			if tick.Label != "" {
				labels = append(labels, tick.Label)
			}
		}
		if got := strings.Join(labels, " "); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.s, got, c.want)
		}
	}
	if got := fmt.Sprint(iterationTicks(0, 3.03)); got != "[{0 0} {1 1} {2 2} {3 3}]" {
		t.Errorf("few iterations: %s", got)
	}
}

func TestDraw(t *testing.T) {
	size := func(img image.Image) image.Point { return img.Bounds().Size() }
	one := drawn(t, Run{Series: []rundir.Series{series("a/loss", 1, 2)}})
	if !has(one, palette[0]) || has(one, palette[1]) {
		t.Error("one curve has not the first colour alone")
	}
	three := drawn(t, Run{Series: []rundir.Series{series("a/loss", 1, 2), series("b/loss", 1), series("c/x", 1), series("c/y", 2)}})
	if size(three).X < 3*size(one).X/2 || size(three).Y < 3*size(one).Y/2 || !has(three, palette[1]) {
		t.Errorf("three panels take %v, one %v", size(three), size(one))
	}
	empty := drawn(t, Run{})
	if !has(empty, textColor) || size(empty).Y >= size(one).Y {
		t.Errorf("nothing to draw takes %v", size(empty))
	}
	long := Run{Series: []rundir.Series{series("a/loss", repeat(500, func(i int) float64 { return math.Sin(float64(i)) })...)}}
	if img := drawn(t, long); !has(img, palette[0]) || !has(img, lighter(palette[0])) {
		t.Error("many points are not smoothed over pale ones")
	}
	var runs []Run
	for i := range MaxRuns {
		runs = append(runs, Run{Name: strings.Repeat("long/", 40) + "name", Series: []rundir.Series{series("a/loss", float64(i), float64(i+1))}})
	}
	if img := drawn(t, runs...); !has(img, palette[MaxRuns-1]) {
		t.Error("the last run has no curve")
	}
	for _, runs := range [][]Run{nil, append(runs, Run{})} {
		if _, err := Draw("", runs...); err == nil || !strings.Contains(err.Error(), "expected 1 to 7") {
			t.Errorf("%d runs: %v", len(runs), err)
		}
	}
}

// TestTooMuch: what no picture has room for is counted in it, and costs no more than its size.
func TestTooMuch(t *testing.T) {
	const n = 100_000
	var run Run
	for i := range n {
		run.Series = append(run.Series, series(fmt.Sprintf("phase%d/loss", i), 1, 2))
	}
	run.Series = append(run.Series, series("lr/x", 1))
	panels, more := arrange([]Run{run})
	if len(panels) != maxPanels || more != n+1-maxPanels || panels[0].title != "phase0" || panels[maxPanels-1].kind != rates {
		t.Errorf("%d panels and %d more, from %q to %q", len(panels), more, panels[0].title, panels[len(panels)-1].title)
	}
	one := Run{Series: []rundir.Series{series("a/loss", 1)}}
	for i := range n {
		one.Series = append(one.Series, series(fmt.Sprintf("a/metric%d", i), 1, 2))
	}
	panels, _ = arrange([]Run{one})
	p := panels[0]
	if note := p.note(p.scaleOf(), false); len(p.curves) != maxMetrics || note != "and 99973 more metrics" {
		t.Errorf("%d curves, %q", len(p.curves), note)
	}
	long := Run{Series: []rundir.Series{series(strings.Repeat("w", 1<<20)+"/"+strings.Repeat("é", 1<<20), 1)}}
	for i := range maxMetrics {
		long.Series = append(long.Series, series(fmt.Sprint("a/", strings.Repeat("w", 1000), i), 1, 2))
	}
	if lines := placeLegend(fullest(arrange([]Run{long})).legend(false), panelWidth, func(entry, string, vg.Length, int) {}); lines > legendLines {
		t.Errorf("long names take %d lines", lines)
	}
	for name, r := range map[string]Run{"phases": run, "metrics": one, "long names": long} {
		fuzztest.Bounded(t, 1<<30, func() {
			if size := drawn(t, r).Bounds().Size(); size.X*size.Y > 10e6 {
				t.Errorf("many %s: the picture has %v", name, size)
			}
		})
	}
}

// fullest is the panel that has the most metrics.
func fullest(panels []*panel, _ int) *panel {
	return slices.MaxFunc(panels, func(a, b *panel) int { return len(a.metrics) - len(b.metrics) })
}

// Whatever a run logs is drawn.
func TestDrawOdd(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, values := range [][]float64{
		{}, {0}, {nan}, {nan, nan}, {inf, -inf}, {1, nan, 3}, {nan, 2, nan}, {5, 5, 5}, {0, 0}, {1e308, -1e308}, {5e-324, 1e-320}, {5e-324, 1e100}, {1e-101, 1e99},
		{1, 1e9, 1}, {-1, -1e9}, {1e100, 1e-100}, {1e6, 1e6 + 1e-7}, repeat(300, func(int) float64 { return nan }),
		repeat(300, func(i int) float64 { return math.Pow(10, float64(i-150)) }), repeat(61, func(int) float64 { return 1e99 }),
	} {
		for _, name := range []string{"a/loss", "a/grad_norm", "a/accuracy_real", "lr/a", "test/x", "", "/", "a/"} {
			drawn(t, Run{Series: []rundir.Series{series(name, values...)}})
		}
	}
	late := series("a/loss", 1, 2)
	late.Points[0].Iteration, late.Points[1].Iteration = 1_000_000_000, 1_000_000_000
	drawn(t, Run{Series: []rundir.Series{late, series("a/"+strings.Repeat("w", 500), 1)}})
}
