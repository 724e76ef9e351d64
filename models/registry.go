// Package models holds the models, one file each. A model registers itself as a
// [Plugin], so that a recipe can name it; a new one is a new file here and
// nothing else.
package models

import (
	"maps"
	"slices"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Options are the settings of a model: a pointer to a struct whose fields carry
// yaml, check and doc tags.
type Options interface {
	// Check says whether the model can learn such images, and if not, why not and
	// what would fit.
	Check(in datasets.Info) error
	// Build makes the model with fresh weights, drawn from torch's default
	// generator on the CPU. It returns Check's error.
	Build(in datasets.Info) (trainer.Model, error)
}

// Validator is implemented by Options with settings that may contradict each
// other, whatever the images are.
type Validator interface{ Validate() error }

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
	Optimizers func() []NamedOptimizer // fresh defaults, in the order of the model's networks
	Tests      bool                    // Preview looks at test images
	BatchSize  int                     // the default
	Iterations int                     // the default
}

var plugins = map[string]Plugin{}

// Register makes a model type known; call it from init. It panics on a name that
// is empty or taken, which is a mistake in the program.
func Register(p Plugin) {
	if _, taken := plugins[p.Name]; taken || p.Name == "" || p.Options == nil || p.Optimizers == nil {
		panic("models: cannot register " + p.Name + ": the name is empty or taken, or there are no options or optimisers")
	}
	plugins[p.Name] = p
}

// Lookup returns the model type of that name.
func Lookup(name string) (Plugin, bool) {
	p, ok := plugins[name]
	return p, ok
}

// Names lists the registered model types, sorted.
func Names() []string { return slices.Sorted(maps.Keys(plugins)) }
