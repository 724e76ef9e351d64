package main

import (
	"math"

	"github.com/imori-ml/imori/trainer/rundir"
)

// slope fits a line through at least three points by least squares. It returns how steep it is, and the standard error
// of that.
func slope(points []rundir.Point) (slope, spread float64) {
	n := float64(len(points))
	var meanX, meanY float64
	for _, p := range points {
		meanX += float64(p.Iteration) / n
		meanY += p.Value / n
	}
	var xx, xy float64
	for _, p := range points {
		dx := float64(p.Iteration) - meanX
		xx += dx * dx
		xy += dx * (p.Value - meanY)
	}
	slope = xy / xx
	var residuals float64
	for _, p := range points {
		r := p.Value - meanY - slope*(float64(p.Iteration)-meanX)
		residuals += r * r
	}
	return slope, math.Sqrt(residuals / (n - 2) / xx)
}
