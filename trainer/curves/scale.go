package curves

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
)

// scale is the range of a panel's vertical axis.
type scale struct {
	low, high float64
	log       bool
	outside   int // points that it leaves out
	empty     bool
}

// at is where a value stands on the axis.
func (s scale) at(v float64) float64 {
	if s.log {
		return math.Log10(v)
	}
	return v
}

// value is what stands at a place of the axis.
func (s scale) value(at float64) float64 {
	if s.log {
		return math.Pow(10, at)
	}
	return at
}

// ticks are the marks of the axis, at their places.
func (s scale) ticks() []plot.Tick {
	if !s.log {
		return linearTicks(s.low, s.high, 6)
	}
	ticks := logTicks(s.low, s.high)
	for i := range ticks {
		ticks[i].Value = s.at(ticks[i].Value)
	}
	return ticks
}

const (
	logFrom = 30    // values so many times as large as others need a logarithmic axis
	largest = 1e100 // what is larger counts as infinite, so that differences are not
)

func drawable(v float64) bool { return math.Abs(v) <= largest } // false for NaN

// scaleOf finds the axis on which the curves of a panel can be read.
func (p *panel) scaleOf() scale {
	var values []float64
	lost := 0
	for _, c := range p.curves {
		for _, point := range c.points {
			switch {
			case drawable(point.Value):
				values = append(values, point.Value)
			case !math.IsNaN(point.Value):
				lost++
			}
		}
	}
	if len(values) == 0 {
		return scale{high: 1, outside: lost, empty: true}
	}
	slices.Sort(values)
	s := scale{low: values[0], high: values[len(values)-1], outside: lost}
	switch p.kind {
	case rates:
		s.low = min(s.low, 0)
	case gradients:
		s.log = s.low > 0
	case losses, measured:
		low, high := body(values)
		s.log = s.low > 0 && high > low*logFrom
	}
	s.cut(values)
	if p.kind == shares {
		s.low, s.high = min(s.low, 0), max(s.high, 1)
	}
	s.widen()
	return s
}

// body is the range of the values, which are sorted, without a few at either end.
func body(values []float64) (low, high float64) {
	drop := len(values) / 50
	return values[drop], values[len(values)-1-drop]
}

// cut leaves out a few points that are so far away that the others would lie on one line. Values are sorted.
func (s *scale) cut(values []float64) {
	low, high := body(values)
	bottom, a, b, top := s.at(s.low), s.at(low), s.at(high), s.at(s.high)
	if size := b - a; size > 0 && top-bottom > 8*size {
		if a-bottom > 3*size {
			s.low = s.value(a - size/2)
		}
		if top-b > 3*size {
			s.high = s.value(b + size/2)
		}
	}
	for _, v := range values {
		if v < s.low || v > s.high {
			s.outside++
		}
	}
}

// widen gives a constant an axis, and everything else some air.
func (s *scale) widen() {
	if s.log {
		if s.high < s.low*1.01 {
			s.low, s.high = s.low/2, s.high*2
			return
		}
		air := math.Pow(s.high/s.low, 0.04)
		s.low, s.high = s.low/air, s.high*air
		return
	}
	size := max(math.Abs(s.low), math.Abs(s.high))
	if s.high-s.low <= 1e-9*size {
		by := size / 10
		if size == 0 {
			by = 1
		}
		s.low, s.high = s.low-by, s.high+by
		return
	}
	air := (s.high - s.low) * 0.04
	s.low, s.high = s.low-air, s.high+air
}

// lastIteration is where the horizontal axis of all panels ends.
func lastIteration(panels []*panel) int {
	last := 1
	for _, p := range panels {
		for _, c := range p.curves {
			for _, point := range c.points {
				last = max(last, point.Iteration)
			}
		}
	}
	return last
}
