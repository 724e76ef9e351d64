package torchx

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// TestApart: one thread has nobody to be apart from, even where several have just been.
func TestApart(t *testing.T) {
	runtime.LockOSThread() // the number of threads belongs to one
	defer runtime.UnlockOSThread()
	defer SetThreads(Threads())
	for _, threads := range []int{2, 1, 5, 1} {
		SetThreads(threads)
		is := Apart()
		t.Logf("%d threads apart: %v", threads, is)
		if is && (threads == 1 || !NewReport().OwnKernels) {
			t.Errorf("%d threads are apart", threads)
		}
	}
}

// Optimisers make the same steps, to the last bit, wherever their threads are: along gradients that there are and those that
// are made in tiles, and for parameters that begin and end within a line of a cache.
func TestApartStepsTheSame(t *testing.T) {
	betas := [2]float64{0.5, 0.9}
	optimisers := map[string]OptimizerOptions{
		"adam":    Adam{LR: 0.01, Betas: betas, Eps: 1e-8, WeightDecay: 0.1},
		"adamw":   AdamW{LR: 0.01, Betas: betas, Eps: 1e-8, WeightDecay: 0.1},
		"rmsprop": RMSprop{LR: 0.01, Alpha: 0.9, Eps: 1e-8, Momentum: 0.5, Centered: true},
		"sgd":     SGD{LR: 0.01, Momentum: 0.9},
	}
	shapes := [][]int64{{64, 64}, {70, 1601}, {33, 65}, {1}, {7}, {15, 1}, {1<<14 + 3}}
	for name, o := range optimisers {
		for _, dtype := range []int8{torch.Float, torch.Double} {
			for _, offset := range []int64{0, 1, 5} {
				run := func() (after [][]float64) {
					ManualSeed(5)
					var params []torch.Tensor
					var entries []Entry
					for i, shape := range shapes {
						n := int64(1)
						for _, side := range shape {
							n *= side
						}
						room := To(MulScalar(Normal(0, 1, "cpu", offset+n+9), 0.1), "cpu", dtype)
						p := Detach(Reshape(Narrow(room, 0, offset, n), shape...))
						SetRequiresGrad(p, true)
						params, entries = append(params, p), append(entries, Entry{Name: fmt.Sprint(i), Tensor: p})
						after = append(after, nil)
						defer func() { after[i] = Float64s(room) }() // what is around it must stay
					}
					opt := NewOptimizer(o, entries)
					defer opt.Close()
					for range 3 {
						loss := Sum(Square(params[0]))
						for i, p := range params {
							if len(shapes[i]) == 2 {
								x := To(Normal(0, 1, "cpu", 64, shapes[i][1]), "cpu", dtype)
								loss = Add(loss, Sum(Square(Linear(x, p, torch.Tensor{}))))
							} else {
								loss = Add(loss, Sum(Square(Square(p))))
							}
						}
						Minimize(loss, opt)
					}
					return after
				}
				scoped(t, func() {
					var near, far [][]float64
					asIfApart(false, func() { near = run() })
					asIfApart(true, func() { far = run() })
					for i := range shapes {
						if !slices.Equal(near[i], far[i]) {
							t.Errorf("%s, dtype %d, %d numbers from a line's beginning: the parameter of %v differs", name, dtype, offset, shapes[i])
						}
					}
				})
			}
		}
	}
	noTensors(t)
}
