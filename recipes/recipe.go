// Package recipes turns YAML into training runs.
//
// A recipe names a model, a dataset, an optimiser for each of the model's
// networks, and the training loop's settings. Whatever it leaves out takes the
// model's, dataset's, optimiser's and trainer's own defaults, and whatever it
// says is checked, by package strict and against each other, before anything is
// opened or built:
//
//	name: dcgan_digits
//	model: {type: dcgan, z_dim: 100}
//	dataset: {type: digits, size: 28, augment: [flip, {type: rotate, degrees: 15}]}
//	optimizer:
//	  generator: {type: adam, lr: 2.0e-4}
//	  discriminator: {lr: 1.0e-4}
//	train: {iterations: 1500, batch_size: 64, seed: 1, device: auto}
//
// An override, "train.iterations=100", replaces one key, or gives one.
package recipes

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/trainer"
)

// Recipe is a resolved recipe: defaults filled in, every value checked.
type Recipe struct {
	Name       string // fit to be a folder's name
	Model      Model
	Dataset    Dataset
	Optimizers []models.NamedOptimizer // one for each of the model's networks, in their order
	Train      trainer.Config

	doc *strict.Document
}

// Model is the model section.
type Model struct {
	Type    string // a name of models.Names
	Options models.Options
}

// Dataset is the dataset section.
type Dataset struct {
	Type    string // a name of datasets.Names
	Options datasets.Options
	Augment []Augmentation // applied in order
}

// Augmentation is one item of the dataset's augment list.
type Augmentation struct {
	Type    string // a name of datasets.AugmentationNames
	Options datasets.Augmentation
}

// Load reads a recipe's file. The error names the file or, as a strict.Errors,
// everything that is wrong in it and in the overrides.
func Load(path string, overrides []string) (*Recipe, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("recipe %s: found a folder, expected a recipe's file, such as %s, or one of the built-in recipes: %s",
			path, filepath.Join(path, "recipe.yaml"), strings.Join(BuiltinNames(), ", "))
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("recipe %s: no such file, expected a recipe's file or one of the built-in recipes: %s",
			path, strings.Join(BuiltinNames(), ", "))
	}
	var data []byte
	if err == nil {
		defer f.Close()
		data, err = io.ReadAll(io.LimitReader(f, strict.MaxSize+1)) // Parse refuses what is longer
	}
	if err != nil {
		return nil, fmt.Errorf("recipe %s: cannot read it: %w; expected a recipe's file that may be read", path, errors.Unwrap(err))
	}
	return Parse(path, data, overrides)
}

// Parse decodes a recipe; file is what errors call it.
func Parse(file string, data []byte, overrides []string) (*Recipe, error) {
	doc, err := strict.Parse(file, data, overrides)
	if err != nil {
		return nil, err
	}
	r := &Recipe{doc: doc}
	r.decode(doc.Top())
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return r, nil
}

// YAML prints the recipe with every default. It loads back to the same recipe.
func (r *Recipe) YAML() []byte { return r.doc.YAML() }

// Annotated is YAML with each value marked as default, recipe or override, and explained.
func (r *Recipe) Annotated() []byte { return r.doc.Annotated() }

// Entries lists the values with their origins and what they are.
func (r *Recipe) Entries() []strict.Entry { return r.doc.Entries() }
