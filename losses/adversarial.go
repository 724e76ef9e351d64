package losses

import torch "github.com/wangkuiyi/gotorch"

// Adversarial is the pair of losses of a GAN. The arguments are the
// discriminator's outputs, before any sigmoid, on real and generated images.
type Adversarial struct {
	Discriminator func(real, generated torch.Tensor) torch.Tensor
	Generator     func(generated torch.Tensor) torch.Tensor
}

// LookupAdversarial returns the pair that recipes call name: "bce", "hinge" or
// "least_squares".
func LookupAdversarial(name string) (Adversarial, bool) {
	switch name {
	case "bce":
		return Adversarial{BCEDiscriminator, BCEGenerator}, true
	case "hinge":
		return Adversarial{HingeDiscriminator, HingeGenerator}, true
	case "least_squares":
		return Adversarial{LeastSquaresDiscriminator, LeastSquaresGenerator}, true
	}
	return Adversarial{}, false
}
