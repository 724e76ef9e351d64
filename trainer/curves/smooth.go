package curves

import (
	"cmp"
	"math"
	"slices"

	"github.com/imori-ml/imori/trainer/rundir"
)

// place is a point on the axes: y is where its value stands, NaN if it cannot be drawn.
type place struct{ x, y float64 }

// places puts points on the axes.
func (s scale) places(points []rundir.Point) []place {
	out := make([]place, len(points))
	for i, p := range points {
		out[i] = place{float64(p.Iteration), math.NaN()}
		if drawable(p.Value) {
			out[i].y = s.at(shown(p.Value))
		}
	}
	return out
}

// smoothFrom is how many points a curve has that is smoothed.
const smoothFrom = 60

// window is over how many of n points a curve is averaged; 1: over none.
func window(n int) int {
	if n < smoothFrom {
		return 1
	}
	return n/20 | 1
}

// smooth averages what is between low and high over windows with the point in the middle, which does not move a curve in
// time as a running average would. At the beginning, where curves are steep, the window is narrower; at the end, where a
// reader looks for the result, it is one-sided. It is the places that are averaged: on a logarithmic axis, the geometric
// mean of the values. Gaps stay.
func smooth(points []place, window int, low, high float64) []place {
	sums, counts := make([]float64, len(points)+1), make([]int, len(points)+1)
	for i, p := range points {
		sums[i+1], counts[i+1] = sums[i], counts[i]
		if p.y >= low && p.y <= high {
			sums[i+1] += p.y
			counts[i+1]++
		}
	}
	out := slices.Clone(points)
	for i, p := range points {
		half := min(window/2, i)
		from, to := i-half, min(i+half+1, len(points))
		if n := counts[to] - counts[from]; n > 0 && !math.IsNaN(p.y) {
			out[i].y = (sums[to] - sums[from]) / float64(n)
		}
	}
	return out
}

// thin keeps the lowest and the highest of each of n stretches of a curve, for a picture shows no more. Gaps stay.
func thin(points []place, n int) []place {
	if len(points) <= 4*n {
		return points
	}
	var out []place
	for i := range n {
		part := points[i*len(points)/n : (i+1)*len(points)/n]
		// NaN is lower than all numbers.
		kept := []place{slices.MinFunc(part, byHeight), slices.MaxFunc(part, byHeight)}
		slices.SortFunc(kept, func(a, b place) int { return cmp.Compare(a.x, b.x) })
		out = append(out, kept...)
	}
	return out
}

func byHeight(a, b place) int { return cmp.Compare(a.y, b.y) }
