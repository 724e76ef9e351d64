package torchx

import (
	"fmt"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// What layers keep of a weight in bfloat16 is, behind each step of an optimiser, what is made of the weight then: for weights that
// fill panels and that do not, for gradients that are made tile by tile and that are there.
func TestHalfWeightsAreRenewed(t *testing.T) {
	optimisers := map[string]OptimizerOptions{
		"adam":    Adam{LR: 0.01, Betas: [2]float64{0.5, 0.9}, Eps: 1e-8},
		"rmsprop": RMSprop{LR: 0.01, Alpha: 0.9, Eps: 1e-8},
		"sgd":     SGD{LR: 0.01},
	}
	steps := map[string]func(loss torch.Tensor, o *Optimizer, w torch.Tensor){
		"Minimize": func(loss torch.Tensor, o *Optimizer, _ torch.Tensor) { Minimize(loss, o) },
		"Step": func(loss torch.Tensor, o *Optimizer, w torch.Tensor) {
			o.Step(Gradients(loss, []torch.Tensor{w}, false))
		},
		"a weight that is laid out in another way": func(loss torch.Tensor, o *Optimizer, w torch.Tensor) {
			o.Step(Gradients(loss, []torch.Tensor{w}, false))
			SetData(w, Detach(Permute(Contiguous(Permute(w, 1, 0)), 1, 0)))
		},
	}
	for name, o := range optimisers {
		for how, step := range steps {
			for _, shape := range [][]int64{{64, 96}, {70, 1601}, {33, 45}, {16, 17}, {600, 64}} {
				for _, w := range []way{inBF16, inBF16.byVectors(), inBF16.farApart()} {
					t.Run(fmt.Sprintf("%s, %s, %v, %s", name, how, shape, w.name), func(t *testing.T) {
						scoped(t, func() {
							ManualSeed(3)
							weight, x := Normal(0, 1, "cpu", shape...), Normal(0, 1, "cpu", 37, shape[1])
							SetRequiresGrad(weight, true)
							SetRequiresGrad(x, true)
							opt := NewOptimizer(o, []Entry{{Name: "w", Tensor: weight}})
							defer opt.Close()
							results := func(weight torch.Tensor) (value, gradient []float64) {
								y := Linear(x, weight, torch.Tensor{})
								return Float64s(y), Float64s(Gradients(Sum(Float(y)), []torch.Tensor{x}, false)[0])
							}
							w.around(func() {
								for i := range 3 {
									got, gradient := results(weight)
									want, of := results(Detach(weight)) // of which nothing is kept
									near(t, fmt.Sprintf("output %d", i), got, want, 0)
									near(t, fmt.Sprintf("gradient %d", i), gradient, of, 0)
									step(Mean(Square(Float(Linear(x, weight, torch.Tensor{})))), opt, weight)
								}
							})
						})
					})
				}
			}
		}
	}
	noTensors(t)
}
