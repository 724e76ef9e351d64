package trainer

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

func TestPhaseChangesOnlyWhatItNames(t *testing.T) {
	for _, only := range []string{"critic", "generator"} {
		tr := newTrainer(t, options(func(m *gan) {
			m.phases = slices.DeleteFunc(m.phases, func(p Phase) bool { return p.Name != only })
		}))
		before := weights(t, tr)
		iterate(t, tr, 2)
		for name, was := range before {
			if changed := weights(t, tr)[name] != was; changed != (name == only) {
				t.Errorf("phase %s: network %s changed is %v", only, name, changed)
			}
		}
	}
}

func TestBatchesAndRepeats(t *testing.T) {
	for _, test := range []struct {
		name            string
		repeat          int
		fresh           bool
		calls           int
		batches, differ int // consumed in an iteration; different ones seen
	}{
		{"once", 0, false, 1, 1, 1},
		{"shared", 3, false, 3, 1, 1},
		{"fresh", 3, true, 3, 3, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls, clips := 0, 0
			seen := map[string]bool{}
			tr := newTrainer(t, options(func(m *gan) {
				critic := m.phases[0]
				critic.Repeat, critic.Fresh = test.repeat, test.fresh
				critic.Loss = func(s *Step) torch.Tensor {
					calls++
					first, second := s.Batch(), s.Batch()
					if first != second {
						t.Error("a second call of Batch gives another batch")
					}
					if got := torchx.Shape(first.Images); !slices.Equal(got, []int64{4, 1, 8, 8}) || s.BatchSize() != 4 {
						t.Errorf("images have shape %v, batch size is %d", got, s.BatchSize())
					}
					if got := torchx.Shape(first.Labels); !slices.Equal(got, []int64{4}) {
						t.Errorf("labels have shape %v", got)
					}
					seen[fmt.Sprint(torchx.Float32s(first.Images))] = true
					return m.criticLoss(s)
				}
				critic.After = func() { clips++; m.clip() }
				m.phases = []Phase{critic}
			}))
			iterate(t, tr, 1)
			if got := int(tr.loader.Consumed()); calls != test.calls || got != test.batches || len(seen) != test.differ {
				t.Errorf("%d calls, %d batches, %d of them different; expected %d, %d, %d",
					calls, got, len(seen), test.calls, test.batches, test.differ)
			}
			if clips != calls {
				t.Errorf("After was called %d times for %d steps", clips, calls)
			}
		})
	}
}

func TestPhasesShareTheMinibatch(t *testing.T) {
	var seen []string
	tr := newTrainer(t, options(func(m *gan) {
		for i := range m.phases {
			loss := m.phases[i].Loss
			m.phases[i].Repeat, m.phases[i].Fresh = 1, false
			m.phases[i].Loss = func(s *Step) torch.Tensor {
				seen = append(seen, fmt.Sprint(torchx.Float32s(s.Batch().Images)))
				return loss(s)
			}
		}
	}))
	iterate(t, tr, 2)
	if len(seen) != 4 || seen[0] != seen[1] || seen[2] != seen[3] || seen[0] == seen[2] {
		t.Errorf("expected one minibatch for both phases of an iteration and another in the next: %v", seen)
	}
}

func TestOnce(t *testing.T) {
	type call struct {
		iteration int
		phase     string
		runs      int // of f until then
		attached  bool
	}
	for _, test := range []struct {
		name   string
		behind []string
		phases []string // updates of each, by a name of the networks
		want   []call
	}{
		{"serves both", []string{"generator"}, []string{"critic", "generator"},
			[]call{{1, "critic", 1, false}, {1, "generator", 1, true}, {2, "critic", 2, false}, {2, "generator", 2, true}}},
		{"void after the step", []string{"generator"}, []string{"generator", "critic"},
			[]call{{1, "generator", 1, true}, {1, "critic", 2, false}, {2, "generator", 3, true}, {2, "critic", 4, false}}},
		{"void at each repeat", []string{"generator"}, []string{"generator", "generator"},
			[]call{{1, "generator", 1, true}, {1, "generator", 2, true}, {2, "generator", 3, true}, {2, "generator", 4, true}}},
		{"of no network", nil, []string{"critic", "generator"},
			[]call{{1, "critic", 1, false}, {1, "generator", 1, false}, {2, "critic", 2, false}, {2, "generator", 2, false}}},
		{"of both", []string{"generator", "critic"}, []string{"critic", "generator"},
			[]call{{1, "critic", 1, true}, {1, "generator", 2, true}, {2, "critic", 3, true}, {2, "generator", 4, true}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			runs := 0
			var got []call
			tr := newTrainer(t, options(func(m *gan) {
				m.phases = nil
				for i, updates := range test.phases {
					m.phases = append(m.phases, Phase{
						Name: fmt.Sprint(i), Updates: []string{updates},
						Loss: func(s *Step) torch.Tensor {
							v := s.Once("value", func() torch.Tensor {
								runs++
								switch len(test.behind) {
								case 0:
									return s.Normal(4, 64)
								case 1:
									return m.fake(s)
								}
								return m.critic.Forward(m.fake(s))
							}, test.behind...)
							got = append(got, call{s.Iteration(), updates, runs, torchx.RequiresGrad(v)})
							// Something to train on whatever v is.
							return torchx.Add(torchx.Mean(v), torchx.Mean(m.critic.Forward(m.fake(s))))
						},
					})
				}
			}))
			iterate(t, tr, 2)
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}

func TestMetricsOfAnIteration(t *testing.T) {
	tr := newTrainer(t, options(nil))
	var names []string
	for _, m := range iterate(t, tr, 1)[0] {
		names = append(names, m.Name)
	}
	if want := []string{"critic/loss", "critic/real", "critic/grad_norm", "generator/loss", "generator/grad_norm"}; !slices.Equal(names, want) {
		t.Errorf("metrics are %v, expected %v", names, want)
	}
}

func TestRepeatedPhaseLogsTheLastRepeat(t *testing.T) {
	n := 0.0
	tr := newTrainer(t, options(func(m *gan) {
		m.phases[0].Repeat = 3
		m.phases[0].Loss = func(s *Step) torch.Tensor {
			n++
			s.Log("count", torchx.Full(-1, torch.Double, "cpu"))
			s.Log("count", torchx.Full(n, torch.Double, "cpu"))
			return m.criticLoss(s)
		}
	}))
	if got := iterate(t, tr, 1)[0][1]; got != (Metric{"critic/count", 3}) {
		t.Errorf("logged %v, expected critic/count 3", got)
	}
}

func TestSameSeedSameTrace(t *testing.T) {
	a, b := newTrainer(t, options(nil)), options(nil)
	first := iterate(t, a, 5)
	a.Close()
	second := iterate(t, newTrainer(t, b), 5)
	if !reflect.DeepEqual(first, second) {
		t.Errorf("the same seed gives %v, then %v", first, second)
	}
	b.Seed = 2
	if reflect.DeepEqual(first, iterate(t, newTrainer(t, b), 5)) {
		t.Error("another seed gives the same trace")
	}
}

// ramp is noise by a formula.
type ramp struct{ draws int }

func (r *ramp) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	r.draws++
	return torchx.Full((lo+hi)/2, torch.Float, "cpu", shape...)
}
func (r *ramp) Normal(shape ...int64) torch.Tensor { return r.Uniform(0, 0, shape...) }

func TestNoiseSource(t *testing.T) {
	o, noise := options(nil), &ramp{}
	o.Noise = noise
	iterate(t, newTrainer(t, o), 3)
	if noise.draws != 3 {
		t.Errorf("%d draws of noise in 3 iterations, expected 3", noise.draws)
	}
}

func TestErrorsOfAnIteration(t *testing.T) {
	for _, test := range []struct {
		name string
		loss func(m *gan, s *Step) torch.Tensor
		want string
		is   error
	}{
		{"no tensor", func(*gan, *Step) torch.Tensor { return torch.Tensor{} }, "no tensor", nil},
		{"not a scalar", func(m *gan, s *Step) torch.Tensor { return m.critic.Forward(m.fake(s)) }, "item", nil},
		{"shapes", func(m *gan, s *Step) torch.Tensor { return m.generator.Forward(s.Batch().Images) }, "linear", nil},
		{"unknown network", func(m *gan, s *Step) torch.Tensor {
			return s.Once("x", func() torch.Tensor { return m.fake(s) }, "encoder")
		}, `unknown network "encoder", expected generator, critic`, nil},
		{"reserved name", func(m *gan, s *Step) torch.Tensor { s.Log("loss", m.fake(s)); return m.criticLoss(s) }, `"loss" is not free`, nil},
		{"reserved name of what is observed", func(m *gan, s *Step) torch.Tensor {
			s.Observe("grad_norm_critic", func() torch.Tensor { return m.fake(s) })
			return m.criticLoss(s)
		}, `"grad_norm_critic" is not free`, nil},
		{"metric not a scalar", func(m *gan, s *Step) torch.Tensor { s.Log("fake", m.fake(s)); return m.criticLoss(s) }, "metric critic/fake", nil},
		{"nan", func(m *gan, s *Step) torch.Tensor { return torchx.MulScalar(m.criticLoss(s), math.NaN()) }, "the loss is NaN", ErrDiverged},
		{"inf", func(m *gan, s *Step) torch.Tensor { return torchx.AddScalar(m.criticLoss(s), math.Inf(1)) }, "the loss is +Inf", ErrDiverged},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newTrainer(t, options(func(m *gan) {
				m.phases = m.phases[:1]
				m.phases[0].Loss = func(s *Step) torch.Tensor {
					if s.Iteration() == 2 {
						return test.loss(m, s)
					}
					return m.criticLoss(s)
				}
			}))
			iterate(t, tr, 1)
			noGarbage(t)
			before, live := weights(t, tr), torchx.LiveTensors()
			err := tr.Iterate(1, func(int, []Metric) {})
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "iteration 2: ") {
				t.Errorf("error is %v, expected iteration 2 and %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
			if test.name != "metric not a scalar" && !reflect.DeepEqual(before, weights(t, tr)) {
				t.Error("the networks have stepped")
			}
			if got := torchx.LiveTensors(); got != live && test.name != "metric not a scalar" { // that one has stepped
				t.Errorf("%d live tensors after the error, %d before", got, live)
			}
			if again := tr.Iterate(1, nil); again == nil {
				t.Error("the trainer goes on after an error")
			}
		})
	}
}

func TestPanicsGoOnInTheCaller(t *testing.T) {
	tr := newTrainer(t, options(nil))
	func() {
		defer func() {
			r := recover()
			if r == nil || !strings.Contains(fmt.Sprint(r), "out of range") || !strings.Contains(fmt.Sprint(r), "phase_test.go") {
				t.Errorf("recovered %v, expected the panic with its origin", r)
			}
		}()
		_ = tr.Do(func() error { _ = []int{}[tr.BatchSize]; return nil })
	}()
	if err := tr.Do(func() error { panic(&torchx.Error{Op: "add", Message: "no"}) }); err == nil {
		t.Error("a tensor's panic is no error")
	}
	iterate(t, tr, 1) // the thread lives
}

func TestLiveTensorsStayConstant(t *testing.T) {
	tr := newTrainer(t, options(nil))
	noGarbage(t)
	var live []int
	err := tr.Iterate(20, func(int, []Metric) { live = append(live, torchx.LiveTensors()) })
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range live[2:] { // the first ones make the optimisers' state
		if n != live[1] {
			t.Fatalf("%d live tensors after iteration %d, %d after the second", n, i+3, live[1])
		}
	}
	if _, err := tr.DryRun(); err != nil {
		t.Fatal(err)
	}
	if got := torchx.LiveTensors(); got != live[1] {
		t.Errorf("%d live tensors after a preview, %d before", got, live[1])
	}
}
