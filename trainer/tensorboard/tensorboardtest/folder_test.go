package tensorboardtest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/trainer/tensorboard"
	"github.com/imori-ml/imori/trainer/tensorboard/tensorboardtest"
)

// write makes an event file of a process that begins with a step and writes it and the next one.
func write(t *testing.T, dir string, first int64) {
	t.Helper()
	w, err := tensorboard.Create(dir, first)
	if err != nil {
		t.Fatal(err)
	}
	for step := first; step < first+2; step++ {
		if err := w.Scalar(step, "loss", float32(first)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestReadPurges(t *testing.T) {
	dir := t.TempDir()
	// Killed before it wrote: of no effect, also as the first one.
	if err := os.WriteFile(filepath.Join(dir, "events.out.tfevents.0000000001.host.1.0"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	write(t, dir, 1)
	write(t, dir, 2)
	shown, err := tensorboardtest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []float32
	for i, p := range shown["loss"] {
		if p.Step != int64(i+1) {
			t.Errorf("point %d is of step %d", i, p.Step)
		}
		got = append(got, *p.Scalar)
	}
	if len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 2 {
		t.Errorf("values are %v, expected 1 of the first process, 2 and 2 of the second", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "events.out.tfevents.0000000002.host.1.0"), []byte("no events, but long enough for one"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := tensorboardtest.Read(dir); err == nil || !strings.Contains(err.Error(), "0000000002.host") {
		t.Errorf("the error is %v, expected one that names the file", err)
	}
}
