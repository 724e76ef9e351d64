package torchx

import (
	"fmt"
	"runtime"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// What layers keep of a weight in bfloat16 is what is made of the weight then, whoever changed it and however: for weights that
// fill panels and that do not, for gradients that are made tile by tile and that are there.
func TestHalfWeightsFollow(t *testing.T) {
	optimisers := map[string]OptimizerOptions{
		"adam": Adam{LR: 0.01, Betas: [2]float64{0.5, 0.9}, Eps: 1e-8},
		"sgd":  SGD{LR: 0.01},
	}
	steps := map[string]func(loss torch.Tensor, o *Optimizer, w torch.Tensor){
		"Minimize": func(loss torch.Tensor, o *Optimizer, _ torch.Tensor) { Minimize(loss, o) },
		"Step": func(loss torch.Tensor, o *Optimizer, w torch.Tensor) {
			o.Step(Gradients(loss, []torch.Tensor{w}, false))
		},
		"two steps": func(loss torch.Tensor, o *Optimizer, w torch.Tensor) {
			g := Gradients(loss, []torch.Tensor{w}, false)
			o.Step(g)
			o.Step(g)
		},
		"new values": func(loss torch.Tensor, o *Optimizer, w torch.Tensor) {
			Minimize(loss, o)
			SetData(w, Detach(MulScalar(w, 2)))
		},
		"another thread": func(loss torch.Tensor, o *Optimizer, w torch.Tensor) {
			g := Gradients(loss, []torch.Tensor{w}, false)
			o.Step(g) // renews what is kept here, of which the other thread knows nothing
			done := make(chan struct{})
			go func() {
				defer close(done)
				runtime.LockOSThread() // and not back: the thread ends with this function
				o.Step(g)
			}()
			<-done
		},
	}
	layouts := map[string]func(torch.Tensor) torch.Tensor{
		"rows":    func(w torch.Tensor) torch.Tensor { return w },
		"columns": func(w torch.Tensor) torch.Tensor { return Detach(Permute(Contiguous(Permute(w, 1, 0)), 1, 0)) },
	}
	for name, o := range optimisers {
		for how, step := range steps {
			for layout, laidOut := range layouts {
				for _, w := range []way{inBF16, inBF16.byVectors(), inBF16.farApart(), inBF16.byVectors().farApart()} {
					t.Run(fmt.Sprintf("%s, %s, %s, %s", name, how, layout, w.name), func(t *testing.T) {
						if w.refused() {
							t.Skip("bfloat16 is refused here")
						}
						for _, shape := range [][]int64{{64, 96}, {600, 1601}, {33, 45}, {16, 17}} {
							checkHalfWeights(t, w, o, shape, laidOut, step)
						}
					})
				}
			}
		}
	}
	noTensors(t)
}

func checkHalfWeights(t *testing.T, w way, o OptimizerOptions, shape []int64, laidOut func(torch.Tensor) torch.Tensor, step func(loss torch.Tensor, o *Optimizer, w torch.Tensor)) {
	scoped(t, func() {
		ManualSeed(3)
		weight, x := laidOut(Normal(0, 1, "cpu", shape...)), Normal(0, 1, "cpu", 37, shape[1])
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
				near(t, fmt.Sprintf("%v, output %d", shape, i), got, want, 0)
				near(t, fmt.Sprintf("%v, gradient %d", shape, i), gradient, of, 0)
				step(Mean(Square(Float(Linear(x, weight, torch.Tensor{})))), opt, weight)
			}
		})
	})
}
