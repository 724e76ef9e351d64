package models

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// AdversarialOptions are what the models have in common whose discriminator says
// real or generated.
type AdversarialOptions struct {
	Loss           string  `yaml:"loss" check:"oneof=bce|hinge|least_squares" doc:"adversarial loss"`
	LabelSmoothing float64 `yaml:"label_smoothing" check:"min=0,lt=1" doc:"the target of a discriminator for what is real is 1 less this; not with hinge"`
	SpectralNorm   bool    `yaml:"spectral_norm" doc:"divide the weights of discriminators by their spectral norms (Miyato et al. 2018)"`
}

func defaultAdversarial() AdversarialOptions { return AdversarialOptions{Loss: "bce"} }

// Validate refuses settings that contradict each other.
func (o *AdversarialOptions) Validate() error {
	_, err := losses.LookupAdversarial(o.Loss, o.LabelSmoothing)
	return err
}

// adversarial returns the losses that valid options name.
func (o *AdversarialOptions) adversarial() losses.Adversarial {
	l, err := losses.LookupAdversarial(o.Loss, o.LabelSmoothing)
	if err != nil {
		panic(err)
	}
	return l
}

// normalise applies spectral normalisation to a layer of the discriminator, if
// it is asked for.
func (o *AdversarialOptions) normalise(layer torchx.Module) torchx.Module {
	return spectralNorm(o.SpectralNorm)(layer)
}

// spectralNorm returns what is done to each layer of a critic.
func spectralNorm(on bool) func(torchx.Module) torchx.Module {
	if !on {
		return plain
	}
	return func(layer torchx.Module) torchx.Module { return torchx.NewSpectralNorm(layer) }
}

// ganOptimizers are the defaults of a generator and a discriminator.
func ganOptimizers() []NamedOptimizer {
	return []NamedOptimizer{adam("generator", 2e-4, 0.5, 0.999), adam("discriminator", 2e-4, 0.5, 0.999)}
}

// ganNetworks names a generator and a discriminator.
func ganNetworks(generator, discriminator torchx.Module) []trainer.Network {
	return []trainer.Network{
		{Name: "generator", Module: generator, Averaged: true},
		{Name: "discriminator", Module: discriminator},
	}
}

// ganPhases are one iteration of a GAN: the discriminator steps, then the
// generator.
func ganPhases(discriminatorLoss, generatorLoss func(*trainer.Step) torch.Tensor) []trainer.Phase {
	return []trainer.Phase{
		{Name: "discriminator", Updates: []string{"discriminator"}, Loss: discriminatorLoss},
		{Name: "generator", Updates: []string{"generator"}, Loss: generatorLoss},
	}
}

// The figures by which the trainer and a person see whether the game goes well.

// observeAccuracy reports how much of the discriminator's judgement is right.
func observeAccuracy(s *trainer.Step, loss losses.Adversarial, onReal, onGenerated torch.Tensor) {
	s.Observe(trainer.AccuracyReal, func() torch.Tensor { return loss.AccuracyReal(onReal, onGenerated) })
	s.Observe(trainer.AccuracyGenerated, func() torch.Tensor { return loss.AccuracyGenerated(onReal, onGenerated) })
}

// observeDiversity reports how much generated images vary, against real ones on
// the same scale.
func observeDiversity(s *trainer.Step, generated, real torch.Tensor) {
	s.Observe(trainer.Diversity, func() torch.Tensor { return losses.Diversity(generated, real) })
}
