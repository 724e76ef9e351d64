package trainer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// checkpoints lists a run's checkpoints and links.
func checkpoints(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		name := strings.TrimLeft(e.Name(), "0")
		if target, err := os.Readlink(filepath.Join(dir, "checkpoints", e.Name())); err == nil {
			name += "=" + strings.TrimLeft(target, "0")
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func warned(r *recorder) (all []string) {
	for _, e := range r.events {
		if text, ok := strings.CutPrefix(e, "warning: "); ok {
			all = append(all, text)
		}
	}
	return all
}

// attempt trains until Run returns.
func attempt(t *testing.T, o Options) (*recorder, error) {
	t.Helper()
	r, _ := o.Observer.(*recorder)
	if r == nil {
		r = &recorder{}
		o.Observer = r
	}
	tr := newTrainer(t, o)
	defer tr.Close()
	return r, tr.Run(t.Context())
}

func TestCheckpointsByTheClock(t *testing.T) {
	whole := options(nil)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	for minutes, want := range map[float64]string{1e-9: "1 2 3 4 5 6 7 8 9 10 11 12 latest=12", 1e9: "5 10 12 latest=12"} {
		o := options(nil)
		o.Dir, o.CheckpointMinutes = filepath.Join(inMemory(t), "run"), minutes
		run(t, o, 0)
		if got := checkpoints(t, o.Dir); got != want {
			t.Errorf("every %g minutes: %s, expected %s", minutes, got, want)
		}
		sameRun(t, whole.Dir, o.Dir)
	}
}

func TestKeepBest(t *testing.T) {
	scores := map[int]float64{1: 0, 5: 3, 10: 1, 12: 2} // of the lines at and before the checkpoints
	for mode, want := range map[string]string{"min": "10 12 best=10 latest=12", "max": "5 12 best=5 latest=12"} {
		for _, stop := range []int{0, 6} {
			t.Run(fmt.Sprint(mode, stop), func(t *testing.T) {
				o := options(func(m *gan) {
					m.phases[1].Loss = func(s *Step) torch.Tensor {
						score, ok := scores[s.Iteration()]
						if !ok {
							score = 2.5
						}
						s.Log("score", torchx.Full(score, torch.Double, "cpu"))
						return m.generatorLoss(s)
					}
				})
				o.Dir, o.KeepBest, o.KeepBestMode, o.KeepCheckpoints = filepath.Join(inMemory(t), "run"), "generator/score", mode, 1
				if stop > 0 {
					run(t, o, stop)
					o.Resume = true
				}
				r := run(t, o, 0)
				if got := checkpoints(t, o.Dir); got != want || len(warned(r)) > 0 {
					t.Errorf("got %s, expected %s; warnings %q", got, want, warned(r))
				}
			})
		}
	}
}

// TestBestIsMeasured: only weights whose value is known can be the best.
func TestBestIsMeasured(t *testing.T) {
	for _, test := range []struct {
		checkpointEvery, logEvery int
		minutes                   float64
		best                      string // "": none, and a warning
	}{{4, 3, 0, " best=12 "}, {5, 4, 0, " best=12 "}, {5, 7, 0, ""}, {0, 7, 0, ""}, {4, 2, 1e-9, " best=4 "}, {0, 4, 1e-9, " best=1 "}} {
		o := options(func(m *gan) {
			m.phases[1].Loss = func(s *Step) torch.Tensor {
				value := float64(s.Iteration())
				if test.checkpointEvery == 5 && test.logEvery == 4 {
					value = -value
				}
				s.Log("score", torchx.Full(value, torch.Double, "cpu"))
				return m.generatorLoss(s)
			}
		})
		o.Dir, o.KeepBest, o.CheckpointEvery, o.LogEvery, o.CheckpointMinutes =
			filepath.Join(inMemory(t), "run"), "generator/score", test.checkpointEvery, test.logEvery, test.minutes
		o.PreviewEvery = 0
		r := run(t, o, 0)
		got := checkpoints(t, o.Dir)
		if test.best == "" && strings.Contains(got, "best") || !strings.Contains(got, test.best) {
			t.Errorf("%+v: got %s", test, got)
		}
		w := strings.Join(warned(r), "\n")
		if n := strings.Count(w, "there is no best checkpoint yet: keep_best, generator/score, was logged at"); n > 1 || test.best == "" && n == 0 {
			t.Errorf("%+v: warnings are %q", test, w)
		}
	}
}

// TestBestOfAnInterruptedRun: the checkpoint of a signal would be the best, but another run has none there.
func TestBestOfAnInterruptedRun(t *testing.T) {
	settings := func(name string) Options {
		o := options(func(m *gan) {
			m.phases[1].Loss = func(s *Step) torch.Tensor {
				s.Log("score", torchx.Full(math.Abs(float64(s.Iteration()-7)), torch.Double, "cpu"))
				return m.generatorLoss(s)
			}
		})
		o.Dir, o.KeepBest, o.KeepCheckpoints = filepath.Join(inMemory(t), name), "generator/score", 2
		return o
	}
	whole, o := settings("whole"), settings("run")
	run(t, whole, 0)
	run(t, o, 7)
	o.Resume = true
	run(t, o, 0)
	for _, folder := range []string{whole.Dir, o.Dir} {
		if got := checkpoints(t, folder); got != "5 10 12 best=5 latest=12" {
			t.Errorf("got %s", got)
		}
	}
	sameRun(t, whole.Dir, o.Dir)
}

func TestKeepBestOfAnUnknownMetric(t *testing.T) {
	o := options(nil)
	o.Dir, o.KeepBest = filepath.Join(inMemory(t), "run"), "critic/los"
	r := run(t, o, 0)
	if w := warned(r); len(w) != 1 || !strings.Contains(w[0], "critic/los, which was not logged yet, expected one of critic/loss, critic/real") {
		t.Errorf("warnings are %q", w)
	}
	if got := checkpoints(t, o.Dir); strings.Contains(got, "best") {
		t.Errorf("got %s", got)
	}
}

// TestFailuresSave: what fails between two iterations costs none of those that are done, and each gets its preview.
func TestFailuresSave(t *testing.T) {
	var fails atomic.Bool
	failure := errors.New("no more")
	change := func(m *gan) {
		m.phases[0].Repeat = 1 // of one minibatch
		m.draw = func(p *Preview) error {
			if m.images(m.generator.Forward(p.Uniform(-1, 1, 4, zDim))); fails.Load() {
				return failure
			}
			return nil
		}
	}
	whole := options(change)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	for _, test := range []struct {
		name  string
		data  datasets.Dataset
		saved string
	}{
		{"preview", stripes(10), "5 8 latest=8"},
		{"dataset", failing{stripes(10), &fails, failure}, " latest="}, // whichever was the last
	} {
		t.Run(test.name, func(t *testing.T) {
			fails.Store(false)
			o := options(change)
			o.Dir, o.Dataset, o.Test = filepath.Join(inMemory(t), "run"), test.data, stripes(10)
			o.Observer = &recorder{progress: func(p Progress) { fails.Store(fails.Load() || p.Iteration == 6) }}
			r, err := attempt(t, o)
			if !errors.Is(err, failure) {
				t.Fatalf("error is %v", err)
			}
			if got := checkpoints(t, o.Dir); !strings.Contains(got, test.saved) || len(warned(r)) > 0 {
				t.Errorf("got %s, expected %s; warnings %q", got, test.saved, warned(r))
			}
			fails.Store(false)
			o.Resume, o.Observer = true, nil
			run(t, o, 0)
			for _, name := range []string{"metrics.jsonl", "checkpoints/latest/generator.safetensors", "checkpoints/latest/optimizers.safetensors", "checkpoints/latest/state.json"} {
				if read(t, whole.Dir, name) != read(t, o.Dir, name) {
					t.Errorf("%s differs from that of a run without the failure", name)
				}
			}
		})
	}
}

// TestFailedPicture: a picture that cannot be written is drawn again, the last one too.
func TestFailedPicture(t *testing.T) {
	change := func(m *gan) {
		m.draw = func(p *Preview) error {
			p.Log("score", float64(p.t.iteration))
			p.Images("generated", m.images(m.generator.Forward(p.Uniform(-1, 1, 4, zDim))), 0)
			return nil
		}
	}
	whole := options(change)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	for at, saved := range map[int]string{8: "5 8 latest=8", 12: "5 10 12 latest=12"} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			o := options(change)
			o.Dir, o.OnSaveError = filepath.Join(inMemory(t), "run"), "stop"
			picture := filepath.Join(o.Dir, fmt.Sprintf("samples/%08d.png", at))
			o.Observer = &recorder{progress: func(p Progress) {
				if p.Iteration == at-1 {
					if err := os.MkdirAll(picture, 0o777); err != nil {
						t.Error(err)
					}
				}
			}}
			if _, err := attempt(t, o); err == nil || !strings.Contains(err.Error(), "cannot save picture "+picture) {
				t.Fatalf("error is %v", err)
			}
			if got := checkpoints(t, o.Dir); got != saved {
				t.Errorf("got %s, expected %s", got, saved)
			}
			if err := os.Remove(picture); err != nil {
				t.Fatal(err)
			}
			o.Resume, o.Observer = true, nil
			run(t, o, 0)
			sameRun(t, whole.Dir, o.Dir)
			if picture := "samples/00000008.png"; read(t, whole.Dir, picture) != read(t, o.Dir, picture) {
				t.Errorf("%s differs", picture)
			}
		})
	}
}

// failing is a dataset that cannot be read from some moment on.
type failing struct {
	datasets.Dataset
	fails *atomic.Bool
	err   error
}

func (d failing) Read(i int, s *datasets.Sample) error {
	if d.fails.Load() {
		return d.err
	}
	return d.Dataset.Read(i, s)
}

func TestNothingIsSavedInAnIteration(t *testing.T) {
	o := options(func(m *gan) {
		m.phases[1].Loss = func(s *Step) torch.Tensor {
			if s.Iteration() == 8 {
				fail(errors.New("no more"))
			}
			return m.generatorLoss(s)
		}
	})
	o.Dir = filepath.Join(inMemory(t), "run")
	if _, err := attempt(t, o); err == nil || !strings.Contains(err.Error(), "iteration 8: phase generator: no more") {
		t.Errorf("error is %v", err)
	}
	if got := checkpoints(t, o.Dir); got != "5 latest=5" {
		t.Errorf("got %s", got)
	}
}

// away takes a run's checkpoints away while iterations run, as a disk that comes and goes.
func away(t *testing.T, dir string, from, to int) *recorder {
	here, gone := filepath.Join(dir, "checkpoints"), filepath.Join(dir, "gone")
	return &recorder{progress: func(p Progress) {
		var err error
		switch p.Iteration {
		case from: // when the checkpoint before is written
			written := fmt.Sprintf("%08d", from-1)
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				if target, _ := os.Readlink(filepath.Join(here, "latest")); target == written {
					break
				}
			}
			err = os.Rename(here, gone)
		case to:
			err = os.Rename(gone, here)
		}
		if err != nil {
			t.Error(err)
		}
	}}
}

func TestOnSaveError(t *testing.T) {
	whole := options(nil)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	settle := func(o *Options) { o.CheckpointEvery = 2 }
	for _, policy := range []string{saveErrorContinue, saveErrorStop} { // a folder that is gone does not come back
		t.Run(policy, func(t *testing.T) {
			o := options(nil)
			o.Dir, o.OnSaveError = filepath.Join(inMemory(t), "run"), policy
			settle(&o)
			r := away(t, o.Dir, 5, 100)
			o.Observer = r
			before, last := r.progress, 0
			r.progress = func(p Progress) { last = p.Iteration; before(p) }
			r, err := attempt(t, o)
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "cannot save checkpoint "+filepath.Join(o.Dir, "checkpoints/00000006")) || last > 9 {
				t.Errorf("error is %v after iteration %d", err, last)
			}
			if w := warned(r); len(w) != 1 || !strings.Contains(w[0], "is lost") {
				t.Errorf("warnings are %q", w)
			}
			if err := os.Rename(filepath.Join(o.Dir, "gone"), filepath.Join(o.Dir, "checkpoints")); err != nil {
				t.Fatal(err)
			}
			o.Resume, o.Observer = true, nil
			run(t, o, 0)
			sameRun(t, whole.Dir, o.Dir)
		})
	}
	for _, interrupt := range []bool{false, true} {
		t.Run(fmt.Sprint("at the end ", interrupt), func(t *testing.T) { // there is no next time
			o := options(nil)
			o.Dir = filepath.Join(inMemory(t), "run")
			settle(&o)
			r := away(t, o.Dir, 11, 100)
			o.Observer = r
			if interrupt {
				o.Iterations = 1000
			}
			tr := newTrainer(t, o)
			defer tr.Close()
			ctx := t.Context()
			if interrupt {
				c, cancel := context.WithCancel(ctx)
				defer cancel()
				ctx = c
				before := r.progress
				r.progress = func(p Progress) {
					if before(p); p.Iteration == 11 {
						cancel()
					}
				}
			}
			err := tr.Run(ctx)
			if err == nil || errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "cannot save checkpoint") {
				t.Errorf("error is %v", err)
			}
			if seen := look(t, o); seen.State != rundir.Failed || slices.Contains(r.events, "animation") {
				t.Errorf("the run is %+v, events are %v", seen, r.events)
			}
		})
	}
}

// TestLastSaveAfterAFailedOne: a checkpoint that fails while the run ends does not keep the last state from being saved.
func TestLastSaveAfterAFailedOne(t *testing.T) {
	for _, policy := range []string{saveErrorContinue, saveErrorStop} {
		for at, want := range map[int]string{7: "5 7 latest=7", 12: "5 10 12 latest=12"} { // by a signal, at the end
			o := options(nil)
			o.Dir, o.OnSaveError = filepath.Join(inMemory(t), "run"), policy
			ctx, cancel := context.WithCancel(t.Context())
			var tr *Trainer
			r := &recorder{progress: func(p Progress) {
				if p.Iteration != at {
					return
				}
				if err := tr.finishSaving(true); err != nil {
					t.Error(err)
				}
				tr.saving = &saving{iteration: at - 1, done: make(chan error, 1)}
				tr.saving.done <- fmt.Errorf("cannot save checkpoint: %w", syscall.ENOSPC)
				if tr.savedAt = at - 1; at < 12 {
					cancel()
				}
			}}
			o.Observer = r
			tr = newTrainer(t, o)
			if err := tr.Run(ctx); err != nil && !errors.Is(err, ErrInterrupted) {
				t.Errorf("%s, %d: error is %v", policy, at, err)
			}
			cancel()
			if got := checkpoints(t, o.Dir); got != want {
				t.Errorf("%s, %d: got %s, expected %s", policy, at, got, want)
			}
			if w := warned(r); len(w) != 1 || !strings.HasSuffix(w[0], fmt.Sprintf("no space left on device; the state of iteration %d is saved instead", at)) {
				t.Errorf("%s, %d: warnings are %q", policy, at, w)
			}
		}
	}
}

// TestSlowSaveIsTold: once for each wait, so that a run that waits for its disk does not seem to hang.
func TestSlowSaveIsTold(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	r := &recorder{}
	o.Observer = r
	tr := newTrainer(t, o)
	wait := func(patience, takes time.Duration) {
		t.Helper()
		tr.slowSave = patience
		if err := tr.Do(func() error {
			tr.saving = &saving{iteration: 5, done: make(chan error, 1)}
			done := tr.saving.done
			time.AfterFunc(takes, func() { done <- nil })
			return tr.finishSaving(true)
		}); err != nil {
			t.Error(err)
		}
	}
	wait(time.Minute, time.Millisecond)
	if w := warned(r); len(w) > 0 {
		t.Errorf("warnings are %q", w)
	}
	wait(20*time.Millisecond, 100*time.Millisecond)
	want := "the run has been waiting 0.02 seconds for " + filepath.Join(o.Dir, "checkpoints/00000005") + " to be written"
	if w := warned(r); len(w) != 1 || !strings.HasPrefix(w[0], want) {
		t.Errorf("warnings are %q, expected %s", w, want)
	}
	wait(20*time.Millisecond, 100*time.Millisecond)
	if w := warned(r); len(w) != 2 {
		t.Errorf("warnings are %q", w)
	}
}

// TestMovedRun: a run whose folder is replaced by another one ends, and changes nothing there.
func TestMovedRun(t *testing.T) {
	whole := options(nil)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	var other *rundir.Dir
	o.Observer = &recorder{progress: func(p Progress) {
		if p.Iteration != 6 {
			return
		}
		err := os.Rename(o.Dir, o.Dir+"-old")
		if err == nil {
			other, err = rundir.Create(o.Dir)
		}
		if err != nil {
			t.Error(err)
		}
	}}
	_, err := attempt(t, o)
	if err == nil || !strings.Contains(err.Error(), "run folder "+o.Dir+" was moved, replaced or removed") {
		t.Errorf("error is %v", err)
	}
	if other == nil {
		t.Fatal("there is no other run")
	}
	defer other.Close()
	var left []string
	err = filepath.WalkDir(o.Dir, func(path string, _ fs.DirEntry, err error) error {
		left = append(left, filepath.Base(path))
		return err
	})
	if got := strings.Join(left, " "); err != nil || got != "run .lock checkpoints samples" {
		t.Errorf("in the other run there is %s, %v", got, err)
	}
	o.Dir, o.Resume, o.Observer = o.Dir+"-old", true, nil
	run(t, o, 0)
	for _, name := range []string{"metrics.jsonl", "checkpoints/latest/generator.safetensors", "checkpoints/latest/state.json"} {
		if read(t, whole.Dir, name) != read(t, o.Dir, name) {
			t.Errorf("%s differs from that of a run that stayed where it was", name)
		}
	}
}

// atAnimation calls f when all is saved, but old checkpoints are not removed yet.
type atAnimation struct {
	recorder
	f func()
}

func (o *atAnimation) Saved(kind SavedKind, _ string) {
	if kind == SavedAnimation {
		o.f()
	}
}

func TestNotesAtTheEnd(t *testing.T) {
	o := options(nil)
	o.Dir, o.KeepCheckpoints = filepath.Join(inMemory(t), "run"), 1
	observer := &atAnimation{f: func() {
		if err := os.Rename(filepath.Join(o.Dir, "checkpoints"), filepath.Join(o.Dir, "gone")); err != nil {
			t.Error(err)
		}
	}}
	o.Observer = observer
	tr := newTrainer(t, o)
	defer tr.Close()
	if err := tr.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := strings.Join(warned(&observer.recorder), "\n"); !strings.Contains(w, "old checkpoints stay: ") {
		t.Errorf("warnings are %q", w)
	}
}

// TestResumeGivesUpLater: what a crash or somebody left behind the checkpoint that a run goes on from pushes no good one out.
func TestResumeGivesUpLater(t *testing.T) {
	whole := options(nil)
	whole.Dir, whole.CheckpointEvery, whole.KeepCheckpoints = filepath.Join(inMemory(t), "whole"), 4, 3
	run(t, whole, 0)
	o := options(nil)
	o.Dir, o.CheckpointEvery, o.KeepCheckpoints = filepath.Join(inMemory(t), "run"), 3, 3
	run(t, o, 10)
	if got := checkpoints(t, o.Dir); got != "6 9 10 latest=10" {
		t.Fatalf("got %s", got)
	}
	latest := filepath.Join(o.Dir, "checkpoints/latest")
	if err := errors.Join(os.Remove(latest), os.Symlink("00000006", latest)); err != nil {
		t.Fatal(err)
	}
	o.Resume, o.CheckpointEvery = true, 4
	if r := run(t, o, 7); !strings.Contains(strings.Join(warned(r), "\n"), "goes on from iteration 6: 2 later checkpoints are now checkpoints/.undone-*") {
		t.Errorf("warnings are %q", warned(r))
	}
	if got := checkpoints(t, o.Dir); got != "6 7 latest=7" {
		t.Errorf("got %s", got)
	}
	if r := run(t, o, 0); len(warned(r)) > 0 {
		t.Errorf("warnings are %q", warned(r))
	}
	if got := checkpoints(t, o.Dir); got != "7 8 12 latest=12" {
		t.Errorf("got %s", got)
	}
	sameRun(t, whole.Dir, o.Dir)
}

// TestResumeSetsLatest: a process may be killed between the name of a checkpoint and the link to it, also when it was the only
// one, and that of the last iteration.
func TestResumeSetsLatest(t *testing.T) {
	const to = "checkpoints/latest"
	for _, test := range []struct {
		name  string
		every int
		spoil func(dir string) error
		want  string
	}{
		{"none", 0, func(dir string) error { return nil }, "12 latest=12"},
		{"to nothing", 0, func(dir string) error { return os.Symlink("00000003", filepath.Join(dir, to)) }, "12 latest=12"},
		{"absolute", 0, func(dir string) error {
			return os.Symlink(filepath.Join(dir, "checkpoints/00000012"), filepath.Join(dir, to))
		}, "12 latest=12"},
		{"none of many", 5, func(dir string) error { return nil }, "5 10 12 latest=12"},
		{"a copy", 0, func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, "checkpoints/00000012"), filepath.Join(dir, "checkpoints/copy")),
				os.Symlink("copy", filepath.Join(dir, to)))
		}, "copy latest=copy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(nil)
			o.Dir, o.CheckpointEvery = filepath.Join(inMemory(t), "run"), test.every
			run(t, o, 0)
			if err := errors.Join(os.Remove(filepath.Join(o.Dir, to)), test.spoil(o.Dir)); err != nil {
				t.Fatal(err)
			}
			o.Resume = true
			run(t, o, 0)
			if got := checkpoints(t, o.Dir); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if seen := look(t, o); seen.State != rundir.Finished {
				t.Errorf("the run is %+v", seen)
			}
		})
	}
}

func TestToleratedErrors(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EROFS: false, syscall.EACCES: false, syscall.ENOENT: false, syscall.EIO: false,
	} {
		err = fmt.Errorf("cannot save: %w", &fs.PathError{Op: "write", Path: "x", Err: err})
		for _, policy := range []string{saveErrorContinue, saveErrorStop} {
			want := want && policy == saveErrorContinue
			r := &recorder{}
			tr := &Trainer{Options: Options{Config: Config{OnSaveError: policy}}, observer: r}
			for what, got := range map[string]error{"a checkpoint": tr.tolerateSave(err), "a picture": tr.toleratePicture(err), "a line": tr.tolerateLog(nil, err)} {
				if (got == nil) != want || got != nil && !errors.Is(got, err) {
					t.Errorf("%s, %s, %v: got %v", policy, what, err, got)
				}
			}
			if n := len(warned(r)); want != (n == 3) || !want && n > 0 || tr.broken != nil {
				t.Errorf("%s, %v: %d warnings, broken %v", policy, err, n, tr.broken)
			}
		}
	}
	// Of two logs the error counts that does not pass.
	full, broken := error(&fs.PathError{Err: syscall.ENOSPC}), error(&fs.PathError{Err: syscall.EIO})
	tr := &Trainer{Options: Options{Config: DefaultConfig()}, observer: &recorder{}}
	if err := tr.tolerateLog(full, broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
