package latent

import "math"

// point is a latent, or a place in the latent space.
type point []float32

// split cuts the rows of a matrix.
func split(values []float32, width int) []point {
	var rows []point
	for ; len(values) > 0; values = values[width:] {
		rows = append(rows, values[:width])
	}
	return rows
}

// lerp goes straight from a (t = 0) to b (t = 1).
func lerp(a, b point, t float64) point {
	return combine(a, b, 1-t, t)
}

// slerp goes from a to b along an arc around the origin, so that points between two latents of N(0, I) are about as long
// as those: White 2016, arXiv:1609.04468. Where there is no such arc, because a and b have the same or opposite directions
// or one is the origin, it goes straight.
func slerp(a, b point, t float64) point {
	var aa, bb, ab float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		aa, bb, ab = aa+x*x, bb+y*y, ab+x*y
	}
	cos := ab / math.Sqrt(aa*bb)
	if !(math.Abs(cos) < 1-1e-9) { // NaN, too
		return lerp(a, b, t)
	}
	angle := math.Acos(cos)
	return combine(a, b, math.Sin((1-t)*angle)/math.Sin(angle), math.Sin(t*angle)/math.Sin(angle))
}

func combine(a, b point, ofA, ofB float64) point {
	p := make(point, len(a))
	for i := range p {
		p[i] = float32(ofA*float64(a[i]) + ofB*float64(b[i]))
	}
	return p
}

// walk is n points from a to b, both among them.
func walk(a, b point, n int, between func(a, b point, t float64) point) []point {
	points := make([]point, n)
	for i, t := range evenly(0, 1, n) {
		points[i] = between(a, b, t)
	}
	return points
}

// evenly returns n numbers at equal distances from lo to hi.
func evenly(lo, hi float64, n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = lo + (hi-lo)*float64(i)/float64(n-1)
	}
	return values
}

// with returns p with another value in one dimension.
func (p point) with(dim int, v float64) point {
	q := append(point(nil), p...)
	q[dim] = float32(v)
	return q
}
