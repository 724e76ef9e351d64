package models

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
)

// adam is the default optimiser of a network: Adam with PyTorch's other values.
func adam(network string, lr, beta1, beta2 float64) NamedOptimizer {
	o, _ := torchx.NewOptimizerOptions("adam")
	adam := o.(*torchx.Adam)
	adam.LR, adam.Betas = lr, [2]float64{beta1, beta2}
	return NamedOptimizer{network, o}
}

// rmsprop is the default optimiser of a network: RMSprop with PyTorch's other values.
func rmsprop(network string, lr float64) NamedOptimizer {
	o, _ := torchx.NewOptimizerOptions("rmsprop")
	o.(*torchx.RMSprop).LR = lr
	return NamedOptimizer{network, o}
}

// pixels is the number of values of an image.
func pixels(in datasets.Info) int64 { return int64(in.Channels) * int64(in.Height) * int64(in.Width) }

// build makes networks: in a scope that frees the temporaries of initialisation,
// with libtorch's errors returned.
func build(model string, f func()) error {
	if err := torchx.Try(func() { torchx.Scoped(f) }); err != nil {
		return fmt.Errorf("%s: building the networks: %w", model, err)
	}
	return nil
}

// maxHalvings keeps 2^n far from overflow; no image has such sides.
const maxHalvings = 16

// checkSides says whether images can pass n layers that each halve, or double,
// their height and width.
func checkSides(model string, in datasets.Info, n int) error {
	if n > maxHalvings {
		return fmt.Errorf("%s: found %d widths in a list of channels, expected at most %d: each halves the sides of the image", model, n, maxHalvings)
	}
	if in.Channels != 1 && in.Channels != 3 || in.Height < 1 || in.Width < 1 {
		return fmt.Errorf("%s: the images of %s have %d channels, height %d, width %d; expected 1 channel or 3, and sides of at least 1",
			model, in.Name, in.Channels, in.Height, in.Width)
	}
	if divides(n, in) {
		return nil
	}
	factor := 1 << n
	// The sizes below and above; below the factor there is none.
	lower := func(side int) int { return max(side/factor*factor, factor) }
	upper := func(side int) int { return (side + factor - 1) / factor * factor }
	nearest := fmt.Sprintf("%dx%d", lower(in.Height), lower(in.Width))
	if other := fmt.Sprintf("%dx%d", upper(in.Height), upper(in.Width)); other != nearest {
		nearest += " and " + other
	}
	return fmt.Errorf("%s: the images of %s are %dx%d, but %d layers each halve height and width, so that %d must divide both; the nearest sizes that fit: %s",
		model, in.Name, in.Height, in.Width, n, factor, nearest)
}

// divides says whether 2^n divides both sides of the images.
func divides(n int, in datasets.Info) bool {
	return in.Height%(1<<n) == 0 && in.Width%(1<<n) == 0
}

// toUnit maps images in [-1, 1] to [0, 1].
func toUnit(x torch.Tensor) torch.Tensor { return torchx.MulScalar(torchx.AddScalar(x, 1), 0.5) }

// fromUnit maps images in [0, 1] to [-1, 1].
func fromUnit(x torch.Tensor) torch.Tensor { return torchx.AddScalar(torchx.MulScalar(x, 2), -1) }
