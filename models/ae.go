package models

import (
	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// An autoencoder squeezes an image through a few numbers and learns to restore
// it: Hinton, Salakhutdinov 2006, "Reducing the Dimensionality of Data with
// Neural Networks".

func init() {
	Register(Plugin{
		Name:       "ae",
		About:      "autoencoder of two fully connected layers (Hinton & Salakhutdinov 2006)",
		Options:    func() Options { return &AEOptions{Hidden: 64} },
		Optimizers: func() []NamedOptimizer { return []NamedOptimizer{adam("autoencoder", 1e-3, 0.9, 0.999)} },
		Tests:      true,
		BatchSize:  32,
		Iterations: 1000,
	})
}

// AEOptions are the settings of ae.
type AEOptions struct {
	Hidden int64 `yaml:"hidden" check:"min=1,max=1048576" doc:"numbers that an image is squeezed into"`
}

// Check wants nothing of the images' size.
func (o *AEOptions) Check(in datasets.Info) error { return checkSides("ae", in, 0) }

// Build makes the network with PyTorch's default initialisation.
func (o *AEOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	var m *autoencoder
	err := build("ae", func() {
		encoder := torchx.NewSequential( // N x C x H x W -> N x hidden
			torchx.NewFlatten(),
			torchx.NewLinear(pixels(in), o.Hidden, torchx.LinearOptions{}),
			torchx.NewReLU())
		decoder := torchx.NewSequential( // N x hidden -> N x C x H x W, without limits
			torchx.NewLinear(o.Hidden, pixels(in), torchx.LinearOptions{}),
			torchx.NewUnflatten(int64(in.Channels), int64(in.Height), int64(in.Width)))
		m = newAutoencoder(encoder, decoder, o.Hidden)
	})
	return m, err
}
