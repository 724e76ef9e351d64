package trainer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestFullDisk: a disk that is full for a while costs checkpoints and pictures, but no line, and no iteration.
func TestFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("cannot mount a small disk, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
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
		filler := filepath.Join(disk, "filler")
		o.Observer = &recorder{progress: func(p Progress) {
			switch p.Iteration {
			case full:
				f, err := os.Create(filler)
				if err != nil {
					t.Error(err)
					return
				}
				defer f.Close()
				for _, err = f.Write(make([]byte, 4096)); err == nil; _, err = f.Write(make([]byte, 4096)) {
				}
			case free:
				if err := os.Remove(filler); err != nil {
					t.Error(err)
				}
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
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
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
