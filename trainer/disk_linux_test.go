package trainer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk mounts 1 MB.
func smallDisk(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small disk, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	return disk
}

// fill takes the rest of a disk. What it returns gives it back.
func fill(t *testing.T, disk string) (free func()) {
	t.Helper()
	filler := filepath.Join(disk, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Error(err)
		return func() {}
	}
	defer f.Close()
	for _, err = f.Write(make([]byte, 4096)); err == nil; _, err = f.Write(make([]byte, 4096)) {
	}
	return func() {
		if err := os.Remove(filler); err != nil {
			t.Error(err)
		}
	}
}

// TestFullDisk: a disk that is full for a while costs checkpoints and pictures, but no line, and no iteration.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	const full, free = 6, 36
	settings := func(dir string) Options {
		o := options(nil)
		o.Dir, o.Iterations, o.TensorBoard, o.KeepCheckpoints = dir, 40, false, 2
		return o
	}
	whole := settings(filepath.Join(inMemory(t), "whole"))
	run(t, whole, 0)
	for _, policy := range []string{saveErrorContinue, saveErrorStop} {
		o := settings(filepath.Join(disk, policy))
		o.OnSaveError = policy
		var release func()
		o.Observer = &recorder{progress: func(p Progress) {
			switch p.Iteration {
			case full:
				release = fill(t, disk)
			case free:
				release()
			}
		}}
		r, err := attempt(t, o)
		text := strings.Join(warned(r), "\n")
		if policy == saveErrorContinue {
			for _, want := range []string{"keeps the lines until they can be written", "cannot save checkpoint", "goes on without this picture"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in %s", want, text)
				}
			}
			if n := strings.Count(text, "keeps the lines"); err != nil || n > 2 {
				t.Errorf("%d warnings of late lines, error %v", n, err)
			}
		} else {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("error is %v", err)
			}
			release()
			o.Resume, o.Observer = true, nil
			run(t, o, 0)
		}
		for _, name := range []string{"metrics.jsonl", "checkpoints/latest/generator.safetensors", "checkpoints/latest/state.json"} {
			if read(t, whole.Dir, name) != read(t, o.Dir, name) {
				t.Errorf("%s: %s differs from that of a run on a good disk", policy, name)
			}
		}
		if err := os.RemoveAll(o.Dir); err != nil {
			t.Fatal(err)
		}
	}
}

// fullAtTheEnd fills the disk behind an iteration, and frees it when so many tries of the last checkpoint have failed.
type fullAtTheEnd struct {
	recorder
	wait             string
	tries, freeAfter int
	release          func()
}

func (o *fullAtTheEnd) Warn(message string) {
	o.recorder.Warn(message)
	if _, wait, ok := strings.Cut(message, "it is tried again in "); ok {
		o.wait = wait
		if o.tries++; o.tries == o.freeAfter {
			o.release()
		}
	}
}

// TestLastCheckpointOnAFullDisk: it is tried again, and an error if that does not help.
func TestLastCheckpointOnAFullDisk(t *testing.T) {
	disk := smallDisk(t)
	whole := options(nil)
	whole.Dir = filepath.Join(inMemory(t), "whole")
	run(t, whole, 0)
	const atTheEnd, interrupted = "training came to its end, but its state is not saved: cannot save checkpoint",
		"training was interrupted, but its state is not saved: cannot save checkpoint"
	for _, test := range []struct {
		name, policy   string
		keep, every    int
		freeAfter      int
		interrupt      bool
		tries          int
		message, saved string
	}{
		{"room at last", saveErrorContinue, 0, 5, 2, false, 2, "", "5 10 12 latest=12"},
		{"no room", saveErrorContinue, 0, 5, 9, false, 2, atTheEnd, "5 10 latest=10"},
		{"stop", saveErrorStop, 0, 5, 9, false, 0, "no space left on device", "5 10 latest=10"},
		{"interrupted", saveErrorContinue, 0, 5, 9, true, 2, interrupted, "5 10 latest=10"},
		// Each try costs none of the kept ones.
		{"room at last, some kept", saveErrorContinue, 2, 5, 2, false, 2, "", "10 12 latest=12"},
		{"no room, some kept", saveErrorContinue, 2, 5, 9, false, 2, atTheEnd, "5 10 latest=10"},
		{"interrupted, some kept", saveErrorContinue, 2, 5, 9, true, 2, interrupted, "5 10 latest=10"},
		{"the oldest makes room", saveErrorContinue, 5, 2, 9, false, 0, "", "4 6 8 10 12 latest=12"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(nil)
			o.Dir, o.OnSaveError, o.TensorBoard = filepath.Join(disk, "run"), test.policy, false
			o.KeepCheckpoints, o.CheckpointEvery = test.keep, test.every
			observer := &fullAtTheEnd{freeAfter: test.freeAfter}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			observer.progress = func(p Progress) {
				if p.Iteration != 11 {
					return
				}
				for !strings.Contains(checkpoints(t, o.Dir), "latest=10") { // that one is still being written
					time.Sleep(time.Millisecond)
				}
				if observer.release = fill(t, disk); test.interrupt {
					cancel()
				}
			}
			o.Observer = observer
			tr := newTrainer(t, o)
			tr.lastWait = time.Millisecond
			err := tr.Run(ctx)
			tr.Close()
			if test.message == "" && err != nil || test.message != "" && (!errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), test.message)) {
				t.Errorf("error is %v", err)
			}
			if test.tries > 0 && err != nil && !strings.Contains(err.Error(), "the last good one is 00000010") {
				t.Errorf("error is %v", err)
			}
			if got := checkpoints(t, o.Dir); got != test.saved || observer.tries != test.tries {
				t.Errorf("%d more tries, left are %s, expected %d and %s", observer.tries, got, test.tries, test.saved)
			}
			if test.message != "" {
				observer.release()
				o.Resume, o.Observer = true, nil
				run(t, o, 0)
			}
			for _, name := range []string{"metrics.jsonl", "checkpoints/latest/generator.safetensors", "checkpoints/latest/state.json"} {
				if read(t, whole.Dir, name) != read(t, o.Dir, name) {
					t.Errorf("%s differs from that of a run on a good disk", name)
				}
			}
			if err := os.RemoveAll(o.Dir); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestInterruptedOnAFullDisk: who sends a signal may kill the process soon.
func TestInterruptedOnAFullDisk(t *testing.T) {
	disk := smallDisk(t)
	o := options(nil)
	o.Dir, o.TensorBoard = filepath.Join(disk, "run"), false
	observer := &fullAtTheEnd{freeAfter: 2}
	o.Observer = observer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	observer.progress = func(p Progress) {
		if p.Iteration == 3 {
			observer.release = fill(t, disk)
			cancel()
		}
	}
	if err := newTrainer(t, o).Run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Errorf("error is %v", err)
	}
	if observer.tries != 2 || observer.wait != "300ms" {
		t.Errorf("%d more tries after %s, expected 2 after 300ms", observer.tries, observer.wait)
	}
}

// atWarning calls f when a warning ends so.
type atWarning struct {
	recorder
	end string
	f   func()
}

func (o *atWarning) Warn(message string) {
	if o.recorder.Warn(message); strings.HasSuffix(message, o.end) {
		o.f()
	}
}

// TestRecipeOnAFullDisk: no run is trained with a recipe that a kill makes it forget.
func TestRecipeOnAFullDisk(t *testing.T) {
	disk := smallDisk(t)
	expect := func(o Options, recipe, file string) {
		t.Helper()
		if r, f := recipeOf(t, o.Dir); r != recipe || f != file {
			t.Errorf("the recipe is %q of %s, expected %q of %s", r, f, recipe, file)
		}
	}
	o := options(poisoned(onceAt(9)))
	o.Dir, o.TensorBoard, o.OnDivergence, o.Recipe = filepath.Join(disk, "run"), false, divergenceRollback, []byte("first")
	run(t, o, 7)
	o.Resume, o.Recipe = true, []byte("second")
	tr := newTrainer(t, o)
	release := fill(t, disk) // before, it would be refused by New
	if err := tr.Run(t.Context()); !errors.Is(err, ErrRecipeNotKept) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("error is %v", err)
	}
	tr.Close()
	release()
	expect(o, "first", "checkpoints/00000007/state.json")

	wentBack := false
	observer := &atWarning{end: "tries again before the next line is logged", f: func() { release(); wentBack = true }}
	observer.progress = func(p Progress) {
		switch {
		case p.Iteration == 8 && !wentBack:
			release = fill(t, disk)
		case p.Iteration == 6:
			expect(o, "second", "recipe-00000005.yaml")
		}
	}
	o.Observer = observer
	tr = newTrainer(t, o)
	defer tr.Close()
	if err := tr.Run(t.Context()); err != nil || !wentBack {
		t.Errorf("error is %v, warnings are %q", err, warned(&observer.recorder))
	}
}

// TestReadOnlyDisk: a disk that the kernel has made read-only, as it does after errors, does not become another one.
func TestReadOnlyDisk(t *testing.T) {
	disk := smallDisk(t)
	o := options(nil)
	o.Dir, o.TensorBoard, o.LogEvery, o.Iterations, o.CheckpointEvery, o.PreviewEvery = filepath.Join(disk, "run"), false, 50, 2000, 5, 0
	bound, last := filepath.Join(o.Dir, "checkpoints"), 0
	o.Observer = &recorder{progress: func(p Progress) {
		if last = p.Iteration; last == 6 {
			// What is open for writing keeps a disk from becoming read-only, but not a part of it.
			err := syscall.Mount(bound, bound, "", syscall.MS_BIND, "")
			if err == nil {
				err = syscall.Mount("", bound, "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, "")
			}
			if err != nil {
				t.Error(err)
			}
		}
	}}
	_, err := attempt(t, o)
	if unmount := syscall.Unmount(bound, 0); unmount != nil {
		t.Error(unmount)
	}
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "cannot save checkpoint") || last > 100 {
		t.Errorf("error is %v after iteration %d", err, last)
	}
}
