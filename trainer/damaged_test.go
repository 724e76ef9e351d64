package trainer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run whose latest checkpoint is damaged says how to go on from another one.
func TestResumeOfDamaged(t *testing.T) {
	o := options(nil)
	o.Dir, o.CheckpointEvery = filepath.Join(t.TempDir(), "run"), 2
	run(t, o, 3)
	if err := os.WriteFile(filepath.Join(o.Dir, "checkpoints/latest/critic.safetensors"), []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	o.Resume = true
	tr, err := New(o)
	if err == nil {
		tr.Close()
	}
	if want := "; to go on from another one, point " + o.Dir + "/checkpoints/latest to it: 00000002"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
