package trainer

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
)

// poisoned makes the critic's loss NaN where now says so.
func poisoned(now func(s *Step) bool) func(m *gan) {
	return func(m *gan) {
		m.phases[0].Loss = func(s *Step) torch.Tensor {
			loss := m.criticLoss(s)
			if now(s) {
				return torchx.MulScalar(loss, math.NaN())
			}
			return loss
		}
	}
}

// onceAt is true at an iteration, once.
func onceAt(iteration int) func(s *Step) bool {
	done := false
	return func(s *Step) bool {
		now := s.Iteration() == iteration && !done
		done = done || now
		return now
	}
}

func TestDiagnosis(t *testing.T) {
	var images []float32
	var latest int
	o := options(poisoned(func(s *Step) bool {
		images = torchx.Float32s(s.Batch().Images)
		return s.Iteration() == 8 && s.repeat == 2
	}))
	o.Dir = filepath.Join(inMemory(t), "run")
	o.Observer = &recorder{progress: func(p Progress) { latest = p.Iteration }}
	_, err := attempt(t, o)
	folder := filepath.Join(o.Dir, "diagnosis/00000008")
	if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "what it worked on is in "+folder+"; a run with on_divergence rollback") ||
		!strings.Contains(err.Error(), "iteration 8: phase critic: training diverged: the loss is NaN") || latest != 7 {
		t.Fatalf("after iteration %d: %v", latest, err)
	}
	if got := checkpoints(t, o.Dir); got != "5 latest=5" {
		t.Errorf("got %s: the state of no finished iteration was saved", got)
	}

	var r struct {
		Iteration, Repeat, Minibatch int
		Phase                        string
		Losses                       []struct {
			Phase  string
			Repeat int
			Loss   any
		}
		GradientNorms map[string]any     `json:"gradient_norms"`
		LearningRates map[string]float64 `json:"learning_rates"`
		Weights       map[string]struct {
			Largest   float64
			Parameter string
			NotFinite int `json:"not_finite"`
		}
		LastLogged struct {
			Iteration int
			Metrics   map[string]float64
		} `json:"last_logged"`
		Generators map[string]string
		Batches    int64
	}
	if err := json.Unmarshal([]byte(read(t, folder, "report.json")), &r); err != nil {
		t.Fatal(err)
	}
	if r.Iteration != 8 || r.Repeat != 2 || r.Minibatch != 1 || r.Phase != "critic" || r.GradientNorms["critic"] != "NaN" ||
		len(r.Losses) != 2 || r.Losses[1].Loss != "NaN" || r.Losses[1].Repeat != 2 ||
		r.LearningRates["generator"] != 1e-2 || r.LearningRates["critic"] != 1e-2 ||
		r.Weights["critic"].Largest > 0.1001 || r.Weights["critic"].Parameter == "" || r.Weights["critic"].NotFinite != 0 ||
		r.LastLogged.Iteration != 7 || len(r.LastLogged.Metrics) != 5 {
		t.Errorf("the report is %+v", r)
	}
	if _, ok := r.Losses[0].Loss.(float64); !ok {
		t.Errorf("the first loss is %v, expected a number", r.Losses[0].Loss)
	}

	// The iteration can be done again: its generators and position in the data are those of a checkpoint before it.
	before := options(nil)
	before.Dir = filepath.Join(inMemory(t), "before")
	run(t, before, 7)
	var state struct {
		Generators map[string]string
		Batches    int64
	}
	if err := json.Unmarshal([]byte(read(t, before.Dir, "checkpoints/latest/state.json")), &state); err != nil {
		t.Fatal(err)
	}
	if _, err := base64.StdEncoding.DecodeString(r.Generators["cpu"]); err != nil || !reflect.DeepEqual(r.Generators, state.Generators) || r.Batches != state.Batches {
		t.Errorf("generators or batches, %d, are not those before the iteration, %d", r.Batches, state.Batches)
	}

	batch, _, err := safetensors.ReadFile(filepath.Join(folder, "batch.safetensors"))
	if err != nil || len(batch) != 2 || batch[0].Name != "images" || batch[1].Name != "labels" {
		t.Fatalf("the batch is %v, %v", batch, err)
	}
	torchx.Scoped(func() {
		saved := torchx.Float32s(torchx.FromBytes(batch[0].Data, torch.Float, batch[0].Shape...))
		if fmt.Sprint(saved) != fmt.Sprint(images) {
			t.Error("the batch is another one than the phase worked on")
		}
	})
	f, err := os.Open(filepath.Join(folder, "batch.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() != 2*66+2 {
		t.Errorf("the picture is %v, %v", img.Bounds(), err)
	}
}

// TestDivergenceOnAGPU: a loss that is looked at late is that of the same iteration, with its minibatch, and the run goes back
// as from any other.
func TestDivergenceOnAGPU(t *testing.T) {
	for _, phase := range []string{"critic", "generator"} {
		t.Run(phase, func(t *testing.T) {
			var images []float32
			now := onceAt(8)
			o := options(func(m *gan) {
				for i := range m.phases {
					loss := m.phases[i].Loss
					m.phases[i].Fresh = false
					m.phases[i].Loss = func(s *Step) torch.Tensor {
						l := loss(s)
						if m.phases[i].Name != phase || !now(s) {
							return l
						}
						images = torchx.Float32s(s.Batch().Images)
						return torchx.MulScalar(l, math.NaN())
					}
				}
			})
			o.Dir, o.OnDivergence, o.LogEvery, o.Accumulate = filepath.Join(inMemory(t), "run"), divergenceRollback, 100, 2
			r := &recorder{}
			o.Observer = r
			tr := newTrainer(t, o)
			tr.runsAhead = true
			if err := tr.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(o.Dir, "diagnosis/00000008")
			want := fmt.Sprintf("iteration 8: phase %s: training diverged: the loss is NaN, expected a finite number", phase)
			if w := warned(r); len(w) != 1 || !strings.HasPrefix(w[0], want) || !strings.Contains(w[0], folder) || !strings.Contains(w[0], "the run goes on from iteration 5 ") {
				t.Errorf("warnings are %q", w)
			}
			if report := read(t, folder, "report.json"); !strings.Contains(report, fmt.Sprintf("\"phase\": %q", phase)) {
				t.Errorf("the report is %s", report)
			}
			batch, _, err := safetensors.ReadFile(filepath.Join(folder, "batch.safetensors"))
			if err != nil || len(batch) == 0 {
				t.Fatalf("the batch is %v, %v", batch, err)
			}
			torchx.Scoped(func() {
				if saved := torchx.Float32s(torchx.FromBytes(batch[0].Data, torch.Float, batch[0].Shape...)); fmt.Sprint(saved) != fmt.Sprint(images) {
					t.Error("the batch is another one than the phase worked on")
				}
			})
			if got := checkpoints(t, o.Dir); got != "5 10 12 latest=12" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestLateLossesAreFreed, and change nothing.
func TestLateLossesAreFreed(t *testing.T) {
	var all [2]map[string]string
	for i, late := range []bool{false, true} {
		tr := newTrainer(t, everything())
		tr.runsAhead = late
		noGarbage(t)
		live := 0
		for n := range 6 {
			if err := tr.Iterate(1, nil); err != nil {
				t.Fatal(err)
			}
			if now := torchx.LiveTensors(); n > 0 && now != live {
				t.Errorf("late %v: %d live tensors after iteration %d, %d before", late, now, n+1, live)
			}
			live = torchx.LiveTensors()
		}
		all[i] = weights(t, tr)
	}
	if !reflect.DeepEqual(all[0], all[1]) {
		t.Error("looking late at losses changed training")
	}
}

// TestLastLoggedOfAResumedRun: a diagnosis tells the losses that the process before has logged, without what previews measured.
func TestLastLoggedOfAResumedRun(t *testing.T) {
	var reports [2]string
	for i, stop := range []int{0, 5} {
		o := options(poisoned(func(s *Step) bool { return s.Iteration() == 6 }))
		build := o.Build
		o.Build = func() (Model, error) {
			m, err := build()
			m.(*gan).draw = func(p *Preview) error { p.Log("score", 1); return nil }
			return m, err
		}
		o.Dir, o.LogEvery, o.PreviewEvery = filepath.Join(inMemory(t), "run"), 3, 5
		if stop > 0 {
			run(t, o, stop)
			o.Resume = true
		}
		if _, err := attempt(t, o); !errors.Is(err, ErrDiverged) {
			t.Fatal(err)
		}
		reports[i] = read(t, o.Dir, "diagnosis/00000006/report.json")
	}
	if !strings.Contains(reports[0], `"last_logged": {
    "iteration": 3,
    "metrics": {
      "critic/grad_norm": `) || reports[0] != reports[1] {
		t.Errorf("the reports differ, or lack the losses of iteration 3:\n%s\n%s", reports[0], reports[1])
	}
}

func TestDiagnosisIsAnExtra(t *testing.T) {
	o := options(poisoned(onceAt(8)))
	o.Dir = filepath.Join(inMemory(t), "run")
	o.Observer = &recorder{progress: func(p Progress) {
		if p.Iteration == 1 {
			_ = os.WriteFile(filepath.Join(o.Dir, "diagnosis"), nil, 0o666) // in the way
		}
	}}
	r, err := attempt(t, o)
	if !errors.Is(err, ErrDiverged) || strings.Contains(err.Error(), "worked on") {
		t.Errorf("error is %v", err)
	}
	if w := warned(r); len(w) != 1 || !strings.Contains(w[0], "there is no diagnosis of the divergence") {
		t.Errorf("warnings are %q", w)
	}
}

// TestGradientsThatAreNaN: a loss may be finite and its gradients not.
func TestGradientsThatAreNaN(t *testing.T) {
	for _, test := range []struct {
		name          string
		log, save, at int
		want, saved   string
	}{
		{"logged", 1, 5, 7, "iteration 7: phase generator: training diverged: gradients of generator are NaN", "5 latest=5"},
		{"not logged", 100, 5, 7, "iteration 8: phase critic: training diverged: the loss is NaN", "5 latest=5"},
		{"saved", 100, 5, 10, "iteration 10: training diverged: weights of generator are not finite", "5 latest=5"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(func(m *gan) {
				m.phases[1].Loss = func(s *Step) torch.Tensor {
					loss := m.generatorLoss(s)
					if s.Iteration() == test.at { // the root's derivative at 0 is infinite, times 0
						zero := torchx.MulScalar(torchx.Sum(torchx.Parameters(m.generator)[0]), 0)
						loss = torchx.Add(loss, torchx.Sqrt(torchx.Mul(zero, zero)))
					}
					return loss
				}
			})
			o.Dir, o.LogEvery, o.PreviewEvery, o.CheckpointEvery = filepath.Join(inMemory(t), "run"), test.log, 0, test.save
			_, err := attempt(t, o)
			if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected %s", err, test.want)
			}
			if got := checkpoints(t, o.Dir); got != test.saved {
				t.Errorf("got %s, expected %s", got, test.saved)
			}
		})
	}
}

// TestHugeGradient: one whose square overflows leaves an optimiser that never moves the weight again, and no loss tells.
func TestHugeGradient(t *testing.T) {
	o := options(func(m *gan) {
		m.phases[1].Loss = func(s *Step) torch.Tensor {
			loss := m.generatorLoss(s)
			if s.Iteration() == 7 {
				loss = torchx.Add(loss, torchx.MulScalar(torchx.Sum(torchx.Parameters(m.generator)[0]), 1e21))
			}
			return loss
		}
	})
	o.Dir = filepath.Join(inMemory(t), "run")
	_, err := attempt(t, o)
	if want := "iteration 10: training diverged: the optimiser's averages for generator are not finite numbers any more: 0.weight.exp_avg_sq"; !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, expected %s", err, want)
	}
	if got := checkpoints(t, o.Dir); got != "5 latest=5" {
		t.Errorf("got %s", got)
	}
}

// iterations lists those of metrics.jsonl.
func iterations(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	for line := range strings.Lines(read(t, dir, "metrics.jsonl")) {
		all = append(all, strings.TrimPrefix(line[:strings.Index(line, ",")], `{"iteration":`))
	}
	return strings.Join(all, " ")
}

const allTwelve = "1 2 3 4 5 6 7 8 9 10 11 12"

func TestRollback(t *testing.T) {
	clean := options(nil)
	clean.Dir = filepath.Join(inMemory(t), "clean")
	run(t, clean, 0)
	for _, test := range []struct {
		at, to int
		stops  []int
	}{{8, 5, []int{6, 11}}, {11, 10, nil}, {3, 0, []int{1}}} {
		t.Run(fmt.Sprint(test.at), func(t *testing.T) {
			o := options(poisoned(onceAt(test.at)))
			o.Dir, o.OnDivergence, o.EMA = filepath.Join(inMemory(t), "run"), "rollback", 0.9
			r := run(t, o, 0)
			w := warned(r)
			if len(w) != 1 || !strings.Contains(w[0], fmt.Sprintf("iteration %d: phase critic: training diverged", test.at)) ||
				!strings.Contains(w[0], fmt.Sprintf("the run goes on from iteration %d with other noise and another order (rollback 1 of 3)", test.to)) ||
				!strings.Contains(w[0], fmt.Sprintf("diagnosis/%08d", test.at)) {
				t.Errorf("warnings are %q", w)
			}
			if got := iterations(t, o.Dir); got != allTwelve {
				t.Errorf("logged %s", got)
			}
			sameAsMetrics(t, o.Dir)
			was, is := strings.Split(read(t, clean.Dir, "metrics.jsonl"), "\n"), strings.Split(read(t, o.Dir, "metrics.jsonl"), "\n")
			for i := range 12 {
				if (was[i] == is[i]) != (i < test.to) {
					t.Errorf("line %d is as without divergence: %v, went back to %d", i+1, was[i] == is[i], test.to)
				}
			}
			if got, want := checkpoints(t, o.Dir), "5 10 12 latest=12"; got != want {
				t.Errorf("got %s, expected %s", got, want)
			}
			if !strings.Contains(read(t, o.Dir, "checkpoints/latest/state.json"), `"rollbacks": 1`) {
				t.Error("the checkpoint does not say how often the run went back")
			}

			// The same again, and interrupted behind the rollback, before the next checkpoint and behind it.
			for _, stop := range test.stops {
				again := options(poisoned(onceAt(test.at)))
				again.Dir, again.OnDivergence, again.EMA = filepath.Join(inMemory(t), fmt.Sprint("again", stop)), "rollback", 0.9
				passed := false
				r := &recorder{}
				again.Observer = r
				tr := newTrainer(t, again)
				ctx, cancel := context.WithCancel(t.Context())
				r.progress = func(p Progress) {
					passed = passed || len(warned(r)) > 0
					if passed && p.Iteration == stop {
						cancel()
					}
				}
				if err := tr.Run(ctx); !errors.Is(err, ErrInterrupted) {
					t.Fatal(err)
				}
				tr.Close()
				again.Observer, again.Resume, again.Build = nil, true, clean.Build
				run(t, again, 0)
				sameRun(t, o.Dir, again.Dir)
			}
		})
	}
}

// TestRollbackAfterAKill: a run that is killed between a rollback and the next checkpoint does the rollback again.
func TestRollbackAfterAKill(t *testing.T) {
	change := poisoned(func(s *Step) bool { return s.Iteration() == 8 && s.t.rollbacks == 0 })
	o := options(change)
	o.Dir, o.OnDivergence = filepath.Join(inMemory(t), "run"), "rollback"
	run(t, o, 0)
	killed := o
	killed.Dir = filepath.Join(inMemory(t), "killed")
	run(t, killed, 9)
	if got := checkpoints(t, killed.Dir); got != "5 9 latest=9" {
		t.Errorf("got %s", got)
	}
	latest := filepath.Join(killed.Dir, "checkpoints/latest")
	if err := errors.Join(os.RemoveAll(filepath.Join(killed.Dir, "checkpoints/00000009")), os.Remove(latest), os.Symlink("00000005", latest)); err != nil {
		t.Fatal(err)
	}
	killed.Resume = true
	run(t, killed, 0)
	sameRun(t, o.Dir, killed.Dir)
}

// TestRollbackTakesAnyCheckpoint: the newest of checkpoint_every that can be read, else the newest of the others, and fresh
// weights only where there is none.
func TestRollbackTakesAnyCheckpoint(t *testing.T) {
	for _, test := range []struct {
		name    string
		change  func(o *Options) // before the run is resumed at 7
		damaged []int            // checkpoints that cannot be read then
		to      string           // "": it ends
		left    string           // in the folder
	}{
		{"interrupted", func(*Options) {}, nil, "from iteration 5 ", "5 10 12 latest=12"},
		{"another checkpoint_every", func(o *Options) { o.CheckpointEvery = 100 }, nil, "from iteration 7 ", "5 7 12 latest=12"},
		{"by the clock", func(o *Options) { o.CheckpointMinutes = 1e-9 }, nil, "from iteration 5 ", "5 6 7 8 9 10 11 12 latest=12"},
		{"by the clock alone", func(o *Options) { o.CheckpointEvery, o.CheckpointMinutes = 0, 1e-9 }, nil, "from iteration 8 ", "5 7 8 9 10 11 12 latest=12"},
		{"few are kept", func(o *Options) { o.CheckpointMinutes, o.KeepCheckpoints = 1e-9, 1 }, nil, "from iteration 5 ", "10 12 latest=12"},
		{"damaged", func(*Options) {}, []int{5}, "from iteration 7 ", "5 7 10 12 latest=12"},
		{"all damaged", func(*Options) {}, []int{5, 7}, "", "5 7 latest=7"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var dir string
			o := options(poisoned(onceAt(9)))
			dir = filepath.Join(inMemory(t), "run")
			o.Dir, o.OnDivergence = dir, "rollback"
			run(t, o, 7)
			o.Resume = true
			test.change(&o)
			o.Observer = &recorder{progress: func(p Progress) {
				if p.Iteration != 8 {
					return
				}
				for _, n := range test.damaged {
					if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("checkpoints/%08d/critic.safetensors", n)), nil, 0o666); err != nil {
						t.Error(err)
					}
				}
				test.damaged = nil
			}}
			r, err := attempt(t, o)
			if test.to == "" {
				if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "going back failed: none of the 2 checkpoints can be read") {
					t.Errorf("error is %v", err)
				}
			} else if err != nil || !strings.Contains(strings.Join(warned(r), "\n"), "the run goes on "+test.to) {
				t.Errorf("error is %v, warnings are %q", err, warned(r))
			} else if got := iterations(t, dir); got != allTwelve {
				t.Errorf("logged %s", got)
			}
			if got := checkpoints(t, dir); got != test.left {
				t.Errorf("got %s, expected %s", got, test.left)
			}
		})
	}
}

// TestRollbackOfAnInterruptedRun: where a run goes back to does not depend on when it was interrupted, or on the clock.
func TestRollbackOfAnInterruptedRun(t *testing.T) {
	settings := func(name string) Options {
		o := options(poisoned(onceAt(9)))
		o.Dir, o.OnDivergence = filepath.Join(inMemory(t), name), "rollback"
		return o
	}
	whole := settings("whole")
	run(t, whole, 0)
	for name, minutes := range map[string]float64{"interrupted": 0, "by the clock": 1e-9} {
		o := settings(name)
		o.CheckpointMinutes = minutes
		run(t, o, 7)
		o.Resume = true
		run(t, o, 0)
		sameRun(t, whole.Dir, o.Dir)
	}
}

func TestTooManyRollbacks(t *testing.T) {
	o := options(poisoned(func(s *Step) bool { return s.Iteration() >= 8 }))
	o.Dir, o.OnDivergence, o.MaxRollbacks = filepath.Join(inMemory(t), "run"), "rollback", 2
	r, err := attempt(t, o)
	if !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "the run went back 2 times, as often as max_rollbacks allows") {
		t.Errorf("error is %v", err)
	}
	if w := warned(r); len(w) != 2 {
		t.Errorf("warnings are %q", w)
	}
	for _, name := range []string{"00000008", "00000008-rollback1", "00000008-rollback2"} {
		if _, err := os.Stat(filepath.Join(o.Dir, "diagnosis", name, "report.json")); err != nil {
			t.Error(err)
		}
	}
	if got := iterations(t, o.Dir) + ", " + checkpoints(t, o.Dir); got != "1 2 3 4 5 6 7, 5 latest=5" {
		t.Errorf("got %s", got)
	}
}

// shrinking is a dataset that loses its samples.
type shrinking struct {
	stripes
	empty *bool
}

func (d shrinking) Len() int {
	if *d.empty {
		return 0
	}
	return d.stripes.Len()
}

// TestFailedRollback: a trainer that could not go back does nothing more, and saves nothing.
func TestFailedRollback(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(o *Options, empty *bool)
		want string // how the error ends
	}{
		{"no samples", func(_ *Options, empty *bool) { *empty = true }, "expected at least one sample"},
		{"no memory", func(o *Options, _ *bool) { o.Build = func() (Model, error) { grow(); return nil, nil } },
			"or end what else takes memory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			empty := false
			var tr *Trainer
			o := options(poisoned(onceAt(3)))
			o.Dir, o.OnDivergence, o.Dataset = filepath.Join(inMemory(t), "run"), divergenceRollback, shrinking{10, &empty}
			o.Observer = &recorder{progress: func(p Progress) {
				if p.Iteration == 2 {
					test.fail(&tr.Options, &empty)
				}
			}}
			tr = newTrainer(t, o)
			if err := tr.Run(t.Context()); !errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), "; and going back failed: ") || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error is %v, expected %s", err, test.want)
			}
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			for _, ctx := range []context.Context{t.Context(), ended} {
				if err := tr.Run(ctx); err == nil || !strings.HasPrefix(err.Error(), "the trainer cannot go on after an error: ") {
					t.Errorf("error is %v", err)
				}
			}
			if got := checkpoints(t, o.Dir); got != "" {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestRefusedFailureKeys(t *testing.T) {
	c := DefaultConfig()
	c.KeepBestMode, c.OnSaveError, c.OnDivergence, c.MaxRollbacks, c.CheckpointMinutes = "high", "panic", "hope", -1, -2
	err := c.Check()
	for _, want := range []string{
		`keep_best_mode is "high", expected min or max`, `on_save_error is "panic", expected stop or continue`,
		`on_divergence is "hope", expected stop or rollback`, "max_rollbacks is -1", "checkpoint_minutes is -2",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, expected %s", err, want)
		}
	}
	c = DefaultConfig()
	c.OnDivergence, c.CheckpointEvery = "rollback", 0
	if err := c.Check(); err != nil { // there are those of the clock
		t.Errorf("error is %v", err)
	}
	c.CheckpointMinutes = 0
	if err := c.Check(); err == nil || !strings.Contains(err.Error(), "checkpoint_every and checkpoint_minutes are 0, expected one above 0 with on_divergence rollback") {
		t.Errorf("error is %v", err)
	}
}

func TestOutOfMemory(t *testing.T) {
	for name, grow := range map[string]func(m *gan, s *Step) torch.Tensor{
		"fresh":     func(*gan, *Step) torch.Tensor { return torchx.Full(1, torch.Float, "cpu", 1<<48) },
		"of others": func(_ *gan, s *Step) torch.Tensor { return torchx.Exp(torchx.Expand(s.Normal(1), 1<<48)) },
	} {
		o := options(func(m *gan) {
			m.phases[1].Loss = func(s *Step) torch.Tensor {
				if s.Iteration() == 3 {
					return torchx.Mean(grow(m, s))
				}
				return m.generatorLoss(s)
			}
		})
		err := newTrainer(t, o).Run(t.Context())
		if !errors.Is(err, ErrOutOfMemory) {
			t.Errorf("%s: error is %v", name, err)
			continue
		}
		for _, want := range []string{"iteration 3", "phase generator", "out of memory on cpu", "it needs 1125899906842624 bytes", "minibatches of 4 images of 1x8x8", "a smaller train.batch_size, with train.accumulate"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v, expected %s", name, err, want)
			}
		}
		if name == "of others" && !strings.Contains(err.Error(), "exp of [281474976710656]") {
			t.Errorf("error is %v", err)
		}
		t.Log(err)
	}
}

// TestHugeWeights: weights whose norm overflows are finite, and buffers are looked at like weights.
func TestHugeWeights(t *testing.T) {
	for _, test := range []struct {
		value float64
		want  string
	}{{3e38, ""}, {-3e38, ""}, {math.Inf(-1), "weights of critic are not finite numbers any more: norm.running_var"}, {math.NaN(), "norm.running_var"}} {
		tr := newTrainer(t, options(nil))
		err := tr.Do(func() error {
			n := tr.network("critic")
			n.Module = huge{n.Module, torchx.Full(test.value, torch.Float, "cpu", 3)}
			return tr.checkWeights()
		})
		if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, ErrDiverged) || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%g: error is %v, expected %q", test.value, err, test.want)
		}
	}
}

// huge has another buffer.
type huge struct {
	torchx.Module
	values torch.Tensor
}

func (m huge) State() []torchx.Entry {
	return append(m.Module.State(), torchx.Entry{Name: "norm.running_var", Tensor: m.values, Buffer: true},
		torchx.Entry{Name: "norm.num_batches_tracked", Tensor: torchx.FromInt64([]int64{math.MaxInt64}), Buffer: true})
}

// TestDivergenceAndFailedSave: a run that ends by both tells of both.
func TestDivergenceAndFailedSave(t *testing.T) {
	o := options(nil)
	o.Dir, o.OnDivergence, o.OnSaveError = filepath.Join(inMemory(t), "run"), "rollback", "stop"
	tr := newTrainer(t, o)
	defer tr.Close()
	failure := errors.New("no more")
	err := tr.Do(func() error {
		tr.saving = &saving{iteration: 5, done: make(chan error, 1)}
		tr.saving.done <- failure
		recovered, err := tr.recovers(&divergence{reason: "the loss is NaN", iteration: 6})
		if recovered {
			t.Error("the run went on")
		}
		return err
	})
	if !errors.Is(err, ErrDiverged) || !errors.Is(err, failure) {
		t.Errorf("error is %v", err)
	}
}
