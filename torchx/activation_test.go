package torchx

import (
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// TestLeakyReLUEdges: infinities, zeros of both signs and no numbers become what libtorch makes of them, and gradients may
// lie in memory otherwise than what they belong to.
func TestLeakyReLUEdges(t *testing.T) {
	edges := []float64{math.Inf(1), math.Inf(-1), math.NaN(), 0, math.Copysign(0, -1), 1, -1, 3e38, -3e38, 1e-30, -1e-30, 7}
	values := make([]float64, 2*3*10*12)
	for i := range values {
		values[i] = edges[(i*7+i/12)%len(edges)]
	}
	for _, dtype := range []int8{torch.Float, torch.BFloat16, torch.Double} {
		for _, slope := range []float64{0, 0.2, 1.5} {
			run := func() (value, gradient []float64) {
				x := To(FromFloat64(values, 2, 3, 10, 12), "cpu", dtype)
				channelsLast(x)
				SetRequiresGrad(x, true)
				y := LeakyReLU(x, slope)
				if slope == 0 {
					y = ReLU(x)
				}
				g := To(FromFloat64(values[1:601], 2, 3, 10, 10), "cpu", dtype)
				return Float64s(y), Float64s(Gradients(Sum(Mul(Narrow(y, 3, 1, 10), g)), []torch.Tensor{x}, false)[0])
			}
			scoped(t, func() {
				gotY, gotG := run()
				var wantY, wantG []float64
				Plain(func() { wantY, wantG = run() })
				for i := range wantY {
					if !alike(gotY[i], wantY[i]) || !alike(gotG[i], wantG[i]) {
						t.Fatalf("dtype %d, slope %v: of %v come %v and the gradient %v, expected %v and %v",
							dtype, slope, values[i], gotY[i], gotG[i], wantY[i], wantG[i])
					}
				}
			})
		}
	}
	noTensors(t)
}

func alike(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
