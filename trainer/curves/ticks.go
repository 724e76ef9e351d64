package curves

import (
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

// Ticks returns the multiples of 1, 2 or 5 times a power of ten from low to high, where low is the smaller: about n of
// them, never more than 20. Digits is how many they have behind the point.
func Ticks(low, high float64, n int) (values []float64, digits int) {
	rough := (high - low) / float64(n)
	power := math.Floor(math.Log10(rough))
	step := math.Pow(10, power)
	for _, f := range []float64{1, 2, 5, 10} {
		if step = f * math.Pow(10, power); step >= rough*0.99 {
			break
		}
	}
	for i := math.Ceil(low/step - 1e-9); i*step <= high*(1+1e-12)+step*1e-9 && len(values) < 20; i++ {
		if n := len(values); n > 0 && values[n-1] == i*step {
			break // a step is less than the precision of such numbers
		}
		values = append(values, i*step)
	}
	return values, max(0, -int(math.Floor(math.Log10(step)+1e-9)))
}

func linearTicks(low, high float64, n int) (ticks []plot.Tick) {
	values, digits := Ticks(low, high, n)
	for _, v := range values {
		ticks = append(ticks, plot.Tick{Value: v, Label: tickLabel(v, digits)})
	}
	return ticks
}

// tickLabel writes a multiple of a step that has so many digits behind the point.
func tickLabel(v float64, digits int) string {
	size := math.Abs(v)
	switch {
	case size == 0:
		return "0"
	case size < 1e5 && digits <= 5:
		return strconv.FormatFloat(v, 'f', digits, 64)
	case size >= 1e5 && size < 1e6 && digits == 0:
		return strconv.FormatFloat(v/1e3, 'f', -1, 64) + "k"
	case size >= 1e6 && size < 1e10 && digits == 0:
		return strconv.FormatFloat(v/1e6, 'f', -1, 64) + "M"
	default:
		return exponent(v, 6)
	}
}

// exponent writes 1e5 rather than 1e+05.
func exponent(v float64, digits int) string {
	return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e-").Replace(strconv.FormatFloat(v, 'g', digits, 64))
}

// iterationTicks are linear ones at whole numbers.
func iterationTicks(low, high float64) []plot.Tick {
	if high-low < 5 {
		var ticks []plot.Tick
		for i := math.Ceil(low); i <= high; i++ {
			ticks = append(ticks, plot.Tick{Value: i, Label: tickLabel(i, 0)})
		}
		return ticks
	}
	return linearTicks(low, high, 5)
}

// logTicks marks powers of ten, and 2 and 5 times those where there are few.
func logTicks(low, high float64) []plot.Tick {
	first, last := int(math.Floor(math.Log10(low))), int(math.Ceil(math.Log10(high)))
	every := (last - first + 5) / 6
	factors := []float64{1}
	if decades := math.Log10(high / low); decades < 1 {
		factors = []float64{1, 2, 3, 5, 7}
	} else if decades < 2.5 {
		factors = []float64{1, 2, 5}
	}
	var ticks []plot.Tick
	for power := first; power <= last; power++ {
		for _, f := range factors {
			v := f * math.Pow(10, float64(power))
			if v < low || v > high {
				continue
			}
			t := plot.Tick{Value: v}
			if (power-first)%every == 0 {
				t.Label = logLabel(v, power)
			}
			ticks = append(ticks, t)
		}
	}
	if len(ticks) < 2 { // less than from one factor to the next
		return linearTicks(low, high, 4)
	}
	return ticks
}

func logLabel(v float64, power int) string {
	if power >= -4 && power < 5 {
		return tickLabel(v, max(0, -power))
	}
	return exponent(v, 1)
}
