package rundir

import (
	"os"
	"path/filepath"
	"testing"
)

// TestStaleCheckpoints: those of a course that was given up, which have higher numbers, push none out.
func TestStaleCheckpoints(t *testing.T) {
	d := create(t)
	d.Keep, d.KeepEvery = 2, 10
	save(t, d, 5, 10, 20)
	folder := filepath.Join(d.Path(), checkpointFolder)
	// Somebody lets the run go on from 10, or a crash came between the name of a checkpoint and the link.
	if err := os.Remove(filepath.Join(folder, latestLink)); err != nil {
		t.Fatal(err)
	}
	if err := d.point(latestLink, "00000010"); err != nil {
		t.Fatal(err)
	}
	if s := lookAt(t, d.Path(), 0); s.Checkpoint != 10 {
		t.Errorf("the run goes on from %d, expected 10", s.Checkpoint)
	}
	for _, step := range []struct {
		iteration int
		want      string
	}{{12, "00000010 00000012 latest"}, {14, "00000010 00000012 00000014 latest"}, {16, "00000010 00000014 00000016 latest"}} {
		save(t, d, step.iteration)
		if got := names(t, folder); got != step.want {
			t.Errorf("at %d: got %s, want %s", step.iteration, got, step.want)
		}
	}
	// What `best` points to stays, but does not count.
	saveBest(t, d, 29)
	if err := d.GoBack(16); err != nil {
		t.Fatal(err)
	}
	save(t, d, 18, 19)
	if got := names(t, folder); got != "00000010 00000018 00000019 00000029 best latest" {
		t.Errorf("beside the best: got %s", got)
	}
}

// TestCurrent: a link to nothing makes nobody take the newest checkpoints for those of another course.
func TestCurrent(t *testing.T) {
	d := create(t)
	if got := d.current(nil); got != -1 {
		t.Errorf("without a checkpoint: %d", got)
	}
	save(t, d, 5, 10, 20)
	if err := os.RemoveAll(d.CheckpointPath(5)); err != nil {
		t.Fatal(err)
	}
	if err := d.point(latestLink, "00000005"); err != nil {
		t.Fatal(err)
	}
	d.Keep = 2
	if err := d.Prune(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Join(d.Path(), checkpointFolder)); got != "00000010 00000020 latest" {
		t.Errorf("got %s", got)
	}
}
