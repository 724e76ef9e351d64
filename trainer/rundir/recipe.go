package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/imori-ml/imori/internal/regular"
)

// A run keeps the recipe that it began with. One with which it went on from an iteration has that in its name.
const (
	changedPrefix = "recipe-"
	recipeSuffix  = ".yaml"
	maxRecipe     = 1 << 20 // bytes; recipes/strict parses no more
)

// RecipeName is the file of the recipe with which a run went on from an iteration, where that was another one than before.
func RecipeName(iteration int) string {
	return changedPrefix + IterationName(iteration) + recipeSuffix
}

// RecipeFrom returns the recipe with which the run went on from an iteration: fs.ErrNotExist if that was the one before.
func (d *Dir) RecipeFrom(iteration int) ([]byte, error) {
	return regular.Read(filepath.Join(d.path, RecipeName(iteration)), maxRecipe)
}

// writeRecipe refuses what could not be read again.
func (d *Dir) writeRecipe(name string, yaml []byte) error {
	if len(yaml) > maxRecipe {
		return fmt.Errorf("%s has %d bytes, expected at most %d", name, len(yaml), maxRecipe)
	}
	return d.write(filepath.Join(d.path, name), func(w io.Writer) error {
		_, err := w.Write(yaml)
		return err
	})
}

// WriteRecipeFrom writes the recipe with which the run goes on from an iteration, in place of one that is there.
func (d *Dir) WriteRecipeFrom(iteration int, yaml []byte) error {
	if err := d.Writable(); err != nil {
		return err
	}
	if err := d.writeRecipe(RecipeName(iteration), yaml); err != nil {
		return fmt.Errorf("cannot write the changed recipe of run %s: %w", d.path, err)
	}
	return nil
}

// ForgetRecipesAfter removes the recipes of later iterations, which a run that went back has not come to, and returns
// their names.
func (d *Dir) ForgetRecipesAfter(iteration int) (removed []string, err error) {
	if err := d.Writable(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSuffix(e.Name(), recipeSuffix), changedPrefix))
		if err != nil || e.Name() != RecipeName(n) || n <= iteration {
			continue
		}
		if err := d.discard(filepath.Join(d.path, e.Name())); err != nil {
			return removed, err
		}
		removed = append(removed, e.Name())
	}
	return removed, nil
}

// LatestState reads state.json of the checkpoint that LatestCheckpoint takes, and nothing else of it: fs.ErrNotExist if the
// run has no checkpoint.
func (d *Dir) LatestState() (State, error) {
	folder, err := resolve(filepath.Join(d.path, checkpointFolder, latestLink))
	if errors.Is(err, fs.ErrNotExist) {
		folder, err = d.newest()
	}
	if err != nil {
		return State{}, err
	}
	s, err := readState(folder)
	if err != nil {
		return State{}, fmt.Errorf("checkpoint %s: %w", folder, err)
	}
	return s, nil
}

// newest is the folder of the newest checkpoint.
func (d *Dir) newest() (string, error) {
	iterations, err := d.Checkpoints()
	if err == nil && len(iterations) == 0 {
		err = fmt.Errorf("run folder %s has no checkpoint yet: %w", d.path, fs.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	return d.CheckpointPath(iterations[len(iterations)-1]), nil
}
