package datasets

import (
	"math"
	"slices"
)

const (
	alignedSide = 16 // pixels of an aligned picture
	alignedInk  = 0.21 * alignedSide
	alignedMax  = 32 // larger pictures are reduced to this before: it tells digits apart as well
)

// align resamples a square picture, side x side, so that its ink has a given
// mean and spread: centred, alignedInk standard deviations wide and high, upright.
// A blank picture gives zeros; otherwise the mean is 0 and the norm 1.
func align(image []float32, side int) []float32 {
	if side > alignedMax {
		image, side = reduce(image, side, alignedMax), alignedMax
	}
	out := make([]float32, alignedSide*alignedSide)
	low, high := slices.Min(image), slices.Max(image)
	if contrast := high - low; !(contrast >= blankContrast) || math.IsInf(float64(contrast), 0) { // NaN is blank, too
		return out
	}
	f := inkFrame(image, side, (low+high)/2)

	at := func(x, y int) float64 { // around the picture there is paper
		if x < 0 || y < 0 || x >= side || y >= side {
			return float64(low)
		}
		return float64(image[y*side+x])
	}
	for v := range alignedSide {
		for u := range alignedSide {
			y := (float64(v) + 0.5 - alignedSide/2) / alignedInk * f.spreadY
			x := (float64(u)+0.5-alignedSide/2)/alignedInk*f.spreadX + f.slant*y + f.x
			y += f.y
			x0, y0 := math.Floor(x), math.Floor(y)
			ax, ay, ix, iy := x-x0, y-y0, int(x0), int(y0)
			out[v*alignedSide+u] = float32((1-ay)*((1-ax)*at(ix, iy)+ax*at(ix+1, iy)) +
				ay*((1-ax)*at(ix, iy+1)+ax*at(ix+1, iy+1)))
		}
	}
	normalise(out)
	return out
}

// blankContrast is the least that a person sees, of values in [-1, 1].
const blankContrast = 0.2

// frame is the place and spread of a picture's ink, in pixels.
type frame struct{ x, y, spreadX, spreadY, slant float64 }

// inkFrame takes the moments of what is brighter than cut, which keeps the noise
// of the paper out.
func inkFrame(image []float32, side int, cut float32) frame {
	var sum, sumX, sumY, sumXX, sumXY, sumYY float64
	for i, v := range image {
		if w := float64(v - cut); w > 0 {
			x, y := float64(i%side), float64(i/side)
			sum += w
			sumX += w * x
			sumY += w * y
			sumXX += w * x * x
			sumXY += w * x * y
			sumYY += w * y * y
		}
	}
	f := frame{x: sumX / sum, y: sumY / sum}
	const pixel = 1.0 / 12 // the spread of a pixel in itself: a single one has a frame, too
	xx, xy, yy := sumXX/sum-f.x*f.x+pixel, sumXY/sum-f.x*f.y, sumYY/sum-f.y*f.y+pixel
	f.slant = xy / yy
	f.spreadY = math.Sqrt(yy)
	f.spreadX = math.Sqrt(xx - f.slant*xy)
	return f
}

// reduce averages a square image over the areas of fewer pixels a side, which is
// how the pen would have drawn it at that size.
func reduce(image []float32, from, to int) []float32 {
	// A pixel lies in one of the larger ones, or across the border of two.
	type part struct {
		at    int
		share float32
	}
	parts := make([][]part, from)
	for x := range parts {
		left, right := x*to, (x+1)*to // in units of which a larger pixel has from
		at := left / from
		inside := min(right, (at+1)*from) - left
		parts[x] = []part{{at, float32(inside) / float32(from)}}
		if rest := to - inside; rest > 0 {
			parts[x] = append(parts[x], part{at + 1, float32(rest) / float32(from)})
		}
	}
	small := make([]float32, to*to)
	for y := range from {
		for x, v := range image[y*from : (y+1)*from] {
			for _, py := range parts[y] {
				for _, px := range parts[x] {
					small[py.at*to+px.at] += v * py.share * px.share
				}
			}
		}
	}
	return small
}

// normalise makes the mean 0 and the norm 1. A constant becomes 0.
func normalise(v []float32) {
	var sum, square float64
	for _, x := range v {
		sum += float64(x)
	}
	mean := float32(sum / float64(len(v)))
	for i := range v {
		v[i] -= mean
		square += float64(v[i]) * float64(v[i])
	}
	if square == 0 {
		return
	}
	scale := float32(1 / math.Sqrt(square))
	for i := range v {
		v[i] *= scale
	}
}

// dot is the product of two vectors of one length. The race detector would make
// it, and with it every match, ten times slower, and has nothing to find in it.
//
//go:norace
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32 // independent sums, which the processor adds at once
	for len(a) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return (s0 + s1) + (s2 + s3)
}
