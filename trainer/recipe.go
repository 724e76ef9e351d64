package trainer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/imori-ml/imori/trainer/rundir"
)

// recipeKey is where in a checkpoint's State.Extra the trainer keeps Options.Recipe.
const recipeKey = "recipe"

// SavedRecipe returns Options.Recipe as it was when a checkpoint was saved; nil: there was none, or an older version saved it.
func SavedRecipe(s rundir.State) ([]byte, error) {
	raw := s.Extra[recipeKey]
	if raw == nil {
		return nil, nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, fmt.Errorf("what the checkpoint says of the recipe is damaged: %w", err)
	}
	return []byte(text), nil
}

// RunRecipe returns the Options.Recipe with which a resumed run goes on, and the file that has it: the one that the run went
// on with from its latest checkpoint, should it have changed there, else that of the checkpoint, else the one that the run
// began with. A run that has none is fs.ErrNotExist. A checkpoint that cannot be read is for New to refuse.
func RunRecipe(dir *rundir.Dir) (recipe []byte, file string, err error) {
	state, err := dir.LatestState()
	if err != nil { // so that its iteration is 0
		return recipeAt(dir, rundir.State{})
	}
	return recipeAt(dir, state)
}

// recipeAt is RunRecipe of a run that goes on from a state; the zero one is the beginning.
func recipeAt(dir *rundir.Dir, state rundir.State) (recipe []byte, file string, err error) {
	recipe, err = dir.RecipeFrom(state.Iteration)
	if !errors.Is(err, fs.ErrNotExist) {
		return recipe, filepath.Join(dir.Path(), rundir.RecipeName(state.Iteration)), err
	}
	file = filepath.Join(dir.CheckpointPath(state.Iteration), "state.json")
	if recipe, err = SavedRecipe(state); recipe != nil || err != nil {
		return recipe, file, err
	}
	recipe, err = dir.Recipe()
	return recipe, filepath.Join(dir.Path(), "recipe.yaml"), err
}

// keepRecipe sees to it that a run that is killed before its next checkpoint goes on from this state with this recipe.
func (t *Trainer) keepRecipe(state rundir.State) error {
	if t.dir == nil || t.Recipe == nil {
		return nil
	}
	if was, _, err := recipeAt(t.dir, state); err == nil && bytes.Equal(was, t.Recipe) {
		return nil
	}
	return t.dir.WriteRecipeFrom(state.Iteration, t.Recipe)
}

// keepRecipeGoingBack is keepRecipe of a rollback, which a full disk is not to end: keepLateRecipe tries it again.
func (t *Trainer) keepRecipeGoingBack(state rundir.State) error {
	t.unkept = nil
	err := t.keepRecipe(state)
	if err == nil || !t.toleratesDisk(err) {
		return err
	}
	t.observer.Warn(fmt.Sprintf("%v; training goes on, and tries again before the next line is logged", err))
	t.unkept = &state
	return nil
}

// keepLateRecipe does what a rollback could not. That the disk is full still was said then.
func (t *Trainer) keepLateRecipe() error {
	if t.unkept == nil {
		return nil
	}
	err := t.keepRecipe(*t.unkept)
	if err == nil {
		t.unkept = nil
	}
	if err != nil && t.toleratesDisk(err) {
		return nil
	}
	return err
}

// ErrRecipeNotKept is wrapped by the error of a resumed run that could not keep its changed recipe. Nothing was trained: who
// goes on without saying the changes again goes on with the recipe before them.
var ErrRecipeNotKept = errors.New("the run does not go on with a changed recipe that it cannot keep")

// resumeRecipe is keepRecipe of a resumed run, which may have been made to go back, too.
func (t *Trainer) resumeRecipe() error {
	if t.dir == nil || !t.Resume {
		return nil
	}
	state, err := t.dir.LatestState()
	if errors.Is(err, fs.ErrNotExist) {
		state, err = rundir.State{}, nil
	}
	if err != nil {
		return err
	}
	if err := t.keepRecipe(state); err != nil {
		return fmt.Errorf("%w: %w", ErrRecipeNotKept, err)
	}
	later, err := t.dir.ForgetRecipesAfter(state.Iteration)
	if len(later) > 0 {
		t.observer.Warn(fmt.Sprintf("the run goes on from iteration %d: the recipes with which it went on later are removed: %s",
			state.Iteration, strings.Join(later, ", ")))
	}
	return err
}
