package latent

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func near(a, b point) bool {
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-5 {
			return false
		}
	}
	return len(a) == len(b)
}

func TestWalk(t *testing.T) {
	a, b := point{2, 0}, point{0, 2}
	r := float32(math.Sqrt2)
	for _, test := range []struct {
		name    string
		between func(a, b point, t float64) point
		a, b    point
		want    []point
	}{
		{"straight", lerp, a, b, []point{{2, 0}, {1, 1}, {0, 2}}},
		{"arc", slerp, a, b, []point{{2, 0}, {r, r}, {0, 2}}},
		{"arc of other lengths", slerp, a, point{0, 1}, []point{{2, 0}, {r, r / 2}, {0, 1}}},
		{"same direction", slerp, a, point{4, 0}, []point{{2, 0}, {3, 0}, {4, 0}}},
		{"opposite", slerp, a, point{-2, 0}, []point{{2, 0}, {0, 0}, {-2, 0}}},
		{"from the origin", slerp, point{0, 0}, b, []point{{0, 0}, {0, 1}, {0, 2}}},
	} {
		got := walk(test.a, test.b, 3, test.between)
		if !slices.EqualFunc(got, test.want, near) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		if !slices.Equal(got[0], test.a) || !slices.Equal(got[2], test.b) {
			t.Errorf("%s: the ends have moved: %v", test.name, got)
		}
	}
}

// The arc is for this: between two latents of N(0, I), a straight line is shorter from the origin than any of them.
func TestSlerpKeepsLengths(t *testing.T) {
	length := func(p point) (l float64) {
		for _, v := range p {
			l += float64(v) * float64(v)
		}
		return math.Sqrt(l)
	}
	a, b := make(point, 100), make(point, 100)
	for i := range a {
		a[i], b[i] = float32(math.Sin(float64(7*i*i))), float32(math.Cos(float64(3*i*i)))
	}
	mean := (length(a) + length(b)) / 2
	if arc := length(slerp(a, b, 0.5)); math.Abs(arc-mean) > 0.05*mean {
		t.Errorf("the middle of the arc is %.2f from the origin, the ends %.2f", arc, mean)
	}
	if straight := length(lerp(a, b, 0.5)); straight > 0.8*mean {
		t.Errorf("the middle of the line is %.2f from the origin, the ends %.2f", straight, mean)
	}
}

// z2 grows upward: the first row of pictures is that of its largest value.
func TestLattice(t *testing.T) {
	got := lattice(point{9, 9, 9}, 2, 0, []float64{-1, 1})
	want := []point{{1, 9, -1}, {1, 9, 1}, {-1, 9, -1}, {-1, 9, 1}}
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAround(t *testing.T) {
	got := around(point{5, 6}, []int{1, 0}, []float64{-1, 1})
	want := []point{{5, -1}, {5, 1}, {-1, 6}, {1, 6}}
	if !slices.EqualFunc(got, want, near) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func texts(marks []mark) string {
	var all []string
	for _, m := range marks {
		all = append(all, m.text)
	}
	return strings.ReplaceAll(strings.Join(all, " "), "\u2212", "-")
}

func TestMarks(t *testing.T) {
	for _, test := range []struct {
		lo, hi float64
		n      int
		want   string
	}{
		{-4, 4, 8, "-4 -3 -2 -1 0 1 2 3 4"},
		{-1, 1, 8, "-1.0 -0.5 0.0 0.5 1.0"},
		{-0.3, 6.9, 8, "0 1 2 3 4 5 6"},
		{0.001, 0.003, 4, "0.0010 0.0015 0.0020 0.0025 0.0030"},
		{-300, 1200, 6, "0 500 1000"},
		{1e17, 1e17 + 32, 8, "100000000000000000"}, // steps below the precision of such numbers
	} {
		if got := texts(marks(test.lo, test.hi, test.n)); got != test.want {
			t.Errorf("%g to %g: got %s, want %s", test.lo, test.hi, got, test.want)
		}
	}
}

func TestScale(t *testing.T) {
	for _, test := range []struct {
		lo, hi float64
		n      int
		want   string
	}{
		{-3, 3, 11, "-3 -2.4 -1.8 -1.2 -0.6 0 0.6 1.2 1.8 2.4 3"},
		{-3, 3, 3, "-3 0 3"},
		{0, 1, 4, "0 0.33 0.67 1"},
		{-0.01, 0.01, 5, "-0.01 -0.005 0 0.005 0.01"},
		{-200, 100, 3, "-200 -50 100"},
	} {
		if got := texts(middles(scale(evenly(test.lo, test.hi, test.n))...)); got != test.want {
			t.Errorf("%g to %g: got %s, want %s", test.lo, test.hi, got, test.want)
		}
	}
}

func TestVariance(t *testing.T) {
	got := variance([]point{{1, 5}, {3, 5}, {5, 5}}, 2)
	if math.Abs(got[0]-8.0/3) > 1e-9 || got[1] != 0 {
		t.Errorf("got %v", got)
	}
	c := codes{weight: []float64{1, 3, 1, 4}}
	if got := c.ranked(); !slices.Equal(got, []int{3, 1, 0, 2}) {
		t.Errorf("ranked %v", got)
	}
}
