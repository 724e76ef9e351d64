package torchx

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// Minimize steps as Step does along what Gradients returns, to the last bit: for weights that fill tiles and that do not, used
// once, more often, beside another operation, not at all, and laid out in another way.
func TestMinimize(t *testing.T) {
	optimisers := map[string]OptimizerOptions{
		"adam":    Adam{LR: 0.01, Betas: [2]float64{0.5, 0.9}, Eps: 1e-8, WeightDecay: 0.1},
		"adamw":   AdamW{LR: 0.01, Betas: [2]float64{0.9, 0.99}, Eps: 1e-8, WeightDecay: 0.1},
		"rmsprop": RMSprop{LR: 0.01, Alpha: 0.9, Eps: 1e-8, Momentum: 0.5, Centered: true},
		"sgd":     SGD{LR: 0.01, Momentum: 0.9},
	}
	shapes := [][]int64{{70, 1601}, {64, 70}, {64, 64}, {17, 64}, {1, 17}, {3, 2}}
	const shared, alsoDecayed, turned = 2, 3, 1
	ways := []way{inF32, inBF16, inBF16.byVectors(), inF32.plainly(), inF32.farApart(), inBF16.farApart(), inF32.byAVX2(), inF32.byAVX2().farApart()}
	for name, o := range optimisers {
		for _, w := range ways {
			for _, batch := range []int64{1, 37, 64} {
				t.Run(fmt.Sprintf("%s, %s, batch %d", name, w.name, batch), func(t *testing.T) {
					// run makes three steps of two optimisers, which have one half of the parameters each.
					run := func(step func(loss torch.Tensor, optimizers []*Optimizer, params []torch.Tensor)) (after [][]float32, states []safetensors.Tensor) {
						ManualSeed(5)
						var params []torch.Tensor
						var entries []Entry
						for i, shape := range shapes {
							p := MulScalar(Normal(0, 1, "cpu", shape...), 0.1)
							if i == turned {
								p = Detach(Permute(Contiguous(Permute(p, 1, 0)), 1, 0))
							}
							SetRequiresGrad(p, true)
							params = append(params, p)
							entries = append(entries, Entry{Name: fmt.Sprint(i), Tensor: p})
						}
						optimizers := []*Optimizer{NewOptimizer(o, entries[:2]), NewOptimizer(o, entries[2:])}
						for range 3 {
							x := Normal(0, 1, "cpu", batch, shapes[0][1])
							var loss torch.Tensor
							w.around(func() {
								for i, p := range params[:len(params)-1] {
									for uses := 1; uses > 0 || (i == shared && uses > -2); uses-- {
										x = LeakyReLU(Linear(x, p, torch.Tensor{}), 0.2)
									}
								}
								loss = Add(Mean(Square(To(x, "cpu", torch.Float))), Mean(Square(params[alsoDecayed])))
								step(loss, optimizers, params)
							})
						}
						for _, opt := range optimizers {
							states = append(states, opt.State()...)
							opt.Close()
						}
						for _, p := range params {
							after = append(after, Float32s(Contiguous(p)))
						}
						return after, states
					}
					scoped(t, func() {
						want, wantStates := run(func(loss torch.Tensor, optimizers []*Optimizer, params []torch.Tensor) {
							grads := Gradients(loss, params, false)
							optimizers[0].Step(grads[:2])
							optimizers[1].Step(grads[2:])
						})
						got, states := run(func(loss torch.Tensor, optimizers []*Optimizer, _ []torch.Tensor) { Minimize(loss, optimizers...) })
						for i := range shapes {
							if !slices.Equal(got[i], want[i]) {
								t.Errorf("parameter %d, of %v, differs", i, shapes[i])
							}
						}
						if !reflect.DeepEqual(states, wantStates) {
							t.Error("the states of the optimisers differ")
						}
					})
				})
			}
		}
	}
	noTensors(t)
}

// What a layer takes in may be a parameter: a step of that one must not come between it and the gradient of the weight.
func TestMinimizeOfParameterTimesParameter(t *testing.T) {
	orders := map[string]func(o OptimizerOptions, p, w []Entry) []*Optimizer{
		"one optimiser": func(o OptimizerOptions, p, w []Entry) []*Optimizer {
			return []*Optimizer{NewOptimizer(o, append(p, w...))}
		},
		"two optimisers": func(o OptimizerOptions, p, w []Entry) []*Optimizer {
			return []*Optimizer{NewOptimizer(o, p), NewOptimizer(o, w)}
		},
	}
	for order, optimizersOf := range orders {
		for _, o := range []OptimizerOptions{SGD{LR: 0.1}, Adam{LR: 0.1, Betas: [2]float64{0.5, 0.9}, Eps: 1e-8}} {
			scoped(t, func() {
				run := func(step func(loss torch.Tensor, p, w torch.Tensor, optimizers []*Optimizer)) []float32 {
					ManualSeed(7)
					p, w := Normal(0, 1, "cpu", 2, 64), Normal(0, 1, "cpu", 32, 64)
					SetRequiresGrad(p, true)
					SetRequiresGrad(w, true)
					optimizers := optimizersOf(o, []Entry{{Name: "p", Tensor: p}}, []Entry{{Name: "w", Tensor: w}})
					step(Mean(Square(Linear(p, w, torch.Tensor{}))), p, w, optimizers)
					for _, o := range optimizers {
						o.Close()
					}
					return append(Float32s(p), Float32s(w)...)
				}
				want := run(func(loss, p, w torch.Tensor, optimizers []*Optimizer) {
					grads := Gradients(loss, []torch.Tensor{p, w}, false)
					for _, o := range optimizers {
						o.Step(grads[:len(o.params)])
						grads = grads[len(o.params):]
					}
				})
				got := run(func(loss, _, _ torch.Tensor, optimizers []*Optimizer) { Minimize(loss, optimizers...) })
				if !slices.Equal(got, want) {
					t.Errorf("%s, %T: Minimize gave other parameters than a step along Gradients", order, o)
				}
			})
		}
	}
	noTensors(t)
}

// A gradient has all its parts where a weight is used more than once, and so has that of what a weight was made from.
func TestGradientsOfSharedWeights(t *testing.T) {
	ways := []way{inF32, inF32.farApart(), inF32.byAVX2(), inF32.byAVX2().farApart(), inBF16, inBF16.farApart(), inBF16.byVectors()}
	for _, w := range ways {
		if w.refused() {
			continue
		}
		for _, batch := range []int64{3, 40} {
			scoped(t, func() {
				ManualSeed(8)
				x, start, more := Normal(0, 1, "cpu", batch, 64), MulScalar(Normal(0, 1, "cpu", 64, 64), 0.125), Normal(0, 1, "cpu", 64, 64)
				gradients := func(dtype int8) (grads []torch.Tensor) {
					origin := Detach(To(start, "cpu", dtype))
					SetRequiresGrad(origin, true)
					weight := MulScalar(origin, 2)
					y := To(x, "cpu", dtype)
					fewer := Linear(Narrow(y, 0, 0, 2), origin, torch.Tensor{}) // rows than in the other uses
					for _, p := range []torch.Tensor{weight, origin, weight, origin, origin} {
						y = Linear(y, p, torch.Tensor{})
					}
					loss := Add(Sum(To(y, "cpu", dtype)), Sum(Square(To(fewer, "cpu", dtype))))
					for _, p := range []torch.Tensor{weight, origin} {
						loss = Add(loss, Sum(Mul(p, To(more, "cpu", dtype))))
					}
					for _, g := range Gradients(loss, []torch.Tensor{weight, origin}, false) {
						grads = append(grads, To(g, "cpu", torch.Double))
					}
					return grads
				}
				want := gradients(torch.Double)
				var got []torch.Tensor
				w.around(func() { got = gradients(torch.Float) })
				tolerance := 1e-5
				if w.converted {
					tolerance = 0.02
				}
				for i, of := range []string{"the weight that was made", "the one that it was made from"} {
					if off := Item(Norm(Sub(got[i], want[i]))) / Item(Norm(want[i])); !(off < tolerance) {
						t.Errorf("%s, batch %d: the gradient of %s is off by %g of its norm", w.name, batch, of, off)
					}
				}
			})
		}
	}
	noTensors(t)
}

// A weight may be used in both precisions: its gradient has both parts.
func TestMinimizeOfBothPrecisions(t *testing.T) {
	scoped(t, func() {
		ManualSeed(9)
		x, start := Normal(0, 1, "cpu", 40, 64), MulScalar(Normal(0, 1, "cpu", 64, 64), 0.125)
		minimized := func(uses int) []float32 {
			w := Detach(Add(start, start))
			SetRequiresGrad(w, true)
			loss := Full(0, torch.Float, "cpu")
			if uses&1 != 0 {
				loss = Add(loss, Sum(Linear(x, w, torch.Tensor{})))
			}
			if uses&2 != 0 {
				BF16(func() { loss = Add(loss, Sum(To(Linear(x, w, torch.Tensor{}), "cpu", torch.Float))) })
			}
			o := NewOptimizer(SGD{LR: 1}, []Entry{{Name: "w", Tensor: w}})
			defer o.Close()
			Minimize(loss, o)
			return Float32s(Sub(w, Add(start, start)))
		}
		full, rounded, both := minimized(1), minimized(2), minimized(3)
		for i, got := range both {
			if want := full[i] + rounded[i]; !(math.Abs(float64(got-want)) <= 1e-3) {
				t.Fatalf("number %d changed by %g, want %g for the use in float32 and %g for that in bfloat16", i, got, full[i], rounded[i])
			}
		}
	})
	noTensors(t)
}

func TestMinimizeRefuses(t *testing.T) {
	scoped(t, func() {
		p := Full(1, torch.Float, "cpu", 2, 2)
		SetRequiresGrad(p, true)
		open, closed := NewOptimizer(SGD{LR: 1}, []Entry{{Name: "p", Tensor: p}}), NewOptimizer(SGD{LR: 1}, nil)
		defer open.Close()
		closed.Close()
		for want, f := range map[string]func(){
			"the optimiser is closed":                         func() { Minimize(Sum(p), open, closed) },
			"a loss must be a scalar, found shape [2, 2]":     func() { Minimize(p, open) },
			"the loss does not depend on any parameter that ": func() { Minimize(Sum(Detach(p)), open) },
		} {
			if err := Try(f); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error is %v, expected %s", err, want)
			}
		}
		other := Full(1, torch.Float, "cpu", 2, 2)
		SetRequiresGrad(other, true)
		changed := NewOptimizer(Adam{LR: 0.1, Betas: [2]float64{0.5, 0.9}, Eps: 1e-8}, []Entry{{Name: "other", Tensor: other}})
		defer changed.Close()
		changed.Step([]torch.Tensor{Full(0, torch.Float, "cpu", 2, 2)})
		SetData(other, Full(1, torch.Float, "cpu", 3))
		if err := Try(func() { Minimize(Add(Sum(p), Sum(other)), open, changed) }); err == nil || !strings.Contains(err.Error(), "make a new optimiser") {
			t.Errorf("error of a parameter that was reshaped is %v", err)
		}
		Minimize(Sum(p))
		near(t, "a parameter after refused steps", Float64s(To(p, "cpu", torch.Double)), []float64{1, 1, 1, 1}, 0)
	})
	noTensors(t)
}

// An optimiser refuses parameters whose numbers are in several places, or in each other's.
func TestOptimizerRefusesSharedMemory(t *testing.T) {
	scoped(t, func() {
		leaf := func(x torch.Tensor) torch.Tensor {
			x = Detach(x)
			SetRequiresGrad(x, true)
			return x
		}
		whole := Full(1, torch.Float, "cpu", 4, 2)
		for name, c := range map[string]struct {
			params []torch.Tensor
			want   string
		}{
			"expanded": {[]torch.Tensor{leaf(Expand(Full(1, torch.Float, "cpu", 1, 2), 3, 2))}, "clone it"},
			"twice":    {[]torch.Tensor{leaf(whole), leaf(whole)}, "share memory"},
			"overlap":  {[]torch.Tensor{leaf(Narrow(whole, 0, 0, 3)), leaf(Narrow(whole, 0, 2, 2))}, "share memory"},
			"beside":   {[]torch.Tensor{leaf(Narrow(whole, 0, 2, 2)), leaf(Narrow(whole, 0, 0, 2))}, ""},
		} {
			var entries []Entry
			for i, p := range c.params {
				entries = append(entries, Entry{Name: fmt.Sprint(i), Tensor: p})
			}
			err := Try(func() { NewOptimizer(SGD{LR: 1}, entries).Close() })
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error is %v, expected %q", name, err, c.want)
			}
		}
	})
	noTensors(t)
}

// The gradients of weights are those of float64, also of a batch of several thousand and where a row is longer than a tile.
func TestWeightGradients(t *testing.T) {
	for _, c := range []struct{ n, in, out int64 }{{64, 3100, 33}, {2100, 40, 48}, {130, 16, 1700}, {5, 1536, 16}} {
		for _, w := range []way{inF32, inF32.byAVX2(), inBF16, inBF16.byVectors()} {
			if w.refused() {
				continue
			}
			scoped(t, func() {
				ManualSeed(6)
				// Numbers of bfloat16, which no type rounds on the way in.
				draw := func(shape ...int64) torch.Tensor {
					return To(To(Normal(0, 1, "cpu", shape...), "cpu", torch.BFloat16), "cpu", torch.Float)
				}
				x, weight, g := draw(c.n, c.in), draw(c.out, c.in), draw(c.n, c.out)
				gradient := func(dtype int8) torch.Tensor {
					p := Detach(To(weight, "cpu", dtype))
					SetRequiresGrad(p, true)
					y := Linear(To(x, "cpu", dtype), p, torch.Tensor{})
					loss := Sum(Mul(To(y, "cpu", dtype), To(g, "cpu", dtype)))
					return To(Gradients(loss, []torch.Tensor{p}, false)[0], "cpu", torch.Double)
				}
				want := gradient(torch.Double)
				var got torch.Tensor
				w.around(func() { got = gradient(torch.Float) })
				tolerance := 1e-6
				if w.converted && !ours(w) {
					tolerance = 0.01 // libtorch's products of bfloat16 are bfloat16
				}
				if off := Item(Norm(Sub(got, want))) / Item(Norm(want)); !(off < tolerance) {
					t.Errorf("%s, %d x %d x %d: off by %g of its norm", w.name, c.n, c.in, c.out, off)
				}
			})
		}
	}
}

// Adam's step is PyTorch's for averages that are zero, tiny, huge or no numbers, wherever they stand.
func TestAdamExtremes(t *testing.T) {
	scoped(t, func() {
		// A parameter that one step makes infinite has no second one.
		steps := map[float64]int{1e-8: 2, 1e-40: 1, 0: 1}
		numbers := []float32{0, 1e-38, 1e-30, 1e-22, 1e-18, 1e-15, 1e-9, 1, 1e12, 1e15, 1e17, 1e19, float32(math.Inf(1)), float32(math.NaN())}
		for eps, n := range steps {
			plain := func(x torch.Tensor) torch.Tensor { return x }
			run := func(gradients []float32, layout func(torch.Tensor) torch.Tensor) []float32 {
				p := layout(Full(1, torch.Float, "cpu", int64(len(gradients))))
				SetRequiresGrad(p, true)
				opt := NewOptimizer(Adam{LR: 0.5, Betas: [2]float64{0.5, 0.9}, Eps: eps}, []Entry{{Name: "p", Tensor: p}})
				defer opt.Close()
				for range n {
					opt.Step([]torch.Tensor{FromFloat32(gradients, int64(len(gradients)))})
				}
				return Float32s(Contiguous(p))
			}
			want, first := run(numbers, spaced), run(numbers, plain)
			for _, among := range []float32{0, 1, float32(math.NaN())} {
				for before := range 17 {
					gradients := slices.Repeat([]float32{among}, before)
					gradients = append(gradients, numbers...)
					got := run(gradients, plain)[before:]
					for i := range numbers {
						a, b := float64(got[i]), float64(want[i])
						if a != b && !(math.Abs(a-b) <= 1e-6) && !(math.IsNaN(a) && math.IsNaN(b)) {
							t.Errorf("eps %g, gradient %g behind %d of %g: %g, expected %g", eps, numbers[i], before, among, got[i], want[i])
						}
						if math.Float32bits(got[i]) != math.Float32bits(first[i]) {
							t.Errorf("eps %g, gradient %g behind %d of %g: %g, but %g at the front", eps, numbers[i], before, among, got[i], first[i])
						}
					}
				}
			}
		}
	})
}
