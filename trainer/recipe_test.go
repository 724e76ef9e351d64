package trainer

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/imori-ml/imori/trainer/rundir"
)

// recipeOf is that with which a run goes on, and the name of the file that has it.
func recipeOf(t *testing.T, folder string) (recipe, file string) {
	t.Helper()
	dir, err := rundir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	b, file, err := RunRecipe(dir)
	if err != nil {
		t.Fatal(err)
	}
	file, err = filepath.Rel(folder, file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), file
}

// TestRecipeIsKept: a run that is resumed with another recipe keeps it, also if it ends before its next checkpoint or goes
// back further than it was resumed from.
func TestRecipeIsKept(t *testing.T) {
	expect := func(o Options, recipe, file string) {
		t.Helper()
		if r, f := recipeOf(t, o.Dir); r != recipe || f != file {
			t.Errorf("the recipe is %q of %s, expected %q of %s", r, f, recipe, file)
		}
	}
	o := options(poisoned(func(s *Step) bool { return s.Iteration() == 9 && s.t.OnDivergence == divergenceRollback }))
	o.Dir, o.Recipe = filepath.Join(inMemory(t), "run"), []byte("first: <é>\n")
	run(t, o, 7)
	expect(o, "first: <é>\n", "checkpoints/00000007/state.json")

	o.Resume, o.Recipe, o.OnDivergence, o.MaxRollbacks = true, []byte("second\n"), divergenceRollback, 1
	seen := false
	o.Observer = &recorder{progress: func(p Progress) {
		if p.Iteration == 8 && !seen {
			seen = true
			expect(o, "second\n", "recipe-00000007.yaml")
			if err := os.WriteFile(filepath.Join(o.Dir, "checkpoints/00000007/critic.safetensors"), nil, 0o666); err != nil {
				t.Error(err)
			}
		}
	}}
	if _, err := attempt(t, o); !errors.Is(err, ErrDiverged) {
		t.Fatal(err)
	}
	expect(o, "second\n", "recipe-00000005.yaml")
	if _, err := os.Stat(filepath.Join(o.Dir, "recipe-00000007.yaml")); err == nil {
		t.Error("the run keeps the recipe of an iteration that it has not come to")
	}
	o.OnDivergence, o.Observer = divergenceStop, nil
	run(t, o, 0)
	expect(o, "second\n", "checkpoints/00000012/state.json")
	if got := read(t, o.Dir, "recipe.yaml"); got != "first: <é>\n" {
		t.Errorf("recipe.yaml is %q", got)
	}
}

// TestRecipeOfAnOlderVersion: its checkpoints say nothing of it.
func TestRecipeOfAnOlderVersion(t *testing.T) {
	if r, err := SavedRecipe(rundir.State{}); r != nil || err != nil {
		t.Errorf("got %q, %v", r, err)
	}
	if _, err := SavedRecipe(rundir.State{Extra: map[string]json.RawMessage{recipeKey: []byte("7")}}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("error is %v", err)
	}
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	run(t, o, 3)
	if err := os.WriteFile(filepath.Join(o.Dir, "recipe.yaml"), []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r, f := recipeOf(t, o.Dir); r != "old" || f != "recipe.yaml" {
		t.Errorf("the recipe is %q of %s", r, f)
	}
	o.Resume, o.Recipe = true, []byte("old")
	run(t, o, 0)
	if all, _ := filepath.Glob(filepath.Join(o.Dir, "recipe*")); len(all) != 1 {
		t.Errorf("there are %q", all)
	}
}
