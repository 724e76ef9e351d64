package torchx

import (
	"fmt"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// spaced lays t out with gaps, which the loops over memory do not take.
func spaced(t torch.Tensor) torch.Tensor {
	shape := Shape(t)
	twice := Cat(int64(len(shape)), Reshape(t, append(shape, 1)...), Reshape(MulScalar(t, 0), append(shape, 1)...))
	x := Narrow(twice, int64(len(shape)), 0, 1)
	return Detach(Reshape(x, shape...))
}

// The loops over memory make the steps that operations on tensors make, for every kind of optimiser, every layout, and many
// parameters together of which one is longer than what a thread takes at a time.
func TestFusedOptimizers(t *testing.T) {
	betas := [2]float64{0.8, 0.95}
	optimisers := map[string]OptimizerOptions{
		"adam":              Adam{LR: 0.1, Betas: betas, Eps: 1e-8},
		"adam, decay":       Adam{LR: 0.1, Betas: betas, Eps: 1e-3, WeightDecay: 0.1},
		"adam, large beta":  Adam{LR: 0.1, Betas: [2]float64{0.3, 0.9}, Eps: 1e-8}, // torch.lerp's other branch
		"adam, no memory":   Adam{LR: 0.1, Betas: [2]float64{0, 0}, Eps: 1e-8},
		"adamw":             AdamW{LR: 0.1, Betas: betas, Eps: 1e-8, WeightDecay: 0.1},
		"rmsprop":           RMSprop{LR: 0.1, Alpha: 0.9, Eps: 1e-8},
		"rmsprop, decay":    RMSprop{LR: 0.1, Alpha: 0.9, Eps: 1e-8, WeightDecay: 0.1},
		"rmsprop, momentum": RMSprop{LR: 0.01, Alpha: 0.9, Eps: 1e-8, Momentum: 0.7},
		"rmsprop, centered": RMSprop{LR: 0.01, Alpha: 0.9, Eps: 1e-2, Centered: true, Momentum: 0.7, WeightDecay: 0.1},
		"sgd":               SGD{LR: 0.1, Momentum: 0.9, Dampening: 0.1, WeightDecay: 0.1},
		"sgd, nesterov":     SGD{LR: 0.1, Momentum: 0.9, Nesterov: true},
	}
	shapes := [][]int64{{}, {1}, {3}, {131, 130}, {1 << 14}, {1<<14 + 1}, {2, 3, 4, 4}, {5, 1, 3, 3}, {7, 2, 1, 1}, {5, 6}}
	for range 30 {
		shapes = append(shapes, []int64{5})
	}
	plain := func(x torch.Tensor) torch.Tensor { return Clone(x) }
	last := func(x torch.Tensor) torch.Tensor {
		x = Clone(x)
		if len(Shape(x)) == 4 {
			channelsLast(x)
		}
		return x
	}
	turned := func(x torch.Tensor) torch.Tensor {
		if len(Shape(x)) == 2 {
			return Detach(Permute(Contiguous(Permute(x, 1, 0)), 1, 0))
		}
		return Clone(x)
	}
	for name, o := range optimisers {
		t.Run(name, func(t *testing.T) {
			for dtype, most := range map[int8]float64{torch.Double: 1e-13, torch.Float: 3e-6} {
				// run makes three steps with parameters and gradients laid out in some way.
				run := func(parameter, grad func(torch.Tensor) torch.Tensor) (after [][]float64) {
					ManualSeed(4)
					var params []Entry
					draw := func(layout func(torch.Tensor) torch.Tensor, shape []int64) torch.Tensor {
						return layout(To(Normal(0, 1, "cpu", shape...), "cpu", dtype))
					}
					for i, shape := range shapes {
						p := draw(parameter, shape)
						SetRequiresGrad(p, true)
						params = append(params, Entry{Name: fmt.Sprint(i), Tensor: p})
					}
					opt := NewOptimizer(o, params)
					defer opt.Close()
					for step := range 3 {
						var grads []torch.Tensor
						for i, shape := range shapes {
							g := draw(grad, shape)
							if step == 1 && i%3 == 1 {
								g = torch.Tensor{} // steps are counted for each parameter
							}
							grads = append(grads, g)
						}
						opt.Step(grads)
					}
					for _, p := range params {
						after = append(after, Float64s(p.Tensor))
					}
					return after
				}
				scoped(t, func() {
					want := run(spaced, plain)
					for _, c := range []struct {
						name            string
						parameter, grad func(torch.Tensor) torch.Tensor
					}{
						{"contiguous", plain, plain}, {"channels last", last, last}, {"channels last, its gradient not", last, plain},
						{"gradient with channels last", plain, last}, {"transposed", turned, plain}, {"gradient with gaps", plain, spaced},
					} {
						for i, got := range run(c.parameter, c.grad) {
							near(t, fmt.Sprintf("dtype %d, %s, parameter of %v", dtype, c.name, shapes[i]), got, want[i], most)
						}
					}
				})
			}
		})
	}
	noTensors(t)
}

// A gradient that repeats one number is as good as another.
func TestOptimizerExpandedGradient(t *testing.T) {
	scoped(t, func() {
		p, q := Full(1, torch.Float, "cpu", 4, 3), Full(1, torch.Float, "cpu", 4, 3)
		SetRequiresGrad(p, true)
		SetRequiresGrad(q, true)
		opt := NewOptimizer(Adam{LR: 0.1, Betas: [2]float64{0.5, 0.5}, Eps: 1e-8}, []Entry{{Name: "p", Tensor: p}, {Name: "q", Tensor: q}})
		defer opt.Close()
		opt.Step([]torch.Tensor{Gradients(Sum(p), []torch.Tensor{p}, false)[0], Full(1, torch.Float, "cpu", 4, 3)})
		near(t, "parameter", Float64s(p), Float64s(q), 0)
	})
}

// TestSharedParameter: two updates of one parameter in one step would run beside each other.
func TestSharedParameter(t *testing.T) {
	scoped(t, func() {
		w := Full(1, torch.Float, "cpu", 3, 2)
		SetRequiresGrad(w, true)
		err := Try(func() { NewOptimizer(&SGD{LR: 1}, []Entry{{Name: "a", Tensor: w}, {Name: "b", Tensor: w}}) })
		if err == nil || !strings.Contains(err.Error(), "a parameter of shape [3, 2] twice") {
			t.Errorf("error is %v", err)
		}
	})
}
