package trainer

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// series is a figure that goes from one value to the next at each point, on straight lines, logged every so many iterations.
func series(every int, points ...figure) (all []figure) {
	for i, p := range points[1:] {
		from := points[i]
		for n := from.iteration; n < p.iteration; n++ {
			if n == 1 || n%every == 0 {
				part := float64(n-from.iteration) / float64(p.iteration-from.iteration)
				all = append(all, figure{n, from.value + part*(p.value-from.value)})
			}
		}
	}
	return all
}

func TestCollapseWatch(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []figure
		warns  [][2]int // from, to: iterations between which each warning comes
	}{
		{"rises at once", []figure{{1, 0.3}, {200, 0.95}, {6000, 1.05}}, nil},
		{"is slow", []figure{{1, 0.02}, {100, 0.05}, {400, 0.07}, {1000, 0.2}, {1100, 0.2}, {1600, 0.9}, {6000, 1}}, nil},
		{"begins as noise", []figure{{1, 1}, {50, 0.3}, {400, 0.3}, {500, 0.1}, {3000, 0.2}}, nil},
		{"swings", []figure{{1, 0.5}, {1000, 1}, {1300, 0.5}, {1600, 1}, {1900, 0.4}, {2200, 1.2}, {2500, 0.7}, {4000, 0.6}}, nil},
		{"more than the data, then as they", []figure{{1, 2}, {2000, 2.4}, {3000, 0.8}, {5000, 0.7}}, nil},
		{"dips once", []figure{{1, 0.9}, {2000, 0.9}, {2050, 0}, {2250, 0}, {2300, 0.9}, {4000, 0.9}}, nil},
		{"never begins", []figure{{1, 0.02}, {3000, 0.03}, {8000, 0.001}}, [][2]int{{1000, 1000}}},
		{"ends too soon to tell", []figure{{1, 0.02}, {1000, 0}}, nil},
		{"falls", []figure{{1, 0.2}, {1000, 0.9}, {3000, 1}, {3100, 0.05}, {6000, 0.05}}, [][2]int{{3200, 3500}}},
		{"sinks slowly", []figure{{1, 0.2}, {1000, 0.9}, {9000, 0.1}, {12000, 0.1}}, [][2]int{{6000, 7000}}},
		{"falls, comes back, falls", []figure{{1, 0.8}, {2000, 0.8}, {2100, 0}, {4000, 0}, {4500, 0.8}, {6000, 0.8}, {6100, 0}, {9000, 0}},
			[][2]int{{2200, 2600}, {6200, 6600}}},
		{"falls, comes back by half", []figure{{1, 0.8}, {2000, 0.8}, {2100, 0}, {4000, 0}, {4500, 0.5}, {6000, 0.5}, {6100, 0}, {9000, 0}},
			[][2]int{{2200, 2600}}},
	} {
		for _, every := range []int{1, 50, 100} {
			t.Run(fmt.Sprint(c.name, " every ", every), func(t *testing.T) {
				var w collapseWatch
				var warned []int
				for _, f := range series(every, c.points...) {
					if w.add(f.iteration, f.value) {
						warned = append(warned, f.iteration)
					}
				}
				matches := slices.EqualFunc(warned, c.warns, func(n int, within [2]int) bool { return within[0] <= n && n <= within[1] })
				if !matches {
					t.Errorf("warned at %v, want one warning within each of %v", warned, c.warns)
				}
			})
		}
	}
}

// Five figures make a window, however far apart they are; those that are not finite do not count.
func TestWindow(t *testing.T) {
	var w window
	for n := 600; n <= 4000; n += 600 {
		w.add(n+1, math.NaN())
		w.add(n+2, math.Inf(1))
		if whole := w.add(n, float64(n)); whole != (n >= 3000) {
			t.Errorf("iteration %d: whole %v with %d figures", n, whole, len(w))
		}
	}
	if len(w) != 5 || w.mean() != 2400 {
		t.Errorf("the window is %v, want the five of 1200 to 3600", w)
	}
	w = nil
	for n := 0; n <= 1000; n += 5 {
		w.add(n, float64(n))
	}
	if len(w) != 100 || w[0].iteration != 505 || w.add(1005, 0) != true || len(w) != 100 {
		t.Errorf("the window has %d figures from %v on, want those of the last 500 iterations", len(w), w[0])
	}
}

func TestWonWatch(t *testing.T) {
	for _, c := range []struct {
		name            string
		right, gradient []figure
		warns           int
	}{
		{"always right, and the generator learns", []figure{{1, 1}, {9000, 1}}, []figure{{1, 2}, {9000, 0.1}}, 0},
		{"gradients vanish as nobody is right", []figure{{1, 0.5}, {9000, 0.5}}, []figure{{1, 2}, {3000, 0}, {9000, 0}}, 0},
		{"right, and no gradients", []figure{{1, 0.5}, {2000, 1}, {9000, 1}}, []figure{{1, 2}, {3000, 0}, {9000, 0}}, 1},
		{"no gradients almost from the beginning", []figure{{1, 0.5}, {100, 1}, {2000, 1}}, []figure{{1, 0.01}, {20, 0}, {2000, 0}}, 1},
		{"a spike that makes others look small", []figure{{1, 1}, {9000, 1}}, []figure{{1, 1}, {100, 1e6}, {150, 0.1}, {3000, 0.1}, {3050, 60}, {3100, 0.1}, {9000, 0.1}}, 0},
		{"a spike in between is no new beginning", []figure{{1, 1}, {9000, 1}}, []figure{{1, 2}, {1000, 2}, {1100, 0}, {3000, 0}, {3050, 1}, {3100, 0}, {9000, 0}}, 1},
		{"learns again, and loses again", []figure{{1, 1}, {9000, 1}},
			[]figure{{1, 2}, {100, 0}, {3000, 0}, {3100, 1}, {5000, 1}, {5100, 0}, {9000, 0}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w wonWatch
			warned := 0
			gradients := series(50, c.gradient...)
			for i, f := range series(50, c.right...) {
				if w.add(f.iteration, f.value, gradients[i].value) {
					warned++
				}
			}
			if warned != c.warns {
				t.Errorf("warned %d times, want %d", warned, c.warns)
			}
		})
	}
}
