package torchx

import (
	"fmt"
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// What is folded has other products, each rounded in bfloat16.
var foldF32, foldBF16 = tolerance{2e-6, 4e-6}, tolerance{1e-2, 2e-2}

// layerOf is a convolution's layer with the parameters in[1] and, if it is there, in[2].
func layerOf(in []torch.Tensor, o Conv2dOptions) *Conv2dLayer {
	l := &Conv2dLayer{affine{Weight: in[1]}, o}
	if len(in) > 2 {
		l.Bias = in[2]
	}
	return l
}

// Layers that Sequential takes together are the layers one by one.
func TestFoldings(t *testing.T) {
	same := Conv2dOptions{Padding: 1}
	for _, c := range []struct {
		name   string
		kernel int64
		sides  [][2]int64
		layers func(conv *Conv2dLayer) []Module
		o      Conv2dOptions
	}{
		{"conv3x3, average", 3, [][2]int64{{2, 2}, {4, 4}, {8, 8}, {5, 7}, {2, 9}, {3, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(2)}
		}, same},
		{"upsample, conv3x3", 3, [][2]int64{{1, 1}, {2, 2}, {4, 4}, {8, 8}, {3, 5}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(2), c}
		}, same},
		{"upsample, conv1x1", 1, [][2]int64{{1, 1}, {2, 2}, {4, 4}, {3, 5}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(2), c}
		}, Conv2dOptions{}},
		{"upsample by 3, conv1x1", 1, [][2]int64{{2, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(3), c}
		}, Conv2dOptions{}},
		{"upsample, conv3x3, average", 3, [][2]int64{{2, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(2), c, NewAvgPool2d(2)}
		}, same},
		// Near to what is folded, but not it.
		{"conv3x3 with stride, average", 3, [][2]int64{{8, 8}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(2)}
		}, Conv2dOptions{Stride: 2, Padding: 1}},
		{"conv3x3 without padding, average", 3, [][2]int64{{8, 8}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(2)}
		}, Conv2dOptions{}},
		{"dilated conv3x3, average", 3, [][2]int64{{8, 8}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(2)}
		}, Conv2dOptions{Padding: 1, Dilation: 2}},
		{"conv3x3, average over 3x3", 3, [][2]int64{{7, 7}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(3)}
		}, same},
		{"conv3x3, maximum", 3, [][2]int64{{4, 4}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewMaxPool2d(2)}
		}, same},
		{"conv1x1, average", 1, [][2]int64{{4, 4}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(2)}
		}, Conv2dOptions{}},
		{"conv4x4, average", 4, [][2]int64{{5, 5}}, func(c *Conv2dLayer) []Module {
			return []Module{c, NewAvgPool2d(2)}
		}, same},
		{"upsample by 3, conv3x3", 3, [][2]int64{{2, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(3), c}
		}, same},
		{"upsample, conv3x3 with stride", 3, [][2]int64{{2, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(2), c}
		}, Conv2dOptions{Stride: 2, Padding: 1}},
		{"upsample, padded conv1x1", 1, [][2]int64{{2, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(2), c}
		}, same},
		{"upsample, conv1x1 with stride", 1, [][2]int64{{2, 3}}, func(c *Conv2dLayer) []Module {
			return []Module{NewUpsample(2), c}
		}, Conv2dOptions{Stride: 2}},
	} {
		for _, side := range c.sides {
			for _, bias := range []bool{true, false} {
				shapes := [][]int64{{2, 4, side[0], side[1]}, {6, 4, c.kernel, c.kernel}}
				if bias {
					shapes = append(shapes, []int64{6})
				}
				computation{fmt.Sprintf("%s, %v, bias %v", c.name, side, bias), shapes, func(in []torch.Tensor) torch.Tensor {
					return NewSequential(c.layers(layerOf(in, c.o))...).Forward(in[0])
				}, false}.check(t, foldF32, foldBF16)
			}
		}
	}
	for _, groups := range []int64{2, 4} {
		for name, layers := range map[string]func(c *Conv2dLayer) []Module{
			"average":  func(c *Conv2dLayer) []Module { return []Module{c, NewAvgPool2d(2)} },
			"upsample": func(c *Conv2dLayer) []Module { return []Module{NewUpsample(2), c} },
		} {
			computation{fmt.Sprintf("%s, %d groups", name, groups), [][]int64{{2, 4, 4, 4}, {8, 4 / groups, 3, 3}}, func(in []torch.Tensor) torch.Tensor {
				return NewSequential(layers(layerOf(in, Conv2dOptions{Padding: 1, Groups: groups}))...).Forward(in[0])
			}, false}.check(t, foldF32, foldBF16)
		}
	}
	noTensors(t)
}

// A linear layer with the leaky ReLU behind it.
func TestFoldedActivation(t *testing.T) {
	for _, slope := range []float64{0, 0.2, 1, -0.5} {
		for _, c := range [][3]int64{{1, 1, 1}, {70, 33, 45}, {64, 96, 130}, {300, 40, 64}, {128, 50, 1}} {
			shapes := [][]int64{{c[0], c[1]}, {c[2], c[1]}}
			for _, m := range withBias(fmt.Sprint(c, slope), shapes, c[2], func(x, w, b torch.Tensor) torch.Tensor {
				return NewSequential(&LinearLayer{affine{w, b}}, NewLeakyReLU(slope)).Forward(x)
			}) {
				m.check(t, foldF32, foldBF16)
			}
		}
	}
	noTensors(t)
}

// What is not a number stays none, and what is infinite is 0 behind a ReLU.
func TestFoldedActivationOfInfinity(t *testing.T) {
	inf := math.Inf(1)
	one := func() torch.Tensor { return Full(1, torch.Float, "cpu", 64, 1) }
	for _, c := range []struct{ slope, x, want float64 }{{0, -inf, 0}, {0, inf, inf}, {0.5, -inf, -inf}, {0, math.NaN(), math.NaN()}} {
		for _, w := range []way{inF32, inF32.byAVX2(), inBF16} {
			scoped(t, func() {
				w.around(func() {
					y := NewSequential(&LinearLayer{affine{Weight: one()}}, NewLeakyReLU(c.slope)).Forward(MulScalar(one(), c.x))
					for _, v := range Float64s(y) {
						if v != c.want && !(math.IsNaN(v) && math.IsNaN(c.want)) {
							t.Fatalf("%s, slope %g: %g of %g, expected %g", w.name, c.slope, v, c.x, c.want)
						}
					}
				})
			})
		}
	}
	noTensors(t)
}

// A loss is as exact as its type for logits that a discriminator is sure of, too.
func TestBCEOfCertainty(t *testing.T) {
	if !NewReport().OwnKernels {
		t.Skip("libtorch's loss has absolute errors of 1e-7")
	}
	for _, x := range []float64{-40, -15, -3, 0, 3, 10, 15, 40} {
		for _, target := range []float64{0, 1} {
			want := math.Log1p(math.Exp(-math.Abs(x))) + (math.Max(x, 0) - x*target)
			scoped(t, func() {
				logits := Full(x, torch.Float, "cpu", 9)
				got := Item(BCEWithLogits(logits, Full(target, torch.Float, "cpu", 9)))
				if math.Abs(got-want) > 1e-6*want {
					t.Errorf("target %g, logit %g: %g, expected %g", target, x, got, want)
				}
			})
		}
	}
	noTensors(t)
}

// TestBCEWithLogits: as exact as libtorch's.
func TestBCEWithLogits(t *testing.T) {
	for _, shape := range [][]int64{{7}, {64, 1}, {5, 3, 9, 4}, {5, 41, 11, 17}} {
		for _, scale := range []float64{1, 40} {
			c := computation{name: fmt.Sprint(shape, scale), shapes: [][]int64{shape, shape}, f: func(in []torch.Tensor) torch.Tensor {
				return Reshape(BCEWithLogits(MulScalar(in[0], scale), Sigmoid(in[1])), 1)
			}}
			want, single := c.derivatives(t, inF64.plainly()), c.derivatives(t, inF32.plainly())
			compare(t, inF64, c.derivatives(t, inF64), want, single, tolerance{1e-11, 1e-11})
			compare(t, inF32, c.derivatives(t, inF32), want, single, tolerance{1e-6, 2e-6})
			compare(t, inF32, c.alone(t, inF32), want, single, tolerance{1e-6, 2e-6})
		}
	}
	noTensors(t)
}

// TestBCEWithLogitsIsNaN where a logit or a target is, and nowhere else in the gradient.
func TestBCEWithLogitsIsNaN(t *testing.T) {
	scoped(t, func() {
		values := make([]float64, 100)
		values[70] = math.NaN()
		zeros := make([]float64, 100)
		for _, nan := range [][2][]float64{{values, zeros}, {zeros, values}} {
			x := To(FromFloat64(nan[0], 100), "cpu", torch.Float)
			SetRequiresGrad(x, true)
			loss := BCEWithLogits(x, To(FromFloat64(nan[1], 100), "cpu", torch.Float))
			g := Float64s(Gradients(loss, []torch.Tensor{x}, false)[0])
			for i, v := range g {
				if math.IsNaN(v) != (i == 70) {
					t.Errorf("gradient %d is %g", i, v)
				}
			}
			if !math.IsNaN(Item(loss)) {
				t.Errorf("loss is %g", Item(loss))
			}
		}
	})
	noTensors(t)
}

// A block of layers as models have them, folded and with its batch norm's activation in it.
func TestFoldedBlock(t *testing.T) {
	for _, slope := range []float64{0, 0.2} {
		computation{fmt.Sprint("slope ", slope), [][]int64{{4, 3, 4, 4}, {5, 3, 3, 3}, {5}, {5}}, func(in []torch.Tensor) torch.Tensor {
			bn := NewBatchNorm2d(5, BatchNormOptions{})
			bn.Weight, bn.Bias = in[2], in[3]
			bn.RunningMean, bn.RunningVar = torch.Tensor{}, torch.Tensor{}
			return NewSequential(NewUpsample(2), layerOf(in[:2], Conv2dOptions{Padding: 1}), bn, NewLeakyReLU(slope)).Forward(in[0])
		}, false}.check(t, tolerance{5e-6, 1e-5}, tolerance{5e-2, 0.1})
	}
	noTensors(t)
}

// Batch norm with the activation in it moves its statistics and its counter as without, and in evaluation uses them.
func TestBatchNormStatistics(t *testing.T) {
	for _, dtype := range []int8{torch.Float, torch.BFloat16} {
		for _, shape := range [][]int64{{2, 3}, {40, 3}, {1, 3, 2, 1}, {4, 3, 5, 5}} {
			scoped(t, func() {
				run := func() (state [][]float64) {
					ManualSeed(9)
					m := NewSequential(NewBatchNorm2d(3, BatchNormOptions{Momentum: 0.3}), NewReLU())
					for range 3 {
						x := To(AddScalar(Normal(0, 2, "cpu", shape...), 5), "cpu", dtype)
						y := m.Forward(x)
						if dtypeOf(y) != dtype {
							t.Errorf("%v: dtype %d, expected %d", shape, dtypeOf(y), dtype)
						}
						state = append(state, Float64s(y))
					}
					for _, e := range m.State() {
						state = append(state, Float64s(e.Tensor))
					}
					m.Train(false)
					y := m.Forward(To(Normal(4, 2, "cpu", shape...), "cpu", dtype))
					for _, e := range m.State() {
						state = append(state, Float64s(e.Tensor))
					}
					return append(state, Float64s(y))
				}
				var want [][]float64
				Plain(func() { want = run() })
				for i, got := range run() {
					most := 1e-5
					if dtype == torch.BFloat16 && len(got) > 3 {
						most = 5e-3
					}
					if d := apart(got, want[i]); !(d <= most) {
						t.Errorf("dtype %d, %v: part %d is %v, expected %v", dtype, shape, i, got, want[i])
					}
				}
			})
		}
	}
	noTensors(t)
}

// The statistics of large numbers near to each other are exact: a difference of two large sums would not be.
func TestBatchNormFarFromZero(t *testing.T) {
	scoped(t, func() {
		ManualSeed(9)
		var none torch.Tensor
		x := AddScalar(Normal(0, 1, "cpu", 64, 4, 16, 16), 3000)
		want := batchNorm(To(x, "cpu", torch.Double), none, none, none, none, true, 0.1, 1e-5, 0.2)
		got := batchNorm(x, none, none, none, none, true, 0.1, 1e-5, 0.2)
		if d := apart(Float64s(got), Float64s(want)); !(d <= 2e-4) { // float32 has steps of 2.4e-4 there
			t.Errorf("relative distance %.3g", d)
		}
	})
	noTensors(t)
}

// Where no gradients are recorded, foldings leave nothing behind.
func TestFoldingsFree(t *testing.T) {
	m := NewSequential(
		NewUpsample(2), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}), NewBatchNorm2d(4, BatchNormOptions{}), NewReLU(),
		NewUpsample(2), NewConv2d(4, 3, 1, Conv2dOptions{}), NewConv2d(3, 2, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2),
	)
	scoped(t, func() {
		x := Normal(0, 1, "cpu", 2, 3, 4, 4)
		NoGrad(func() {
			before := LiveTensors()
			m.Forward(x)
			if left := LiveTensors() - before; left != 1 {
				t.Errorf("%d tensors are left, expected the output alone", left)
			}
		})
	})
	noTensors(t)
}
