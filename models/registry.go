// Package models holds the models, one file each. A model registers itself as a
// [Plugin], so that a recipe can name it; a new one is a new file here and
// nothing else.
package models

import (
	"maps"
	"slices"
	"strconv"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Options are the settings of a model: a pointer to a struct whose fields carry
// yaml, check and doc tags, which package recipes/strict describes. Settings that
// may contradict each other, whatever the images are, have a method Validate that
// strict.Validator describes.
type Options interface {
	// Check says whether the model can learn such images, and if not, why not and
	// what would fit. Values that a recipe could not have, as tags forbid them, may
	// come from Go code: they are to be an error, too, where they would panic.
	Check(in datasets.Info) error
	// Build makes the model with fresh weights, drawn from torch's default
	// generator on the CPU. It returns Check's error.
	Build(in datasets.Info) (trainer.Model, error)
}

// NamedOptimizer is the optimiser of one network.
type NamedOptimizer struct {
	Network string
	Options torchx.OptimizerOptions
}

// Plugin is a model type as recipes know it.
type Plugin struct {
	Name       string                  // "wgan"
	About      string                  // one line for a list, with the paper
	Options    func() Options          // a pointer to a fresh struct that holds the defaults
	Optimizers func() []NamedOptimizer // fresh defaults, in the order of the networks that phases update
	Tests      bool                    // Preview looks at test images: a Reconstructor's or Translator's does
	BatchSize  int                     // the default
	Iterations int                     // the default
}

var plugins = map[string]Plugin{}

// Register makes a model type known; call it from init. It panics on a plugin
// that is incomplete or whose name is taken, which is a mistake in the program.
func Register(p Plugin) {
	refuse := func(bad bool, reason string) {
		if bad {
			panic("models: cannot register " + strconv.Quote(p.Name) + ": " + reason)
		}
	}
	_, taken := plugins[p.Name]
	refuse(p.Name == "", "it has no Name")
	refuse(taken, "the name is taken")
	refuse(p.About == "", "it has no About, a line for lists")
	refuse(p.Options == nil, "it has no Options")
	refuse(p.Optimizers == nil, "it has no Optimizers")
	refuse(p.BatchSize < 1 || p.Iterations < 1, "BatchSize or Iterations is less than 1")
	plugins[p.Name] = p
}

// Lookup returns the model type of that name.
func Lookup(name string) (Plugin, bool) {
	p, ok := plugins[name]
	return p, ok
}

// Names lists the registered model types, sorted.
func Names() []string { return slices.Sorted(maps.Keys(plugins)) }
