package losses

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// Adversarial is the pair of losses of a GAN. The arguments are the
// discriminator's outputs, before any sigmoid, on real and generated images.
type Adversarial struct {
	Discriminator func(real, generated torch.Tensor) torch.Tensor
	Generator     func(generated torch.Tensor) torch.Tensor
}

// LookupAdversarial returns the pair that recipes call name: "bce", "hinge" or
// "least_squares".
//
// The discriminator's target on real images is 1 - smoothing, for a smoothing of
// at least 0 and below 1: one-sided label smoothing (Salimans et al. 2016,
// "Improved Techniques for Training GANs"). The hinge has no targets, so its
// smoothing must be 0.
func LookupAdversarial(name string, smoothing float64) (Adversarial, error) {
	if !(smoothing >= 0 && smoothing < 1) { // a NaN too
		return Adversarial{}, fmt.Errorf("label smoothing is %g, expected at least 0 and below 1", smoothing)
	}
	target := 1 - smoothing
	switch name {
	case "bce":
		return Adversarial{func(real, generated torch.Tensor) torch.Tensor {
			return torchx.Add(BCE(real, target), BCE(generated, 0))
		}, BCEGenerator}, nil
	case "hinge":
		if smoothing != 0 {
			return Adversarial{}, fmt.Errorf("label smoothing is %g, expected 0: the hinge loss has no labels; or take the loss bce or least_squares", smoothing)
		}
		return Adversarial{HingeDiscriminator, HingeGenerator}, nil
	case "least_squares":
		return Adversarial{func(real, generated torch.Tensor) torch.Tensor {
			return torchx.Add(leastSquares(real, target), leastSquares(generated, 0))
		}, LeastSquaresGenerator}, nil
	}
	return Adversarial{}, fmt.Errorf("loss is %q, expected bce, hinge or least_squares", name)
}
