package trainer

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// reconstruct makes m an autoencoder of the generator alone, without noise.
func reconstruct(m *gan) {
	m.generator = torchx.NewSequential(torchx.NewFlatten(), torchx.NewLinear(64, 8, torchx.LinearOptions{}), torchx.NewTanh(),
		torchx.NewLinear(8, 64, torchx.LinearOptions{}), torchx.NewUnflatten(1, 8, 8))
	m.phases = []Phase{{Name: "generator", Updates: []string{"generator"}, Loss: func(s *Step) torch.Tensor {
		images := s.Batch().Images
		return torchx.MSE(m.generator.Forward(images), images)
	}}}
}

// Accumulating over k minibatches of b images is training with minibatches of k*b.
func TestAccumulationIsALargerBatch(t *testing.T) {
	adam, _ := torchx.NewOptimizerOptions("adam")
	for _, test := range []struct {
		name      string
		optimizer torchx.OptimizerOptions
		clip      float64
		fresh     bool
	}{
		{"sgd", torchx.SGD{LR: 0.1, Momentum: 0.9}, 0, false},
		{"adam", adam, 0, false},
		{"clipped", torchx.SGD{LR: 0.1}, 0.01, false},
		{"fresh", torchx.SGD{LR: 0.1}, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var values [2][]float64
			var metrics [2][][]Metric
			for i, accumulate := range []int{1, 3} {
				var m *gan
				o := options(func(g *gan) {
					m = g
					reconstruct(g)
					g.phases[0].Fresh, g.phases[0].Repeat = test.fresh, 2
				})
				o.Optimizers = map[string]torchx.OptimizerOptions{"generator": test.optimizer}
				o.BatchSize, o.Accumulate, o.ClipNorm = 12/accumulate, accumulate, test.clip
				tr := newTrainer(t, o)
				metrics[i] = iterate(t, tr, 5)
				err := tr.Do(func() error {
					for _, p := range torchx.Parameters(m.generator) {
						values[i] = append(values[i], torchx.Float64s(p)...)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			for i, want := range values[0] {
				if got := values[1][i]; math.Abs(got-want) > 1e-6 {
					t.Fatalf("parameter %d is %.9g, expected %.9g", i, got, want)
				}
			}
			for i := range metrics[0] {
				for j, want := range metrics[0][i] {
					if got := metrics[1][i][j]; got.Name != want.Name || math.Abs(got.Value-want.Value) > 1e-5 {
						t.Errorf("metrics are %v, expected %v", metrics[1][i], metrics[0][i])
					}
				}
			}
		})
	}
}

func TestMinibatchesOfAccumulation(t *testing.T) {
	seen := map[string][]string{} // minibatches, by phase
	fakes, clips := 0, 0
	o := options(func(m *gan) {
		for i := range m.phases {
			p := &m.phases[i]
			p.Loss = func(s *Step) torch.Tensor {
				if first, second := s.Batch(), s.Batch(); first != second {
					t.Error("a second call of Batch gives another batch")
				}
				seen[p.Name] = append(seen[p.Name], fmt.Sprint(torchx.Float32s(s.Batch().Images)))
				fake := s.Once("fake", func() torch.Tensor { fakes++; return m.fake(s) }, "generator")
				if got := torchx.RequiresGrad(fake); got != (p.Name == "generator") {
					t.Errorf("phase %s: gradients flow to the shared value: %v", p.Name, got)
				}
				return torchx.Mean(m.critic.Forward(fake))
			}
		}
		m.phases[0].After = func() { clips++ }
		again := m.phases[1]
		again.Name, again.Updates, again.After = "again", []string{"critic"}, nil
		again.Loss = func(s *Step) torch.Tensor {
			seen["again"] = append(seen["again"], fmt.Sprint(torchx.Float32s(s.Batch().Images)))
			return torchx.Mean(m.critic.Forward(s.Batch().Images))
		}
		m.phases = append(m.phases, again)
	})
	o.Accumulate, o.Dataset = 3, stripes(36) // an iteration takes 9 minibatches of 4
	tr := newTrainer(t, o)
	iterate(t, tr, 1)
	if got := tr.loader.Consumed(); got != 9 {
		t.Errorf("%d minibatches were taken, expected 3 for each of two fresh repeats and 3 for the others", got)
	}
	if len(seen["critic"]) != 6 || len(seen["generator"]) != 3 || !slices.Equal(seen["generator"], seen["again"]) {
		t.Errorf("minibatches are %v", seen)
	}
	different := map[string]bool{}
	for _, batch := range append(seen["critic"], seen["generator"]...) {
		different[batch] = true
	}
	if len(different) != 9 {
		t.Errorf("%d different minibatches, expected 9", len(different))
	}
	if fakes != 3 || clips != 2 {
		t.Errorf("the shared value was made %d times and After called %d times, expected 3 and 2", fakes, clips)
	}
}

func TestMetricsOfAccumulation(t *testing.T) {
	calls := 0.0
	number := func(v float64) torch.Tensor { return torchx.Full(v, torch.Double, "cpu") }
	o := options(func(m *gan) {
		m.phases = m.phases[:1]
		m.phases[0].Loss = func(s *Step) torch.Tensor {
			calls++ // 4 to 6 in the last repeat
			s.Log("count", number(-1))
			s.Log("count", number(calls))
			if calls == 5 {
				s.Log("rare", number(7))
			}
			return torchx.AddScalar(torchx.MulScalar(torchx.Mean(m.critic.Forward(m.fake(s))), 0), calls)
		}
	})
	o.Accumulate = 3
	got := iterate(t, newTrainer(t, o), 1)[0]
	if want := []Metric{{"critic/loss", 5}, {"critic/count", 5}, {"critic/rare", 7}, {"critic/grad_norm", 0}}; !slices.Equal(got, want) {
		t.Errorf("logged %v, expected %v", got, want)
	}
}

// A loss that depends on a network in one minibatch of two moves it by half of that.
func TestAccumulationOfAbsentGradients(t *testing.T) {
	for _, depends := range []int{0, 1} {
		var m *gan
		o := options(func(g *gan) {
			m = g
			calls := 0
			g.phases = []Phase{{Name: "both", Updates: []string{"generator", "critic"}, Loss: func(s *Step) torch.Tensor {
				calls++
				if calls == depends+1 {
					return pull(g.generator)(s)
				}
				return pull(g.critic)(s)
			}}}
		})
		for name := range o.Optimizers {
			o.Optimizers[name] = torchx.SGD{LR: 1}
		}
		o.Accumulate = 2
		tr := newTrainer(t, o)
		first := func() (values []float64) {
			if err := tr.Do(func() error {
				values = []float64{parameter(m.generator)[0], parameter(m.critic)[0]}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return values
		}
		before := first()
		iterate(t, tr, 1)
		for i, now := range first() {
			if math.Abs(before[i]-now-0.5) > 1e-6 {
				t.Errorf("network %d has moved by %g, expected 0.5", i, before[i]-now)
			}
		}
	}
}

func TestErrorInALaterMinibatch(t *testing.T) {
	calls := 0
	o := options(func(m *gan) {
		loss := m.phases[0].Loss
		m.phases[0].Loss = func(s *Step) torch.Tensor {
			if calls++; calls == 8 { // of the second iteration's six
				return torchx.MulScalar(loss(s), math.NaN())
			}
			return loss(s)
		}
	})
	o.Accumulate = 3
	tr := newTrainer(t, o)
	iterate(t, tr, 1)
	noGarbage(t)
	before, live := weights(t, tr), torchx.LiveTensors()
	if err := tr.Iterate(1, nil); !errors.Is(err, ErrDiverged) {
		t.Errorf("error is %v, expected %v", err, ErrDiverged)
	}
	if after := weights(t, tr); after["critic"] != before["critic"] {
		t.Error("the critic has stepped")
	}
	if got := torchx.LiveTensors(); got != live {
		t.Errorf("%d live tensors after the error, %d before", got, live)
	}
}

// everything is options with all that training can do turned on, and a critic of layers with spectral norms.
func everything() Options {
	o := options(func(m *gan) {
		for i, layer := range m.critic.Layers {
			if linear, ok := layer.(*torchx.LinearLayer); ok {
				m.critic.Layers[i] = torchx.NewSpectralNorm(linear)
			}
		}
	})
	o.Accumulate, o.EMA, o.ClipNorm = 2, 0.9, 0.1
	o.Schedule, o.Warmup, o.DecayUntil, o.FinalLR = "cosine", 3, 10, 0.1
	return o
}

func TestResumeWithAllOptionsIsExact(t *testing.T) {
	whole := everything()
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	for _, stops := range [][]int{{7}, {5}, {1, 2, 11}} {
		o := everything()
		o.Dir = filepath.Join(inMemory(t), fmt.Sprint(stops))
		for _, at := range stops {
			run(t, o, at)
			o.Resume = true
		}
		if r := run(t, o, 0); r.events[0] != fmt.Sprint("started ", stops[len(stops)-1]) {
			t.Errorf("events of the resumed run are %v", r.events)
		}
		sameRun(t, whole.Dir, o.Dir)
		const averages = "checkpoints/latest/generator_ema.safetensors"
		if read(t, whole.Dir, averages) != read(t, o.Dir, averages) {
			t.Errorf("%s differs", averages)
		}
	}
	if read(t, whole.Dir, "checkpoints/latest/generator_ema.safetensors") == read(t, whole.Dir, "checkpoints/latest/generator.safetensors") {
		t.Error("the averages are the weights")
	}
}

func TestLiveTensorsStayConstantWithAllOptions(t *testing.T) {
	o := everything()
	tr := newTrainer(t, o)
	noGarbage(t)
	var live []int
	if err := tr.Iterate(20, func(int, []Metric) { live = append(live, torchx.LiveTensors()) }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := tr.DryRun(); err != nil {
			t.Fatal(err)
		}
		live = append(live, torchx.LiveTensors())
	}
	for i, n := range live {
		if n != live[0] {
			t.Fatalf("%d live tensors after iteration %d, %d after the first", n, i+1, live[0])
		}
	}
}
