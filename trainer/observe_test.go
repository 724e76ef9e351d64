package trainer

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// observing makes the critic's phase, which repeats twice, observe a figure; calls counts how often it is computed.
func observing(calls *int, f func(s *Step) torch.Tensor) func(m *gan) {
	return func(m *gan) {
		loss := m.phases[0].Loss
		m.phases[0].Loss = func(s *Step) torch.Tensor {
			s.Batch()
			s.Observe("seen", func() torch.Tensor {
				*calls++
				return f(s)
			})
			return loss(s)
		}
	}
}

func TestObserve(t *testing.T) {
	calls, images := 0, torch.Tensor{}
	o := options(observing(&calls, func(s *Step) torch.Tensor {
		images = torchx.MulScalar(s.Batch().Images, 2) // goes with the scope
		return torchx.Mean(torchx.Square(images))
	}))
	o.Iterations, o.LogEvery = 10, 5
	logged := map[int][]string{}
	o.Observer = &recorder{progress: func(p Progress) {
		for _, m := range p.Metrics {
			logged[p.Iteration] = append(logged[p.Iteration], m.Name)
		}
	}}
	if err := newTrainer(t, o).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls != 3 {
		t.Errorf("computed %d times in 10 iterations of 2 repeats, want once in each of the logged ones, 1, 5 and 10", calls)
	}
	want := []string{"critic/loss", "critic/seen", "critic/real", "critic/grad_norm", "generator/loss", "generator/grad_norm"}
	for _, n := range []int{1, 5, 10} {
		if !slices.Equal(logged[n], want) {
			t.Errorf("iteration %d logs %v, want %v", n, logged[n], want)
		}
	}
	if err := torchx.Try(func() { torchx.Shape(images) }); err == nil {
		t.Error("what Observe's function made is still there")
	}
}

// The zero Tensor is no figure, and of several minibatches those that have one count.
func TestObserveUndefined(t *testing.T) {
	calls := 0
	o := options(observing(&calls, func(*Step) torch.Tensor {
		if calls%3 == 0 {
			return torch.Tensor{}
		}
		return torchx.Full(float64(calls), torch.Double, "cpu")
	}))
	metric := func(o Options) (values []float64) {
		for _, m := range iterate(t, newTrainer(t, o), 1)[0] {
			if m.Name == "critic/seen" {
				values = append(values, m.Value)
			}
		}
		return values
	}
	o.Accumulate = 3
	if got := metric(o); !slices.Equal(got, []float64{1.5}) {
		t.Errorf("of 1, 2 and nothing: got %v, want the mean, 1.5", got)
	}
	o.Accumulate, calls = 1, 2
	if got := metric(o); got != nil {
		t.Errorf("of nothing: got %v", got)
	}
}

func TestErrorOfObserve(t *testing.T) {
	calls := 0
	tr := newTrainer(t, options(observing(&calls, func(s *Step) torch.Tensor {
		return torchx.MatMul(s.Batch().Images, torchx.Full(1, torch.Float, "cpu", 3, 3))
	})))
	if err := tr.Iterate(1, func(int, []Metric) {}); err == nil || !strings.Contains(err.Error(), "phase critic: matmul of") {
		t.Errorf("the error is %v, expected the phase's with matmul's", err)
	}
}

// TestLoggingChangesNothing trains with and without looking.
func TestLoggingChangesNothing(t *testing.T) {
	after := func(logEvery int) map[string]string {
		calls := 0
		o := options(observing(&calls, func(s *Step) torch.Tensor { return torchx.Mean(s.Batch().Images) }))
		o.LogEvery = logEvery
		tr := newTrainer(t, o)
		if err := tr.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return weights(t, tr)
	}
	if often, seldom := after(1), after(100); !reflect.DeepEqual(often, seldom) {
		t.Error("logging every iteration gave other weights than logging the first alone")
	}
}

// TestGradNorm compares the logged norms with those of the gradients.
func TestGradNorm(t *testing.T) {
	o := options(func(m *gan) {
		both := []string{"generator", "critic"}
		m.phases = []Phase{{Name: "both", Updates: both, Loss: func(*Step) torch.Tensor {
			return torchx.Add(
				torchx.MulScalar(torchx.Sum(torchx.Parameters(m.generator)[1]), 3), // 16 values
				torchx.MulScalar(torchx.Sum(torchx.Parameters(m.critic)[3]), -2))   // 1 value
		}}}
	})
	want := []Metric{{"both/grad_norm_generator", 12}, {"both/grad_norm_critic", 2}}
	got := iterate(t, newTrainer(t, o), 1)[0]
	if got = slices.DeleteFunc(got, func(m Metric) bool { return !strings.Contains(m.Name, GradNorm) }); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
