package main

import "github.com/imori-ml/imori/trainer/rundir"

// slope is how steep the line through points of different iterations is that fits them best, by least squares.
func slope(points []rundir.Point) float64 {
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
	return xy / xx
}
