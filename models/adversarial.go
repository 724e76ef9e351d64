package models

import (
	"fmt"

	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
)

// AdversarialOptions are what the models have in common whose discriminator says
// real or generated.
type AdversarialOptions struct {
	Loss           string  `yaml:"loss" check:"oneof=bce|hinge|least_squares" doc:"adversarial loss"`
	LabelSmoothing float64 `yaml:"label_smoothing" check:"min=0,lt=1" doc:"the discriminator's target for real images is 1 less this; not with hinge"`
	SpectralNorm   bool    `yaml:"spectral_norm" doc:"divide the discriminator's weights by their spectral norms (Miyato et al. 2018)"`
}

func defaultAdversarial() AdversarialOptions { return AdversarialOptions{Loss: "bce"} }

// adversarial returns the losses that the options name.
func (o *AdversarialOptions) adversarial(model string) (losses.Adversarial, error) {
	l, err := losses.LookupAdversarial(o.Loss, o.LabelSmoothing)
	if err != nil {
		return l, fmt.Errorf("%s: %w", model, err)
	}
	return l, nil
}

// normalise applies spectral normalisation to a layer of the discriminator, if
// it is asked for.
func (o *AdversarialOptions) normalise(layer torchx.Module) torchx.Module {
	return spectralNorm(o.SpectralNorm, layer)
}

func spectralNorm(on bool, layer torchx.Module) torchx.Module {
	if !on {
		return layer
	}
	return torchx.NewSpectralNorm(layer)
}
