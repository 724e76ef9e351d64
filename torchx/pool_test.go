package torchx

import (
	"fmt"
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// In float32 a maximum is exact, and the sum of four numbers as good as libtorch's.
var poolF32, poolBF16 = tolerance{1e-6, 2e-6}, tolerance{1e-2, 2e-2}

func TestPoolFastPaths(t *testing.T) {
	for _, shape := range [][]int64{
		{2, 16, 4, 6},
		{1, 32, 5, 7}, // what is left at the edges
		{3, 48, 2, 2},
		{2, 16, 3, 2},
		{40, 64, 8, 8}, // more than one thread's
		{2, 20, 4, 4},  // libtorch's
	} {
		for _, slope := range []float64{1, 0.2, 0} {
			computation{fmt.Sprintf("maximum of %v, slope %v", shape, slope), [][]int64{shape}, func(in []torch.Tensor) torch.Tensor {
				return maxPool2d(in[0], 2, slope)
			}, true}.check(t, poolF32, poolBF16)
		}
		computation{fmt.Sprintf("average of %v", shape), [][]int64{shape}, func(in []torch.Tensor) torch.Tensor {
			return AvgPool2d(in[0], 2)
		}, true}.check(t, poolF32, poolBF16)
		computation{fmt.Sprintf("upsampling of %v", shape), [][]int64{shape}, func(in []torch.Tensor) torch.Tensor {
			return UpsampleNearest(in[0], 2)
		}, true}.check(t, poolF32, poolBF16)
	}
	for name, f := range map[string]func(x torch.Tensor) torch.Tensor{
		"maximum over 3 x 3": func(x torch.Tensor) torch.Tensor { return maxPool2d(x, 3, 0.2) },
		"average over 3 x 3": func(x torch.Tensor) torch.Tensor { return AvgPool2d(x, 3) },
		"upsampling by 3":    func(x torch.Tensor) torch.Tensor { return UpsampleNearest(x, 3) },
		"maximum of a view":  func(x torch.Tensor) torch.Tensor { return MaxPool2d(Narrow(Permute(x, 0, 1, 3, 2), 2, 1, 4), 2) },
		"average, maximum": func(x torch.Tensor) torch.Tensor {
			return MaxPool2d(AvgPool2d(x, 2), 2)
		},
	} {
		computation{name, [][]int64{{2, 16, 6, 7}}, func(in []torch.Tensor) torch.Tensor { return f(in[0]) }, true}.check(t, poolF32, poolBF16)
	}
}

// An activation and the maximum behind it are one, if the activation keeps the order of numbers.
func TestActivationBeforeMaximum(t *testing.T) {
	for _, act := range []Module{NewReLU(), NewLeakyReLU(0.2), NewLeakyReLU(1), NewLeakyReLU(-0.5)} {
		for _, kernel := range []int64{1, 2, 3} {
			layers := NewSequential(act, NewMaxPool2d(kernel))
			computation{fmt.Sprintf("slope %v, maximum over %d", act.(leakyReLU).slope, kernel), [][]int64{{2, 16, 6, 6}},
				func(in []torch.Tensor) torch.Tensor { return layers.Forward(in[0]) }, true}.check(t, poolF32, poolBF16)
		}
	}
	scoped(t, func() {
		if _, layers := forwardFirst(Full(1, torch.Float, "cpu", 1, 16, 2, 2), []Module{NewReLU(), NewMaxPool2d(2)}); layers != 2 {
			t.Errorf("%d layers were applied, expected a ReLU and a maximum together", layers)
		}
	})
}

// Of equal numbers libtorch takes the first; NaN is larger than all, and of several it takes the last.
func TestMaximumOfSpecialNumbers(t *testing.T) {
	testMaximumOfSpecialNumbers(t)
	withoutAVX512(func() { testMaximumOfSpecialNumbers(t) })
}

func testMaximumOfSpecialNumbers(t *testing.T) {
	t.Helper()
	nan, inf, zero := math.NaN(), math.Inf(1), math.Copysign(0, -1)
	squares := [][]float64{
		{1, 1, 1, 1}, {0, 0, 0, 0}, {-1, -1, -2, -1}, {2, 3, 3, 1}, {1, 2, 2, 2}, {zero, 0, zero, 0},
		{nan, 1, 2, 3}, {1, nan, 2, 3}, {1, 2, 3, nan}, {nan, 1, nan, 2}, {nan, nan, nan, nan},
		{-inf, -inf, -inf, -inf}, {-inf, 1, inf, 2}, {inf, nan, inf, 1}, {-inf, -1, -2, -3},
	}
	const channels = 16
	n := int64(len(squares))
	numbers := make([]float64, 0, n*channels*4)
	for i, s := range squares {
		for c := range channels {
			for k := range s {
				numbers = append(numbers, squares[(i+c)%len(squares)][k])
			}
		}
	}
	for _, dtype := range []int8{torch.Float, torch.BFloat16} {
		for _, slope := range []float64{1, 0.5, 0} {
			run := func() (y, g []float64) {
				scoped(t, func() {
					x := To(FromFloat64(numbers, n, channels, 2, 2), "cpu", dtype)
					SetRequiresGrad(x, true)
					out := maxPool2d(x, 2, slope)
					y, g = Float64s(out), Float64s(Gradients(Sum(MulScalar(out, 3)), []torch.Tensor{x}, false)[0])
				})
				return y, g
			}
			y, g := run()
			var wantY, wantG []float64
			Plain(func() { wantY, wantG = run() })
			same := func(name string, got, want []float64) {
				for i := range want {
					if got[i] != want[i] && !(math.IsNaN(got[i]) && math.IsNaN(want[i])) {
						t.Fatalf("dtype %d, slope %v: %s %d is %v, expected %v", dtype, slope, name, i, got[i], want[i])
					}
				}
			}
			same("maximum", y, wantY)
			for i := range g { // behind NaN it has either slope
				if math.IsNaN(y[i/4]) && g[i] != 0 && wantG[i] != 0 {
					g[i] = wantG[i]
				}
			}
			same("gradient", g, wantG)
		}
	}
}

// Which loops run shows in what they round: ours add two pairs of numbers, libtorch's one after the other; and behind NaN an
// activation's gradient has slope 1, libtorch's the other one.
func TestPoolsRunLoopsOfTheirOwn(t *testing.T) {
	testPoolsRunLoopsOfTheirOwn(t)
	withoutAVX512(func() { testPoolsRunLoopsOfTheirOwn(t) })
}

func testPoolsRunLoopsOfTheirOwn(t *testing.T) {
	t.Helper()
	pairs := func(channels int64) torch.Tensor {
		var numbers []float64
		for range channels {
			numbers = append(numbers, 1e8, 1, -1e8, 1)
		}
		return To(FromFloat64(numbers, 1, channels, 2, 2), "cpu", torch.Float)
	}
	for name, own := range map[string]func(channels int64) bool{
		"maximum": func(channels int64) bool {
			x := Full(math.NaN(), torch.Float, "cpu", 1, channels, 2, 2)
			SetRequiresGrad(x, true)
			return Float64s(Gradients(Sum(maxPool2d(x, 2, 0.5)), []torch.Tensor{x}, false)[0])[3] == 1
		},
		"average": func(channels int64) bool { return Float64s(AvgPool2d(pairs(channels), 2))[0] == 0 },
		"upsampling": func(channels int64) bool {
			x := Full(1, torch.Float, "cpu", 1, channels, 1, 1)
			SetRequiresGrad(x, true)
			return Float64s(Gradients(Sum(Mul(UpsampleNearest(x, 2), pairs(channels))), []torch.Tensor{x}, false)[0])[0] == 0
		},
	} {
		scoped(t, func() {
			if got, want := own(32), ours(inF32); got != want {
				t.Errorf("%s of 32 channels: loops of our own: %v, expected %v", name, got, want)
			}
			if own(20) {
				t.Errorf("%s of 20 channels runs loops of our own, expected libtorch's", name)
			}
			Plain(func() {
				if own(32) {
					t.Errorf("%s of 32 channels runs loops of our own, expected libtorch's", name)
				}
			})
		})
	}
}

// Gradients can be taken any number of times: with z = y·y for a linear y of x, the third derivative along x is made by
// the transposed of a transposed.
func TestThirdGradientsOfPools(t *testing.T) {
	for name, f := range map[string]func(x torch.Tensor) torch.Tensor{
		"maximum":    func(x torch.Tensor) torch.Tensor { return maxPool2d(x, 2, 0.2) },
		"average":    func(x torch.Tensor) torch.Tensor { return AvgPool2d(x, 2) },
		"upsampling": func(x torch.Tensor) torch.Tensor { return UpsampleNearest(x, 2) },
	} {
		third := func() (values []float64) {
			scoped(t, func() {
				ManualSeed(3)
				x := Normal(0, 1, "cpu", 2, 16, 4, 6)
				SetRequiresGrad(x, true)
				of := []torch.Tensor{x}
				y := Square(Square(f(x)))
				for range 2 {
					y = Sum(Square(Gradients(Sum(y), of, true)[0]))
				}
				values = Float64s(Gradients(y, of, false)[0])
			})
			return values
		}
		got := third()
		var want []float64
		Plain(func() { want = third() })
		if d := apart(got, want); !(d < 1e-5) || len(want) == 0 {
			t.Errorf("%s: relative distance %.3g", name, d)
		}
	}
}
