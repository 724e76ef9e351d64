package losses

import (
	"fmt"
	"math"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// Adversarial is the losses of the two sides of a GAN. The arguments are the
// discriminator's outputs, before any sigmoid.
type Adversarial struct {
	Real      func(logits torch.Tensor) torch.Tensor // the discriminator's, on real images
	Generated func(logits torch.Tensor) torch.Tensor // the discriminator's, on generated images
	Generator func(logits torch.Tensor) torch.Tensor // the generator's, on its images
	threshold func(generated float64) float64        // outputs above it say "real", given so many generated images to a real one
}

// Discriminator is the sum of the discriminator's two losses.
func (a Adversarial) Discriminator(real, generated torch.Tensor) torch.Tensor {
	return torchx.Add(a.Real(real), a.Generated(generated))
}

// AccuracyReal is the share of the discriminator's outputs on real images that
// are right: above what the best discriminator says of an image that is as likely
// real as generated. For bce and least_squares that is half way between the two
// targets, as a logit for bce; if there are, say, two generated images to each
// real one, a third of the way. For hinge it is 0. The outputs may be maps; the
// result is a mean over all their values.
func (a Adversarial) AccuracyReal(onReal, onGenerated torch.Tensor) torch.Tensor {
	return sharePositive(torchx.AddScalar(torchx.Float(onReal), -a.between(onReal, onGenerated)))
}

// AccuracyGenerated is the share of the outputs on generated images that are
// right, below the same value.
func (a Adversarial) AccuracyGenerated(onReal, onGenerated torch.Tensor) torch.Tensor {
	return sharePositive(torchx.Neg(torchx.AddScalar(torchx.Float(onGenerated), -a.between(onReal, onGenerated))))
}

func (a Adversarial) between(onReal, onGenerated torch.Tensor) float64 {
	return a.threshold(float64(torchx.Shape(onGenerated)[0]) / float64(torchx.Shape(onReal)[0]))
}

// sharePositive stays on the device. Any number above 0 is far beyond 1 when
// multiplied.
func sharePositive(t torch.Tensor) torch.Tensor {
	return torchx.Mean(torchx.Clamp(torchx.MulScalar(t, math.MaxFloat32), 0, 1))
}

// LookupAdversarial returns the losses that recipes call name: "bce", "hinge" or
// "least_squares". The discriminator's target for real images is 1 - smoothing
// (one-sided label smoothing, Salimans et al. 2016); hinge has no targets, and
// smoothing it is an error.
func LookupAdversarial(name string, smoothing float64) (Adversarial, error) {
	if !(smoothing >= 0 && smoothing < 1) {
		return Adversarial{}, fmt.Errorf("label smoothing is %g, expected at least 0 and less than 1", smoothing)
	}
	against := func(loss func(torch.Tensor, float64) torch.Tensor, target float64) func(torch.Tensor) torch.Tensor {
		return func(logits torch.Tensor) torch.Tensor { return loss(logits, target) }
	}
	switch name {
	case "bce":
		threshold := func(generated float64) float64 { // the logit of the probability (1 - smoothing) / (1 + generated)
			return math.Log((1 - smoothing) / (generated + smoothing))
		}
		return Adversarial{against(BCE, 1-smoothing), against(BCE, 0), against(BCE, 1), threshold}, nil
	case "least_squares":
		threshold := func(generated float64) float64 { return (1 - smoothing) / (1 + generated) }
		return Adversarial{against(LeastSquares, 1-smoothing), against(LeastSquares, 0), against(LeastSquares, 1), threshold}, nil
	case "hinge":
		if smoothing != 0 {
			return Adversarial{}, fmt.Errorf("label smoothing is %g with the hinge loss, which has no labels to smooth; expected 0, or the loss bce or least_squares", smoothing)
		}
		real := func(logits torch.Tensor) torch.Tensor { return Hinge(torchx.Neg(logits)) }
		return Adversarial{real, Hinge, WassersteinGenerator, func(float64) float64 { return 0 }}, nil
	}
	return Adversarial{}, fmt.Errorf("adversarial loss is %q, expected bce, hinge or least_squares", name)
}
