package torchx

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// withWeight is a layer whose weight tests change.
type withWeight struct {
	Module
	own *affine
}

// TestWhatIsKeptFollowsWeights: rounded copies and sums of kernels are never those of an older weight, whichever way this
// changed.
func TestWhatIsKeptFollowsWeights(t *testing.T) {
	linear := func() withWeight { l := NewLinear(30, 40, LinearOptions{}); return withWeight{l, &l.affine} }
	narrow := func() withWeight { l := NewConv2d(2, 3, 3, Conv2dOptions{}); return withWeight{l, &l.affine} }
	wide := func() withWeight {
		l := NewConv2d(32, 32, 3, Conv2dOptions{Padding: 1})
		return withWeight{l, &l.affine}
	}
	values := func(l withWeight) torch.Tensor { return Normal(0, 1, "cpu", Shape(l.own.Weight)...) }
	step := func(o OptimizerOptions) func(l, other withWeight) {
		return func(l, _ withWeight) {
			opt := NewOptimizer(o, []Entry{{Name: "w", Tensor: l.own.Weight}})
			defer opt.Close()
			opt.Step([]torch.Tensor{values(l)})
		}
	}
	for _, c := range []struct {
		name   string
		change func(l, other withWeight)
	}{
		{"sgd", step(SGD{LR: 1})},
		{"adam", step(Adam{LR: 1, Eps: 1})},
		{"adamw", step(AdamW{LR: 1, Eps: 1})},
		{"rmsprop", step(RMSprop{LR: 1, Eps: 1})},
		{"Copy", func(l, _ withWeight) { Copy(l.own.Weight, values(l)) }},
		{"Copy to an alias", func(l, _ withWeight) { Copy(Detach(l.own.Weight), values(l)) }},
		{"ClampInPlace", func(l, _ withWeight) { ClampInPlace(l.own.Weight, -0.02, 0.02) }},
		{"InitNormal", func(l, _ withWeight) { InitNormal(l.own.Weight, 0, 1) }},
		{"InitUniform", func(l, _ withWeight) { InitUniform(l.own.Weight, 0, 1) }},
		{"InitConstant", func(l, _ withWeight) { InitConstant(l.own.Weight, 3) }},
		{"KaimingUniform", func(l, _ withWeight) { KaimingUniform(l.own.Weight) }},
		{"LoadState", func(l, other withWeight) {
			if err := LoadState(l, StateTensors(other)); err != nil {
				t.Fatal(err)
			}
		}},
		{"SetData", func(l, _ withWeight) { SetData(l.own.Weight, values(l)) }},
		// The second may lie where the weight was when something was made of it.
		{"SetData twice", func(l, _ withWeight) { SetData(l.own.Weight, values(l)); SetData(l.own.Weight, values(l)) }},
		{"SetData of an alias", func(l, _ withWeight) {
			alias := Detach(l.own.Weight)
			SetData(l.own.Weight, values(l))
			Copy(alias, values(l))
			SetData(l.own.Weight, alias)
		}},
		{"ToDevice", func(l, _ withWeight) {
			ToDevice(l, "cpu", torch.Double)
			Copy(l.own.Weight, values(l))
			ToDevice(l, "cpu", torch.Float)
		}},
		{"Average", func(l, _ withWeight) {
			a := NewAverage(l, 0.5)
			defer a.Close()
			a.Update()
			Copy(l.own.Weight, values(l))
			a.Update()
			a.Swap()
		}},
		{"another weight", func(l, other withWeight) {
			l.own.Weight = newParameter(func(t torch.Tensor) { InitNormal(t, 0, 1) }, Shape(other.own.Weight)...)
		}},
	} {
		for _, layer := range []struct {
			name  string
			make  func() withWeight
			shape []int64
			apply func(x, w, b torch.Tensor) torch.Tensor
		}{
			{"linear", linear, []int64{2, 30}, Linear},
			{"convolution", narrow, []int64{2, 2, 8, 8}, func(x, w, b torch.Tensor) torch.Tensor { return Conv2d(x, w, b, Conv2dOptions{}) }},
			{"sums", wide, []int64{3, 32, 16, 16}, func(x, w, b torch.Tensor) torch.Tensor { return Conv2d(x, w, b, Conv2dOptions{Padding: 1}) }},
		} {
			for _, w := range []way{inF32, inF32.byAVX2(), inBF16} {
				t.Run(c.name+", "+layer.name+", "+w.name, func(t *testing.T) {
					scoped(t, func() {
						ManualSeed(5)
						x, l := Normal(0, 1, "cpu", layer.shape...), layer.make()
						SetRequiresGrad(x, true)
						// Of a tensor that wants no gradients nothing is kept.
						results := func(weight, bias torch.Tensor) (value, gradient []float64) {
							y := layer.apply(x, weight, bias)
							return Float64s(y), Float64s(Gradients(Sum(Float(y)), []torch.Tensor{x}, false)[0])
						}
						w.around(func() {
							for i := range 8 {
								// What is made is kept until it was used as often as before the last change: three times
								// here, but twice before every other change, so that it is there when that comes.
								before, _ := results(l.own.Weight, l.own.Bias)
								if i%2 == 0 {
									results(l.own.Weight, l.own.Bias)
								}
								// Free leaves its memory to what comes next, as the end of a scope does.
								Scoped(func() { c.change(l, layer.make()) })
								got, gradient := results(l.own.Weight, l.own.Bias)
								want, of := results(Detach(l.own.Weight), Detach(l.own.Bias))
								near(t, fmt.Sprintf("output %d", i), got, want, 0)
								near(t, fmt.Sprintf("gradient %d", i), gradient, of, 0)
								if i == 0 && slices.Equal(got, before) {
									t.Fatal("the weight did not change")
								}
							}
						})
					})
				})
			}
		}
	}
	noTensors(t)
}

// TestLinearOfInfinity: an infinite input makes infinite outputs, at the odd end of rows too, where pairs of numbers in
// bfloat16 look like a NaN of float32.
func TestLinearOfInfinity(t *testing.T) {
	scoped(t, func() {
		values := numbers([]int64{32, 50})
		values[3*50+49] = math.Inf(1)
		x, w := To(FromFloat64(values, 32, 50), "cpu", torch.Float), Full(0.5, torch.Float, "cpu", 40, 50)
		BF16(func() {
			for i, v := range Float64s(Linear(x, w, torch.Tensor{})) {
				if math.IsInf(v, 1) != (i/40 == 3) || math.IsNaN(v) {
					t.Fatalf("row %d has %g", i/40, v)
				}
			}
		})
	})
	noTensors(t)
}

func dtypeOf(x torch.Tensor) int8 { return infoOf("dtype", x).dtype }

// rounds tells whether layers compute in bfloat16 here.
func rounds() bool {
	one := Full(1, torch.Float, "cpu", 16, 16)
	return dtypeOf(Linear(one, one, torch.Tensor{})) == torch.BFloat16
}

func TestBF16Ends(t *testing.T) {
	scoped(t, func() {
		check := func(where string, want bool) {
			t.Helper()
			if rounds() != want {
				t.Errorf("%s: bfloat16 is %v, expected %v", where, !want, want)
			}
		}
		check("before", false)
		BF16(func() {
			check("inside", true)
			BF16(func() { check("twice inside", true) })
			check("after the inner one", true)
			Plain(func() { check("with libtorch's kernels", true) })
			other := make(chan error)
			go func() {
				var here bool
				err := Try(func() { Scoped(func() { here = rounds() }) })
				if err == nil && here {
					err = fmt.Errorf("another goroutine computes in bfloat16")
				}
				other <- err
			}()
			if err := <-other; err != nil {
				t.Error(err)
			}
		})
		check("after", false)
		_ = Try(func() { BF16(func() { panic("error") }) })
		check("after a panic", false)
		ended := make(chan bool)
		go func() {
			defer close(ended)
			Scoped(func() {
				defer func() { check("after the end of its goroutine", false) }()
				BF16(func() { runtime.Goexit() })
			})
		}()
		<-ended
	})
	noTensors(t)
}

// Gradients are those of what was computed, whether or not bfloat16 is still on.
func TestBF16GradientsAfterwards(t *testing.T) {
	scoped(t, func() {
		ManualSeed(5)
		x := Normal(0, 1, "cpu", 3, 4, 4, 4)
		l := NewConv2d(4, 5, 3, Conv2dOptions{Padding: 1})
		forward := func() torch.Tensor { return Sum(Square(l.Forward(x))) }
		var inside, outside []torch.Tensor
		var loss torch.Tensor
		BF16(func() {
			inside = Gradients(forward(), Parameters(l), false)
			loss = forward()
		})
		outside = Gradients(loss, Parameters(l), false)
		for i := range inside {
			near(t, "gradient", Float64s(outside[i]), Float64s(inside[i]), 0)
		}
		// What was computed in float32 stays float32.
		want := Gradients(forward(), Parameters(l), false)
		loss = forward()
		BF16(func() { outside = Gradients(loss, Parameters(l), false) })
		for i := range want {
			near(t, "float32 gradient", Float64s(outside[i]), Float64s(want[i]), 0)
		}
	})
	noTensors(t)
}

// A gradient penalty through a critic in bfloat16, with its norms of gradients in float32.
func TestBF16GradientPenalty(t *testing.T) {
	scoped(t, func() {
		ManualSeed(5)
		critic := NewSequential(
			NewConv2d(3, 8, 4, Conv2dOptions{Stride: 2, Padding: 1}), NewLeakyReLU(0.2),
			NewConv2d(8, 8, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2), NewLeakyReLU(0.2),
			NewFlatten(), NewLinear(32, 1, LinearOptions{}),
		)
		x := Normal(0, 1, "cpu", 16, 3, 8, 8)
		SetRequiresGrad(x, true)
		penalty := func() (p torch.Tensor, grads []torch.Tensor) {
			score := Float(critic.Forward(x))
			g := Gradients(Sum(score), []torch.Tensor{x}, true)[0]
			p = Mean(Square(AddScalar(Norm(g, 1, 2, 3), -1)))
			return p, Gradients(p, Parameters(critic), false)
		}
		p, want := penalty()
		BF16(func() {
			q, got := penalty()
			near(t, "penalty", []float64{Item(q)}, []float64{Item(p)}, 0.01)
			for i := range want {
				if (got[i].T == nil) != (want[i].T == nil) {
					t.Errorf("gradient %d is there: %v, expected %v", i, got[i].T != nil, want[i].T != nil)
				} else if want[i].T != nil {
					if d := apart(Float64s(got[i]), Float64s(want[i])); !(d <= 0.03) {
						t.Errorf("gradient %d: relative distance %.3g", i, d)
					}
				}
			}
		})
	})
	noTensors(t)
}

// Numbers that are none stay none, and become none nowhere else.
func TestBF16KeepsNaNAndInf(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	scoped(t, func() {
		special := FromFloat64([]float64{nan, inf, -inf, 0, 1, 1 + 1.0/256, 1 + 3.0/256, 3.4e38, 1e-40}, 9, 1)
		x := To(special, "cpu", torch.Float)
		one := Full(1, torch.Float, "cpu", 1, 1, 1, 1)
		BF16(func() {
			got := Float64s(Conv2d(Reshape(x, 9, 1, 1, 1), one, torch.Tensor{}, Conv2dOptions{}))
			want := []float64{nan, inf, -inf, 0, 1, 1, 1 + 4.0/256, inf, 1e-40} // halves go to the even one
			for i, v := range want {
				same := got[i] == v || math.IsNaN(got[i]) && math.IsNaN(v) || math.Abs(got[i]-v) < 1e-39
				if !same {
					t.Errorf("value %d is %v, expected %v", i, got[i], v)
				}
			}
		})
		// These are the NaNs that rounding by adding would carry over into zero.
		for _, bits := range [][]byte{{0xff, 0xff, 0xff, 0x7f}, {0xff, 0xff, 0xff, 0xff}} {
			var none torch.Tensor
			shift := FromBytes(bits, torch.Float, 1)
			y := batchNorm(To(FromFloat64([]float64{1, 2}, 2, 1), "cpu", torch.BFloat16), none, shift, none, none, true, 0.1, 1e-5, 1)
			if v := Float64s(y)[0]; !math.IsNaN(v) {
				t.Errorf("of bits %x came %v", bits, v)
			}
		}
		for _, dtype := range []int8{torch.Float, torch.BFloat16} {
			for _, bad := range []float64{nan, inf} {
				values := make([]float64, 4*3)
				for i := range values {
					values[i] = float64(i * i % 7)
				}
				values[1] = bad // of channel 1
				x := To(FromFloat64(values, 4, 3), "cpu", dtype)
				SetRequiresGrad(x, true)
				var none torch.Tensor
				y := batchNorm(x, none, none, none, none, true, 0.1, 1e-5, 0.2)
				g := Gradients(Sum(Mul(y, y)), []torch.Tensor{x}, false)[0]
				for i := range values {
					for what, v := range map[string]float64{"value": Float64s(y)[i], "gradient": Float64s(g)[i]} {
						if math.IsNaN(v) != (i%3 == 1) {
							t.Errorf("dtype %d with %v: %s %d is %v", dtype, bad, what, i, v)
						}
					}
				}
			}
		}
	})
	noTensors(t)
}
