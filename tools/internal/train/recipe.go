package train

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

// changes are what of a recipe is not as it was in the run to resume.
type changes struct {
	any      bool
	accepted []string // those after which the run is no longer the one that began
}

// loadRecipe returns the recipe that the command line asks for, and how it differs from that of the run to resume.
func loadRecipe(o *options) (*recipes.Recipe, changes, error) {
	if o.resume != "" {
		return loadResumed(o)
	}
	r, err := load(o.recipe, o.overrides())
	return r, changes{}, err
}

// overrides are those of -set, then -device, in the form of the former.
func (o *options) overrides() []string {
	overrides := o.set
	if o.device != "" {
		overrides = append(overrides[:len(overrides):len(overrides)], "train.device="+o.device)
	}
	return overrides
}

// load takes what names or looks like a file for one, and everything else for the name of a built-in recipe.
func load(name string, overrides []string) (*recipes.Recipe, error) {
	info, err := os.Stat(name)
	isThere := err == nil && !(info.IsDir() && slices.Contains(recipes.BuiltinNames(), name))
	looksLikeFile := strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.ContainsRune(name, filepath.Separator)
	var r *recipes.Recipe
	switch {
	case isThere || looksLikeFile:
		r, err = recipes.Load(name, overrides)
	case slices.Contains(recipes.BuiltinNames(), name):
		r, err = recipes.Builtin(name, overrides)
	default:
		_, err = recipes.Builtin(name, nil)
		err = fmt.Errorf("recipe %s: no such file here, and %w", name, err)
	}
	if err != nil {
		return nil, cli.Wrong(err)
	}
	return r, nil
}

// loadResumed returns the recipe with which the run to resume was trained last, with those changes that leave valid what was
// trained so far, or with any that are accepted.
func loadResumed(o *options) (*recipes.Recipe, changes, error) {
	if err := trained.CheckRun(o.resume); err != nil {
		return nil, changes{}, err
	}
	dir, err := rundir.Open(o.resume)
	if err != nil {
		return nil, changes{}, err
	}
	data, file, err := trainer.RunRecipe(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, changes{}, fmt.Errorf("%w: it was not made by train, or not by this version", err)
	}
	if err != nil {
		return nil, changes{}, err
	}
	saved := filepath.Ext(file) == ".json"
	if saved {
		file = "the recipe in " + file // whose lines are not the file's
	}
	old, err := recipes.Parse(file, data, nil)
	if err != nil {
		return nil, changes{}, err
	}
	changed, err := recipes.Parse(file, data, o.overrides())
	if err != nil {
		return nil, changes{}, cli.Wrong(err)
	}
	if o.recipe != "" {
		if changed, err = load(o.recipe, o.overrides()); err != nil {
			return nil, changes{}, err
		}
	}
	harmful, fatal := refused(old, changed, saved)
	list, advice := harmful, "begin a new run, take back what follows, or add -accept-changes"
	if o.acceptChanges {
		list = nil
	}
	if fatal != nil {
		list, advice = append(list, fatal...), "begin a new run, or take back what follows"
	}
	if list == nil {
		return changed, changes{!bytes.Equal(data, changed.YAML()), harmful}, nil
	}
	return nil, changes{}, cli.Wrong(fmt.Errorf("run %s cannot be resumed with another recipe; %s:\n  %s", o.resume, advice, strings.Join(list, "\n  ")))
}

// refused lists changes after which the run is no longer the one that began, and those with which no run can go on that has
// a checkpoint.
func refused(old, changed *recipes.Recipe, saved bool) (harmful, fatal []string) {
	for _, d := range recipes.Diff(old, changed) {
		text := fmt.Sprintf("%s: %s in the run, %s now", d.Key, orNothing(d.Old), orNothing(d.New))
		switch {
		case d.Effect == recipes.Harmless:
		case d.Effect == recipes.Fatal && saved:
			fatal = append(fatal, text+", which -accept-changes cannot help: the run's place in its data depends on it")
		default:
			harmful = append(harmful, text)
		}
	}
	return harmful, fatal
}

func orNothing(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}
