package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

// sameFiles compares all that is in two runs' folders but wall-clock figures.
func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	contents := func(folder string) map[string]string {
		all := map[string]string{}
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			name := strings.TrimPrefix(path, folder)
			switch {
			case err != nil || d.IsDir():
				return err
			case d.Type()&fs.ModeSymlink != 0:
				all[name], err = os.Readlink(path)
				return err
			case d.Name() != "timing.jsonl" && d.Name() != "status.json" && !strings.HasPrefix(d.Name(), "events.out"):
				all[name] = read(t, path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	one, other := contents(a), contents(b)
	for name, bytes := range one {
		if other[name] != bytes && name != "/curves.png" { // whose title is the folder's
			t.Errorf("%s differs, or is missing", name)
		}
	}
	for name := range other {
		if _, ok := one[name]; !ok {
			t.Errorf("%s is too many", name)
		}
	}
	shown := func(folder string) string {
		all, err := tensorboardtest.Read(folder)
		if err != nil {
			t.Fatal(err)
		}
		steps := map[string][]int64{}
		for tag, points := range all {
			for _, p := range points {
				steps[tag] = append(steps[tag], p.Step)
			}
		}
		return fmt.Sprint(steps)
	}
	if shown(a) != shown(b) {
		t.Errorf("TensorBoard shows %s, expected %s", shown(b), shown(a))
	}
}

// TestOwedPreview: a run whose preview fails is saved, and goes on with that preview, as if it had never failed.
func TestOwedPreview(t *testing.T) {
	failure := errors.New("no more")
	failAt := 0
	settings := func(name string) Options {
		o := options(func(m *gan) {
			m.phases[1].Loss = func(s *Step) torch.Tensor {
				s.Log("odd", torchx.Full([]float64{math.NaN(), math.Inf(-1), 1. / 3}[s.Iteration()%3], torch.Double, "cpu"))
				return m.generatorLoss(s)
			}
			m.draw = func(p *Preview) error {
				images := m.images(m.generator.Forward(p.Uniform(-1, 1, 4, zDim)))
				p.Images("generated", images, 0)
				torchx.Normal(0, 1, "cpu", 3)
				switch p.t.iteration {
				case failAt:
					return failure
				case -failAt:
					torchx.Add(torchx.Full(0, torch.Float, "cpu", 2), torchx.Full(0, torch.Float, "cpu", 3))
				}
				p.Log("score", torchx.Item(torchx.Mean(images)))
				return nil
			}
		})
		o.Dir = filepath.Join(inMemory(t), name)
		o.EMA, o.LogEvery, o.PreviewEvery, o.KeepBest = 0.5, 2, 5, "train/score"
		return o
	}
	whole := settings("whole")
	run(t, whole, 0)
	for _, at := range []int{5, 10, 12, -10} { // not logged, logged, the last, a tensor's error
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			o := settings("run")
			n := max(at, -at)
			for range 2 { // it may fail again
				failAt = at
				r, err := attempt(t, o)
				if err == nil || at > 0 && !errors.Is(err, failure) || !strings.Contains(err.Error(), "preview: ") || len(warned(r)) > 0 {
					t.Fatalf("error is %v, warnings are %q", err, warned(r))
				}
				if got := checkpoints(t, o.Dir); !strings.Contains(got, fmt.Sprint("latest=", n)) || strings.Contains(got, fmt.Sprint("best=", n)) {
					t.Errorf("got %s", got)
				}
				if _, lines, _ := strings.Cut(read(t, o.Dir, "metrics.jsonl"), fmt.Sprintf(`{"iteration":%d,`, n)); lines != "" {
					t.Errorf("logged before its preview: %s", lines)
				}
				o.Resume = true
			}
			failAt = 0
			r := run(t, o, 0)
			if r.events[0] != fmt.Sprint("started ", n) || r.events[1] != "picture" {
				t.Errorf("events are %v", r.events)
			}
			sameFiles(t, whole.Dir, o.Dir)
		})
	}
	t.Run("logs twice", func(t *testing.T) {
		o := settings("run")
		build := o.Build
		o.Build = func() (Model, error) {
			m, err := build()
			draw := m.(*gan).draw
			m.(*gan).draw = func(p *Preview) error { p.Log("score", 1); return draw(p) }
			return m, err
		}
		if _, err := attempt(t, o); err == nil || !strings.Contains(err.Error(), "preview: metric train/score: the preview logs it a second time") {
			t.Errorf("error is %v", err)
		}
		o.Resume, o.Build = true, build
		run(t, o, 0)
		sameFiles(t, whole.Dir, o.Dir)
	})
	t.Run("killed once it is drawn", func(t *testing.T) {
		o := settings("run")
		failAt = 5
		if _, err := attempt(t, o); !errors.Is(err, failure) {
			t.Fatal(err)
		}
		before := filepath.Join(filepath.Dir(o.Dir), "before")
		if err := os.CopyFS(before, os.DirFS(filepath.Join(o.Dir, "checkpoints"))); err != nil {
			t.Fatal(err)
		}
		failAt, o.Resume = 0, true
		run(t, o, 5)
		if err := errors.Join(os.RemoveAll(filepath.Join(o.Dir, "checkpoints")), os.Rename(before, filepath.Join(o.Dir, "checkpoints"))); err != nil {
			t.Fatal(err)
		}
		run(t, o, 0)
		sameFiles(t, whole.Dir, o.Dir)
	})
	t.Run("of the same trainer", func(t *testing.T) {
		o := settings("run")
		failAt = 5
		tr := newTrainer(t, o)
		defer tr.Close()
		if err := tr.Run(t.Context()); !errors.Is(err, failure) {
			t.Fatal(err)
		}
		failAt = 0
		if err := tr.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, whole.Dir, o.Dir)
	})
	t.Run("is seen once", func(t *testing.T) {
		tr := newTrainer(t, settings("seen"))
		tr.iteration = windowStart + 100
		for _, failAt = range []int{tr.iteration, tr.iteration, 0} {
			err := tr.Do(func() error {
				return tr.conclude([]Metric{{"generator/" + Diversity, 0.5}}, false, newPace(0), time.Now())
			})
			if failed := errors.Is(err, failure); failed != (failAt > 0) {
				t.Fatal(err)
			}
		}
		if n := len(tr.health.collapse["generator"].window); n != 1 {
			t.Errorf("an iteration whose preview was tried three times counts %d times", n)
		}
	})
	t.Run("damaged", func(t *testing.T) {
		tr := newTrainer(t, options(nil))
		c := &rundir.Checkpoint{}
		c.State.Extra = map[string]json.RawMessage{owedKey: []byte(`{"metrics":[{"name":"a","value":"high"}]}`)}
		if err := tr.restoreOwed(c); err == nil || !strings.Contains(err.Error(), "what it says of its preview is damaged") {
			t.Errorf("error is %v", err)
		}
	})
}

// TestInterruptedPreview: who sends a signal does not wait for all that a preview measures; it is drawn when the run goes on.
func TestInterruptedPreview(t *testing.T) {
	interruptAt, reads := 0, 0
	var cancel context.CancelFunc
	settings := func(name string) Options {
		o := options(func(m *gan) {
			m.draw = func(p *Preview) error {
				sum := 0.0
				p.Each(10, 2, func(b Batch) {
					sum += torchx.Item(torchx.Mean(m.critic.Forward(b.Images)))
					if reads++; p.t.iteration == interruptAt {
						cancel()
					}
				})
				p.Log("score", sum)
				p.Images("generated", m.images(m.generator.Forward(p.Uniform(-1, 1, 4, zDim))), 0)
				return nil
			}
		})
		o.Dir = filepath.Join(inMemory(t), name)
		o.EMA, o.KeepBest = 0.5, "generator/loss"
		o.PreviewEvery, o.CheckpointEvery = 3, 6
		return o
	}
	whole := settings("whole")
	run(t, whole, 0)
	for _, at := range []int{3, 6, 12} { // without a checkpoint of its own, with one, the last
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			o := settings("run")
			for range 2 { // it may be interrupted again
				var ctx context.Context
				ctx, cancel = context.WithCancel(t.Context())
				interruptAt, reads = at, 0
				tr := newTrainer(t, o)
				if err := tr.Run(ctx); err != ErrInterrupted {
					t.Errorf("error is %v", err)
				}
				tr.Close()
				if before := 5 * (at/3 - 1); reads != before+1 && !o.Resume || reads != 1 && o.Resume {
					t.Errorf("previews read %d batches, expected 1 of that of iteration %d", reads, at)
				}
				if got := checkpoints(t, o.Dir); !strings.Contains(got, fmt.Sprint("latest=", at)) || strings.Contains(got, fmt.Sprint("best=", at)) {
					t.Errorf("got %s", got)
				}
				o.Resume = true
			}
			interruptAt = 0
			run(t, o, 0)
			if at == 3 { // a checkpoint more
				if err := os.RemoveAll(filepath.Join(o.Dir, "checkpoints/00000003")); err != nil {
					t.Fatal(err)
				}
			}
			sameFiles(t, whole.Dir, o.Dir)
		})
	}
}

// stuck cannot be put back into training mode once it is out of it.
type stuck struct {
	torchx.Module
	out *bool
}

func (m stuck) Train(on bool) {
	if on && *m.out {
		grow()
	}
	*m.out = !on
	m.Module.Train(on)
}

type withStuck struct{ Model }

func (m withStuck) Networks() []Network {
	all := m.Model.Networks()
	all[0].Module = stuck{all[0].Module, new(bool)}
	return all
}

// TestNothingIsSavedOfAHalfUndonePreview: networks that a preview has left as they are not trained are no state to save.
func TestNothingIsSavedOfAHalfUndonePreview(t *testing.T) {
	o := options(nil)
	build := o.Build
	o.Build = func() (Model, error) { m, err := build(); return withStuck{m}, err }
	o.Dir, o.CheckpointEvery = filepath.Join(inMemory(t), "run"), 3
	if _, err := attempt(t, o); !errors.Is(err, ErrOutOfMemory) || !strings.HasPrefix(err.Error(), "preview: ") {
		t.Errorf("error is %v", err)
	}
	if got := checkpoints(t, o.Dir); got != "3 latest=3" {
		t.Errorf("got %s", got)
	}
}
