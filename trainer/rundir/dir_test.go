package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestCreateMakesParents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs", "wgan", "now")
	d, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if d.Path() != path || names(t, path) != ".lock checkpoints samples" {
		t.Errorf("%s has %s", d.Path(), names(t, path))
	}
}

func TestCreateRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want []string
	}{
		{"file", func(t *testing.T, path string) { writeFile(t, path, "") }, []string{"is a file"}},
		{"recipe", func(t *testing.T, path string) { inRun(t, path, recipeFile) }, []string{"already holds a run (recipe.yaml)"}},
		{"metrics", func(t *testing.T, path string) { inRun(t, path, metricsFile) }, []string{"already holds a run (metrics.jsonl)"}},
		{"checkpoint", func(t *testing.T, path string) { inRun(t, path, "checkpoints/00000005/state.json") },
			[]string{"already holds a run (checkpoints)", "resume it or choose another folder"}},
		{"file for samples", func(t *testing.T, path string) { inRun(t, path, samplesFolder) }, []string{"cannot write", "samples", "not a directory"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run")
			c.make(t, path)
			_, err := Create(path)
			wantError(t, err, append(c.want, path)...)
		})
	}
	t.Run("parent is a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		writeFile(t, path, "")
		_, err := Create(filepath.Join(path, "run"))
		wantError(t, err, "cannot make run folder", "not a directory")
	})
}

func inRun(t *testing.T, run, file string) {
	t.Helper()
	path := filepath.Join(run, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, "x")
}

// A run that fails before it begins, and a folder with other things in it, are no obstacle.
func TestCreateAgain(t *testing.T) {
	d := create(t)
	path := d.Path()
	d.Close()
	inRun(t, path, "notes.txt")
	inRun(t, path, ".tmp-mine")
	d, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if got := names(t, path); got != ".lock .tmp-mine checkpoints notes.txt samples" {
		t.Errorf("left: %s", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	folder := t.TempDir()
	_, err := Open(filepath.Join(folder, "none"))
	wantError(t, err, "cannot open run folder", "no such file or directory; `imori runs` lists the runs")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("not fs.ErrNotExist")
	}
	_, err = Open(folder)
	wantError(t, err, folder+` is not the folder of a run: it has no folder "checkpoints"`)
	writeFile(t, filepath.Join(folder, "file"), "")
	_, err = Open(filepath.Join(folder, "file"))
	wantError(t, err, "is a file, expected the folder of a run")
}

func TestRecipe(t *testing.T) {
	d := create(t)
	_, err := d.Recipe()
	wantError(t, err, "has no recipe.yaml")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("not fs.ErrNotExist")
	}
	for range 2 { // the second changes nothing
		if err := d.WriteRecipe([]byte("name: x\n")); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, d.WriteRecipe([]byte("name: y\n")), "already has another recipe.yaml")
	if b, err := reopen(t, d).Recipe(); err != nil || string(b) != "name: x\n" {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestReadingOnly(t *testing.T) {
	d := create(t)
	save(t, d, 1)
	r, err := Open(d.Path()) // beside the writer
	if err != nil {
		t.Fatal(err)
	}
	if c, err := r.LatestCheckpoint(); err != nil || c.State.Iteration != 1 {
		t.Errorf("got %v, %v", c, err)
	}
	_, metrics := r.Metrics()
	_, timing := r.Timing()
	_, picture := r.SavePicture(1, Grid(nil, 0, 1, 1, 1, 1))
	_, animation := r.SaveAnimation(r.Pictures(math.MaxInt), 0)
	for _, err := range []error{metrics, timing, picture, animation, r.WriteRecipe(nil), r.SaveCheckpoint(example(2, 1))} {
		wantError(t, err, "open for reading only: call Lock")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	d := create(t)
	if err := d.Lock(); err != nil { // it is ours
		t.Fatal(err)
	}
	host, _ := os.Hostname()
	owner := fmt.Sprintf("in use by process %d on %s:", os.Getpid(), host)
	r, err := Open(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Lock(), owner, "choose another folder")
	_, err = Create(d.Path())
	wantError(t, err, owner)
	writeFile(t, filepath.Join(d.Path(), lockFile), "")
	wantError(t, r.Lock(), "in use by another process:")
	for range 2 {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Lock(); err != nil {
		t.Fatal(err)
	}
	r.Close()
}

// What a process leaves that died at the worst moments.
func TestLockRemovesLeftovers(t *testing.T) {
	d := create(t)
	save(t, d, 1, 2)
	for _, file := range []string{
		".tmp-recipe.yaml-ABCDEFGH", "samples/.tmp-00000001.png-ABCDEFGH",
		"checkpoints/.tmp-00000003-ABCDEFGH/critic.safetensors", "checkpoints/.old-00000001/state.json",
	} {
		inRun(t, d.Path(), file)
	}
	folder := filepath.Join(d.Path(), checkpointFolder)
	if err := os.Rename(filepath.Join(folder, "00000002"), filepath.Join(folder, ".old-00000002")); err != nil {
		t.Fatal(err)
	}
	d = reopen(t, d)
	if got := names(t, d.Path()) + ", " + names(t, folder) + ", " + names(t, filepath.Join(d.Path(), samplesFolder)); got !=
		".lock checkpoints samples, 00000001 00000002 latest, " {
		t.Errorf("left: %s", got)
	}
	for _, n := range []string{"00000001", "00000002"} {
		if _, err := OpenCheckpoint(filepath.Join(folder, n)); err != nil {
			t.Error(err)
		}
	}
}
