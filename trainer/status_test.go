package trainer

import (
	"context"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/imori-ml/imori/trainer/rundir"
)

func look(t *testing.T, o Options) rundir.Seen {
	t.Helper()
	seen, err := rundir.Look(o.Dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// TestStatus follows a run through its states.
func TestStatus(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	run(t, o, 7)
	interrupted := look(t, o)
	if interrupted.State != rundir.Interrupted || interrupted.Iteration != 7 || interrupted.Iterations != 12 || interrupted.Killed || interrupted.Error != "" {
		t.Errorf("after an interruption: %+v", interrupted)
	}
	o.Resume = true
	during := rundir.Seen{}
	o.Observer = &recorder{progress: func(p Progress) {
		if p.Iteration == 9 {
			during = look(t, o)
		}
	}}
	tr := newTrainer(t, o)
	if err := tr.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	tr.Close()
	if during.State != rundir.Running || during.Iteration != 9 || during.Resumed.IsZero() {
		t.Errorf("at iteration 9: %+v", during)
	}
	finished := look(t, o)
	if finished.State != rundir.Finished || finished.Iteration != 12 || !finished.Started.Equal(interrupted.Started) || finished.Seconds <= interrupted.Seconds {
		t.Errorf("at the end: %+v after %+v", finished, interrupted)
	}
}

func TestStatusOfFailures(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "failed")
	tr := newTrainer(t, o)
	tr.broken = errors.New("no more")
	if err := tr.Run(t.Context()); err == nil {
		t.Fatal("it runs")
	}
	if seen := look(t, o); seen.State != rundir.Failed || !strings.Contains(seen.Error, "no more") || seen.Ended.IsZero() {
		t.Errorf("after an error: %+v", seen)
	}
	tr.Close()

	o.Dir = filepath.Join(inMemory(t), "panicked")
	o.Observer = &recorder{progress: func(Progress) { panic(errors.New("a mistake")) }}
	tr = newTrainer(t, o)
	func() {
		defer func() {
			if r := recover(); r == nil || !strings.Contains(r.(error).Error(), "a mistake") {
				t.Errorf("panic is %v", r)
			}
		}()
		_ = tr.Run(t.Context())
	}()
	if seen := look(t, o); seen.State != rundir.Failed || !strings.Contains(seen.Error, "panicked") || seen.Iteration != 1 {
		t.Errorf("after a panic: %+v", seen)
	}
}

// TestExtrasAreNoReasonToFail: neither the status nor the curves end a run that cannot write them.
func TestExtrasAreNoReasonToFail(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	for _, name := range []string{"status.json", "curves.png"} {
		if err := os.MkdirAll(filepath.Join(o.Dir, name, "in the way"), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	// What stands there is not one of a run's files, so it does not keep the folder from being one.
	o.Resume = true
	if err := os.MkdirAll(filepath.Join(o.Dir, "checkpoints"), 0o777); err != nil {
		t.Fatal(err)
	}
	r := run(t, o, 0)
	warnings := 0
	for _, e := range r.events {
		if strings.Contains(e, "cannot write the status") || strings.Contains(e, "cannot save picture") {
			warnings++
		}
	}
	if warnings != 4 || r.events[len(r.events)-1] != "finished 12" { // two of each: at first, and at the end
		t.Errorf("events are %q", r.events)
	}
	if left, _ := filepath.Glob(filepath.Join(o.Dir, ".tmp-*")); left != nil {
		t.Errorf("left: %v", left)
	}
}

func TestCurves(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	var drawn []int
	o.Observer = &recorder{progress: func(p Progress) {
		if _, err := os.Stat(filepath.Join(o.Dir, "curves.png")); err == nil {
			drawn = append(drawn, p.Iteration)
		}
	}}
	tr := newTrainer(t, o)
	if err := tr.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []int{5, 6, 7, 8, 9, 10, 11, 12}; !slices.Equal(drawn, want) { // the first preview is of iteration 4
		t.Errorf("there were curves at iterations %v, expected %v", drawn, want)
	}
	f, err := os.Open(filepath.Join(o.Dir, "curves.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}
}

// TestStatusComesFirst: an interrupted process may be killed before it has drawn its curves, and draws none that take long.
func TestStatusComesFirst(t *testing.T) {
	for name, test := range map[string]struct {
		drawn time.Time
		took  time.Duration
		draws bool
	}{"quick": {time.Now(), time.Millisecond, true}, "slow": {time.Now(), time.Hour, false}, "not known": {time.Time{}, 0, false}} {
		o := options(nil)
		o.Dir, o.PreviewEvery = filepath.Join(inMemory(t), "run"), 0
		// A picture that cannot be written is a warning, by which the status is to be there.
		if err := os.MkdirAll(filepath.Join(o.Dir, "curves.png/in the way"), 0o777); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		warnings := 0
		observer := &warnedStatus{warn: func(text string) {
			warnings++
			if seen := look(t, o); !strings.Contains(text, "cannot save picture") || seen.State != rundir.Interrupted || seen.Iteration != 3 {
				t.Errorf("%s: the run is %s at iteration %d: %s", name, seen.State, seen.Iteration, text)
			}
		}}
		o.Observer = observer
		tr := newTrainer(t, o)
		observer.progress = func(p Progress) {
			if p.Iteration == 3 {
				tr.curves = curvesClock{test.drawn, test.took}
				cancel()
			}
		}
		if err := tr.Run(ctx); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		tr.Close()
		if (warnings > 0) != test.draws {
			t.Errorf("%s: %d warnings, expected to draw: %v", name, warnings, test.draws)
		}
	}
}

type warnedStatus struct {
	recorder
	warn func(string)
}

func (o *warnedStatus) Warn(text string) { o.warn(text) }
