package datasets

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Augmentation is one random change of a sample, made by the loader's goroutines
// in place. It must draw from rng alone, which is a function of seed, epoch and
// index, and be safe for concurrent use. A sample and its target always get the
// same geometry.
type Augmentation interface {
	Apply(rng *rand.Rand, info Info, s *Sample)
}

var augmentations = map[string]Augmentation{
	"flip": flip{},
}

// ParseAugmentation returns the augmentation of that name; the error lists the
// known ones.
func ParseAugmentation(name string) (Augmentation, error) {
	a, ok := augmentations[name]
	if !ok {
		return nil, fmt.Errorf("unknown augmentation %q, expected one of: %s", name, strings.Join(AugmentationNames(), ", "))
	}
	return a, nil
}

// AugmentationNames lists the known augmentations, sorted.
func AugmentationNames() []string { return slices.Sorted(maps.Keys(augmentations)) }

// flip mirrors left and right with probability 1/2.
type flip struct{}

func (flip) Apply(rng *rand.Rand, info Info, s *Sample) {
	if rng.Uint64()&1 == 0 {
		return
	}
	for _, image := range [][]float32{s.Image, s.Target} {
		for row := range slices.Chunk(image, info.Width) {
			slices.Reverse(row)
		}
	}
}
