package curves

import (
	"math"
	"slices"

	"gonum.org/v1/plot"

	"github.com/imori-ml/imori/trainer/rundir"
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
		return linearTicks(s.low, s.high, 8)
	}
	ticks := logTicks(s.low, s.high)
	for i := range ticks {
		ticks[i].Value = s.at(ticks[i].Value)
	}
	return ticks
}

const (
	logFrom = 30 // values so many times as large as others need a logarithmic axis
	// What is larger counts as infinite, and what is smaller as nothing, so that neither differences nor quotients of two are
	// infinite.
	largest  = 1e100
	smallest = 1e-100
)

func drawable(v float64) bool { return math.Abs(v) <= largest } // false for NaN

// shown is the value that a drawable one counts as.
func shown(v float64) float64 {
	if math.Abs(v) < smallest {
		return 0
	}
	return v
}

// scaleOf finds the axis on which the curves of a panel can be read.
func (p *panel) scaleOf() scale {
	s := scale{low: math.Inf(1), high: math.Inf(-1)}
	low, high := math.Inf(1), math.Inf(-1) // of most values of each curve, so that a short one counts like a long one
	for _, c := range p.curves {
		values, infinite := finite(c.points)
		s.outside += infinite
		if len(values) > 0 {
			drop := len(values) / 50
			low, high = min(low, values[drop]), max(high, values[len(values)-1-drop])
			s.low, s.high = min(s.low, values[0]), max(s.high, values[len(values)-1])
		}
	}
	if s.low > s.high {
		return scale{high: 1, outside: s.outside, empty: true}
	}
	switch p.kind {
	case rates:
		s.low = min(s.low, 0)
	case gradients:
		s.log = s.low > 0
	case losses, measured:
		s.log = s.low > 0 && high > low*logFrom
	}
	s.cut(low, high)
	for _, c := range p.curves {
		for _, point := range c.points {
			if v := shown(point.Value); drawable(v) && (v < s.low || v > s.high) {
				s.outside++
			}
		}
	}
	if p.kind == shares {
		s.low, s.high = min(s.low, 0), max(s.high, 1)
	}
	s.widen()
	return s
}

// finite returns the values that can be drawn, sorted, and the number of infinite ones.
func finite(points []rundir.Point) (values []float64, infinite int) {
	for _, p := range points {
		switch {
		case drawable(p.Value):
			values = append(values, shown(p.Value))
		case !math.IsNaN(p.Value):
			infinite++
		}
	}
	slices.Sort(values)
	return values, infinite
}

// cut leaves out a few points that are so far away that the others, from low to high, would lie on one line.
func (s *scale) cut(low, high float64) {
	bottom, a, b, top := s.at(s.low), s.at(low), s.at(high), s.at(s.high)
	if size := b - a; size > 0 && top-bottom > 8*size {
		if a-bottom > 3*size {
			s.low = s.value(a - size/2)
		}
		if top-b > 3*size {
			s.high = s.value(b + size/2)
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
