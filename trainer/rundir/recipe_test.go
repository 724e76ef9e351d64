package rundir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRecipesFrom(t *testing.T) {
	d := create(t)
	for _, n := range []int{0, 5, 100_000_000} {
		if err := d.WriteRecipeFrom(n, []byte("first")); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.WriteRecipeFrom(5, []byte("second")); err != nil {
		t.Fatal(err)
	}
	if b, err := d.RecipeFrom(5); err != nil || string(b) != "second" {
		t.Errorf("got %q, %v", b, err)
	}
	for _, name := range []string{"recipe.yaml", "recipe-7.yaml", "recipe-mine.yaml", "recipe-00000009.txt"} { // are not ours
		writeFile(t, filepath.Join(d.Path(), name), "x")
	}
	removed, err := d.ForgetRecipesAfter(0)
	if want := []string{"recipe-00000005.yaml", "recipe-100000000.yaml"}; err != nil || !slices.Equal(removed, want) {
		t.Errorf("removed %q, %v, expected %q", removed, err, want)
	}
	if left, _ := filepath.Glob(filepath.Join(d.Path(), "recipe*")); len(left) != 5 {
		t.Errorf("left are %q", left)
	}
	if _, err := d.RecipeFrom(5); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	reader, err := Open(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	_, err = reader.ForgetRecipesAfter(0)
	for _, err := range []error{reader.WriteRecipeFrom(1, nil), err} {
		if err == nil || !strings.Contains(err.Error(), "for reading only") {
			t.Errorf("error is %v", err)
		}
	}
}

// TestLatestState is of the checkpoint that LatestCheckpoint takes.
func TestLatestState(t *testing.T) {
	d := create(t)
	if _, err := d.LatestState(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	for _, n := range []int{2, 4} {
		if err := d.SaveCheckpoint(example(n, 1)); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(d.Path(), "checkpoints/latest")
	for _, test := range []struct {
		target string // "": no link
		want   int
	}{{"00000004", 4}, {"00000002", 2}, {"", 4}, {"00000003", 4}} {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if test.target != "" {
			if err := os.Symlink(test.target, link); err != nil {
				t.Fatal(err)
			}
		}
		s, err := d.LatestState()
		if c, other := d.LatestCheckpoint(); err != nil || other != nil || s.Iteration != test.want || c.State.Sum != s.Sum {
			t.Errorf("%q: got iteration %d, %v, %v; expected %d", test.target, s.Iteration, err, other, test.want)
		}
	}
	// A process that died while it saved one again has left that under another name, which Lock takes back.
	replaced := filepath.Join(filepath.Dir(link), ".old-00000002")
	if err := errors.Join(os.Remove(link), os.Symlink("00000002", link), os.Rename(d.CheckpointPath(2), replaced)); err != nil {
		t.Fatal(err)
	}
	if s, err := d.LatestState(); err != nil || s.Iteration != 2 {
		t.Errorf("got iteration %d, %v", s.Iteration, err)
	}
	if err := os.RemoveAll(replaced); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(d.CheckpointPath(4), "state.json"), "{}")
	if _, err := d.LatestState(); err == nil || !strings.Contains(err.Error(), d.CheckpointPath(4)) {
		t.Errorf("error is %v", err)
	}
}
