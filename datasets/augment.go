package datasets

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// Augmentation is one random change of a sample, made by the loader's goroutines
// in place. It must draw from rng alone, which is a function of seed, epoch and
// index, and be safe for concurrent use. A sample and its target always get the
// same geometry; only the sample gets other colours.
type Augmentation interface {
	Apply(rng *rand.Rand, info Info, s *Sample)
}

// AugmentationPlugin is an augmentation type as recipes know it.
type AugmentationPlugin struct {
	Name  string // "flip"
	About string // one line for a list
	// Options returns a pointer to a fresh struct that holds the defaults, and
	// whose fields carry yaml, check and doc tags.
	Options func() Augmentation
}

var augmentations = map[string]AugmentationPlugin{}

// RegisterAugmentation makes an augmentation type known; call it from init. It
// panics on a name that is empty or taken, which is a mistake in the program.
func RegisterAugmentation(p AugmentationPlugin) {
	if _, taken := augmentations[p.Name]; taken || p.Name == "" || p.Options == nil {
		panic("datasets: cannot register the augmentation " + p.Name + ": the name is empty or taken, or there are no options")
	}
	augmentations[p.Name] = p
}

// LookupAugmentation returns the augmentation type of that name.
func LookupAugmentation(name string) (AugmentationPlugin, bool) {
	p, ok := augmentations[name]
	return p, ok
}

// AugmentationNames lists the registered augmentation types, sorted.
func AugmentationNames() []string { return slices.Sorted(maps.Keys(augmentations)) }
