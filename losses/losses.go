// Package losses holds the loss functions of the models: short functions of
// tensors, each the equation of its paper. Every loss is a mean over all
// elements, a tensor of no dimension, and float32 of bfloat16; scores and logits may have any shape. Beside
// them are the figures that tell whether a game of two networks goes well.
package losses

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// BCE is the binary cross-entropy of sigmoid(logits) against one target for
// all, such as 1 for "real" and 0 for "generated", and 0.9 to smooth a label:
//
//	-mean(target log sigmoid(x) + (1 - target) log(1 - sigmoid(x)))
//
// It is computed from the logits and does not overflow (Goodfellow et al. 2014;
// a generator's BCE against 1 is their non-saturating loss).
func BCE(logits torch.Tensor, target float64) torch.Tensor {
	logits = torchx.Float(logits)
	return torchx.BCEWithLogits(logits, constantLike(logits, target))
}

// Hinge is mean(relu(1 + x)), the discriminator's loss on generated images, and
// of -x on real ones (Lim & Ye 2017, "Geometric GAN").
func Hinge(x torch.Tensor) torch.Tensor {
	return torchx.Mean(torchx.ReLU(torchx.AddScalar(torchx.Float(x), 1)))
}

// LeastSquares is mean((x - target)^2) / 2, with targets 1 for "real" and 0 for
// "generated" (Mao et al. 2017, "Least Squares Generative Adversarial Networks").
func LeastSquares(x torch.Tensor, target float64) torch.Tensor {
	return torchx.MulScalar(torchx.Mean(torchx.Square(torchx.AddScalar(torchx.Float(x), -target))), 0.5)
}

// WassersteinCritic is mean(generated) - mean(real), minus the critic's estimate
// of the Wasserstein distance (Arjovsky et al. 2017).
func WassersteinCritic(real, generated torch.Tensor) torch.Tensor {
	return torchx.Sub(torchx.Mean(generated), torchx.Mean(real))
}

// WassersteinGenerator is -mean(generated) (Arjovsky et al. 2017).
func WassersteinGenerator(generated torch.Tensor) torch.Tensor {
	return torchx.Neg(torchx.Mean(generated))
}

// constantLike is a tensor of t's shape, type and device filled with value.
func constantLike(t torch.Tensor, value float64) torch.Tensor {
	return torchx.Full(value, t.Dtype(), torchx.Device(t), torchx.Shape(t)...)
}
