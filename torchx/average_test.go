package torchx

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// sameState compares to the last bit.
func sameState(t *testing.T, what string, got, want []safetensors.Tensor) {
	t.Helper()
	for i := range want {
		if got[i].Name != want[i].Name || !bytes.Equal(got[i].Data, want[i].Data) {
			t.Errorf("%s differs in %s", what, want[i].Name)
		}
	}
}

func TestGoldenAverage(t *testing.T) {
	var golden struct {
		Updates []map[string]described
		Cases   []struct {
			Decay float64
			After []map[string]recorded
		}
	}
	readGolden(t, "average.json", &golden)
	if len(golden.Cases) < 4 || len(golden.Updates) < 6 {
		t.Fatalf("there are %d cases of %d updates", len(golden.Cases), len(golden.Updates))
	}
	for _, c := range golden.Cases {
		t.Run(fmt.Sprint(c.Decay), func(t *testing.T) {
			scoped(t, func() {
				m := NewSequential(NewConv2d(2, 3, 2, Conv2dOptions{}), NewBatchNorm2d(3, BatchNormOptions{}))
				a := NewAverage(m, c.Decay)
				defer a.Close()
				if a.Begun() {
					t.Error("it has begun before an update")
				}
				for step, want := range c.After {
					for _, e := range m.State() {
						if d, ok := golden.Updates[step][e.Name]; ok {
							Copy(e.Tensor, d.tensor())
						} else {
							Copy(e.Tensor, FromInt64([]int64{int64(step + 1)})) // the counter
						}
					}
					a.Update()
					for _, e := range a.State() {
						if RequiresGrad(e.Tensor) {
							t.Errorf("%s asks for gradients", e.Name)
						}
						near(t, fmt.Sprintf("update %d, %s", step, e.Name), Float64s(e.Tensor), want[e.Name].Values, 1e-6)
					}
				}
			})
		})
	}
	noTensors(t)
}

func TestAverageSwaps(t *testing.T) {
	scoped(t, func() {
		m := network()
		a := NewAverage(m, 0.5)
		defer a.Close()
		adam, _ := NewOptimizerOptions("adam")
		o := NewOptimizer(adam, NamedParameters(m))
		defer o.Close()
		train := func() {
			loss := Mean(Square(m.Forward(Normal(0, 1, "cpu", 3, 4))))
			o.Step(Gradients(loss, Parameters(m), false))
		}
		train()
		a.Update()
		train()
		a.Update()
		own, average := StateTensors(m), StateTensors(a)
		live := LiveTensors()
		a.Swap()
		sameState(t, "the module during a swap", StateTensors(m), average)
		sameState(t, "the average during a swap", StateTensors(a), own)
		for _, e := range m.State() {
			if RequiresGrad(e.Tensor) == e.Buffer {
				t.Errorf("%s: gradients %v", e.Name, RequiresGrad(e.Tensor))
			}
		}
		a.Swap()
		sameState(t, "the module after it", StateTensors(m), own)
		sameState(t, "the average after it", StateTensors(a), average)
		if got := LiveTensors(); got != live {
			t.Errorf("%d live tensors after two swaps, %d before", got, live)
		}
		// Optimiser and average still hold what the module holds.
		train()
		a.Update()
		for i, e := range a.State() {
			want, was := Float64s(m.State()[i].Tensor), Float64s(load(average[i]))
			if fmt.Sprint(want) == fmt.Sprint(Float64s(load(own[i]))) {
				t.Errorf("%s is not trained after swaps", e.Name)
			}
			for j := range want {
				if !e.Buffer {
					want[j] = (want[j] + was[j]) / 2
				}
			}
			near(t, e.Name, Float64s(e.Tensor), want, 1e-6)
		}
	})
	noTensors(t)
}

func TestAverageLoads(t *testing.T) {
	scoped(t, func() {
		m := network()
		a, b := NewAverage(m, 0.9), NewAverage(m, 0.9)
		defer a.Close()
		defer b.Close()
		change := func() {
			for _, p := range Parameters(m) {
				Copy(p, Normal(0, 1, "cpu", Shape(p)...))
			}
		}
		change()
		a.Update()
		change()
		a.Update()
		if err := b.LoadState(StateTensors(a)[1:]); err == nil || b.Begun() {
			t.Errorf("error is %v, begun %v", err, b.Begun())
		}
		if err := b.LoadState(StateTensors(a)); err != nil || !b.Begun() {
			t.Fatalf("error is %v, begun %v", err, b.Begun())
		}
		change()
		a.Update()
		b.Update()
		sameState(t, "the loaded average", StateTensors(b), StateTensors(a))
	})
	noTensors(t)
}
