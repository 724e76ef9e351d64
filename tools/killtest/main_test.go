package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/trainer/rundir"
)

// TestMain lets the test binary be the training that is killed.
func TestMain(m *testing.M) {
	beChild()
	os.Exit(m.Run())
}

// TestKilledRunsAreEqual is the short form of make killtest.
func TestKilledRunsAreEqual(t *testing.T) {
	for i, model := range models.Names() {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			err := inFolder("", func(dir string) error {
				trial, err := newTrial(dir, model, settings{iterations: 8, threads: 1})
				if err != nil {
					return err
				}
				r, err := trial.killTimes(t.Context(), dir, 1, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(i))))
				t.Logf("runs %d, kills %v, SIGTERMs %d", r.runs, r.kills, r.terminated)
				if r.total() != 1 {
					t.Errorf("%d kills, expected 1", r.total())
				}
				if err != nil {
					return err
				}
				return usesItsSettings(filepath.Join(dir, "whole", model, "run"), also[model])
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// usesItsSettings looks for what only some settings leave behind, so that no test of them is one of nothing.
func usesItsSettings(run, settings string) error {
	for setting, file := range map[string]string{
		"keep_best": "checkpoints/best/state.json", "rollback": "diagnosis/00000004/report.json", "": "checkpoints/latest/state.json",
	} {
		if _, err := os.Stat(filepath.Join(run, file)); strings.Contains(settings, setting) != (err == nil) {
			return fmt.Errorf("trained with %q, found %s: %v", settings, file, err == nil)
		}
	}
	return nil
}

// TestDifferencesAreFound spoils a copy of a run in every way that the comparison is to find.
func TestDifferencesAreFound(t *testing.T) {
	dir := t.TempDir()
	trial, err := newTrial(dir, "ae", settings{iterations: 6, threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(dir, "whole")
	if _, err := trial.run(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	edit := func(file string, change func(b []byte) []byte) func(folder string) error {
		return func(folder string) error {
			path := filepath.Join(folder, file)
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, change(bytes.Clone(b)), 0o666)
		}
	}
	lastByte := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	firstLine := func(b []byte) []byte { return b[:bytes.IndexByte(b, '\n')+1] }
	for _, test := range []struct {
		name  string
		spoil func(folder string) error
		want  string
	}{
		{"nothing", func(string) error { return nil }, ""},
		{"times", edit("timing.jsonl", func(b []byte) []byte { return bytes.Replace(b, []byte(`"seconds":`), []byte(`"seconds":1`), 1) }), ""},
		{"a time too few", edit("timing.jsonl", firstLine), "timing.jsonl has lines of iterations [1], expected [1 2 3 4 5 6]"},
		{"a time twice", edit("timing.jsonl", func(b []byte) []byte { return append(firstLine(b), b...) }), "timing.jsonl has lines of iterations [1 1 2"},
		{"weights", edit("checkpoints/00000006/autoencoder.safetensors", lastByte), "autoencoder.safetensors differ from byte"},
		{"an old checkpoint", edit("checkpoints/00000004/optimizers.safetensors", lastByte), "optimizers.safetensors differ from byte"},
		{"state", edit("checkpoints/00000006/state.json", lastByte), "state.json differ from byte"},
		{"a line twice", edit("metrics.jsonl", func(b []byte) []byte { return append(firstLine(b), b...) }), "line 2"},
		{"a line too few", edit("metrics.jsonl", func(b []byte) []byte { return bytes.TrimPrefix(b, firstLine(b)) }), "line 1"},
		{"no animation", func(f string) error { return os.Remove(filepath.Join(f, "samples/training.gif")) }, "training.gif is missing"},
		{"a file too many", func(f string) error { return os.WriteFile(filepath.Join(f, "samples/.tmp-x"), nil, 0o666) }, ".tmp-x is missing"},
		{"another latest", func(f string) error {
			link := filepath.Join(f, "checkpoints/latest")
			return errors.Join(os.Remove(link), os.Symlink("00000004", link))
		}, "latest differ"},
		{"not finished", edit("status.json", func(b []byte) []byte { return bytes.Replace(b, []byte("finished"), []byte("failed"), 1) }), "status.json: the run is failed"},
		{"no events", func(f string) error {
			files, err := filepath.Glob(filepath.Join(f, "events*"))
			if err != nil || len(files) != 1 {
				return errors.Join(err, errors.New("expected one event file"))
			}
			return os.Truncate(files[0], 0)
		}, "event files: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			spoilt := filepath.Join(t.TempDir(), "whole")
			if err := os.CopyFS(spoilt, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(spoilt); err != nil {
				t.Fatal(err)
			}
			err := compareRuns(whole, spoilt, false)
			if err == nil {
				err = compareEvents(whole, spoilt)
			}
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestInterruptedRunsMayDiffer in what a checkpoint more leads to, and in nothing else.
func TestInterruptedRunsMayDiffer(t *testing.T) {
	dir := t.TempDir()
	trial, err := newTrial(dir, "vae", settings{iterations: 6, threads: 1}) // has a best checkpoint, and keeps one besides
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(dir, "whole")
	if _, err := trial.run(t.Context(), whole, nil); err != nil {
		t.Fatal(err)
	}
	state := func(folder string, change func(s *rundir.State)) error {
		path := filepath.Join(folder, "checkpoints/00000006/state.json")
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var s rundir.State
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		change(&s)
		if b, err = json.MarshalIndent(s, "", "  "); err != nil {
			return err
		}
		return os.WriteFile(path, append(b, '\n'), 0o666)
	}
	copied := func(folder string) error {
		return os.CopyFS(filepath.Join(folder, "checkpoints/00000005"), os.DirFS(filepath.Join(folder, "checkpoints/00000006")))
	}
	for _, test := range []struct {
		name  string
		spoil func(folder string) error
		want  string
	}{
		{"a checkpoint more", copied, ""},
		{"half a checkpoint more", func(f string) error {
			return errors.Join(copied(f), os.Remove(filepath.Join(f, "checkpoints/00000005/state.json")))
		}, "is missing"},
		{"another best one", func(f string) error {
			link := filepath.Join(f, "checkpoints/best")
			return errors.Join(os.Remove(link), os.Symlink("00000001", link))
		}, "best differ"},
		{"another state", func(f string) error { return state(f, func(s *rundir.State) { s.Batches++ }) }, "state.json differ"},
		{"a file less", func(f string) error { return os.Remove(filepath.Join(f, "checkpoints/00000006/vae.safetensors")) }, "vae.safetensors is missing"},
		{"no latest", func(f string) error { return os.Remove(filepath.Join(f, "checkpoints/latest")) }, "latest is missing"},
		{"no picture", func(f string) error { return os.Remove(filepath.Join(f, "samples/00000006.png")) }, "00000006.png is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			spoilt := filepath.Join(t.TempDir(), "whole")
			if err := os.CopyFS(spoilt, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			if err := test.spoil(spoilt); err != nil {
				t.Fatal(err)
			}
			if err := compareRuns(whole, spoilt, true); test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWhere(t *testing.T) {
	for _, test := range []struct {
		names string
		want  place
	}{
		{"", beginning},
		{".tmp-00000002-ABCDEFGH", inside},
		{"00000002 .tmp-00000004-ABCDEFGH latest", inside},
		{"00000002 00000004 .tmp-00000004-ABCDEFGH latest", inside}, // a second time, after a kill before latest moved
		{".old-00000004 00000002", inside},
		{"00000004 00000006 .tmp-00000002-ABCDEFGH latest", between}, // which is being removed
		{"00000004 .tmp-latest-ABCDEFGH", between},
		{"00000006 00000008 latest", end},
	} {
		folder := t.TempDir()
		for _, name := range strings.Fields(test.names) {
			if err := os.MkdirAll(filepath.Join(folder, "checkpoints", name), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		if got := where(folder, 8); got != test.want {
			t.Errorf("%q: got %d, want %d", test.names, got, test.want)
		}
	}
}

// TestCounts: a SIGTERM is no kill, and many kills are to hit what is short.
func TestCounts(t *testing.T) {
	r := result{}
	r.count(&hit{signal: syscall.SIGTERM, uniform: true}, inside)
	r.count(&hit{signal: syscall.SIGKILL, uniform: true}, between)
	r.count(&hit{signal: syscall.SIGKILL}, inside)
	if r.total() != 2 || r.uniform != 1 || r.terminated != 1 || r.kills[inside] != 1 {
		t.Errorf("got %+v", r)
	}
	for _, test := range []struct {
		kills [places]int
		want  string
	}{
		{[places]int{between: 99}, ""},
		{[places]int{between: 100}, "0 of 100 kills fell inside a checkpoint write, expected at least 20"},
		{[places]int{inside: 19, end: 81}, "19 of 100 kills"},
		{[places]int{inside: 20, end: 80}, ""},
	} {
		err := (&result{kills: test.kills}).enough()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: error is %v", test.kills, err)
		}
	}
}

func TestSlope(t *testing.T) {
	points := []rundir.Point{{Iteration: 50, Value: 1000}, {Iteration: 100, Value: 1150}, {Iteration: 150, Value: 1200}}
	if got := slope(points); math.Abs(got-2) > 1e-12 {
		t.Errorf("got %v, want 2", got)
	}
}

func TestWrongUse(t *testing.T) {
	for _, line := range []string{"-kills 0", "-models dcgan,none", "-twice -memory 9", "-iterations 3", "more", "-killz 3"} {
		if status := command(context.Background(), strings.Fields(line), io.Discard, io.Discard); status != 2 {
			t.Errorf("%s: status %d, expected 2", line, status)
		}
	}
	var errs strings.Builder
	if status := command(context.Background(), []string{"-dir", t.TempDir()}, io.Discard, &errs); status != 1 || !strings.Contains(errs.String(), "exists") {
		t.Errorf("a folder that is there: status %d, %s", status, &errs)
	}
}
