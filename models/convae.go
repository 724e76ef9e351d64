package models

import (
	"errors"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// A convolutional autoencoder: Masci et al. 2011, "Stacked Convolutional
// Auto-Encoders for Hierarchical Feature Extraction". Each level halves the
// image by max-pooling, and the decoder doubles it by a transposed convolution.

func init() {
	Register(Plugin{
		Name:       "convae",
		About:      "convolutional autoencoder (Masci et al. 2011)",
		Options:    func() Options { return &ConvAEOptions{Channels: []int64{32, 16}} },
		Optimizers: func() []NamedOptimizer { return []NamedOptimizer{adam("autoencoder", 1e-3, 0.9, 0.999)} },
		Tests:      true,
		BatchSize:  32,
		Iterations: 10_000,
	})
}

// ConvAEOptions are the settings of convae.
type ConvAEOptions struct {
	Channels []int64 `yaml:"channels" check:"nonempty,min=1,max=65536" doc:"channels of the encoder's maps, largest map first; each halves height and width"`
}

// Check wants sides that survive the halving: with the default channels,
// multiples of 4.
func (o *ConvAEOptions) Check(in datasets.Info) error {
	if len(o.Channels) == 0 {
		return errors.New("convae: channels is empty, expected at least one width")
	}
	return checkSides("convae", in, len(o.Channels))
}

// Build makes the network with PyTorch's default initialisation.
func (o *ConvAEOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	var m *autoencoder
	h, w := shrunk(in, len(o.Channels))
	err := build("convae", func() {
		m = newAutoencoder(o.newEncoder(in), o.newDecoder(in), o.Channels[len(o.Channels)-1], h, w)
	})
	return m, err
}

func (o *ConvAEOptions) newEncoder(in datasets.Info) *torchx.Sequential {
	var layers []torchx.Module
	width := int64(in.Channels)
	for _, next := range o.Channels {
		layers = append(layers,
			torchx.NewConv2d(width, next, 3, torchx.Conv2dOptions{Padding: 1}),
			torchx.NewReLU(),
			torchx.NewMaxPool2d(2))
		width = next
	}
	return torchx.NewSequential(layers...)
}

// newDecoder goes through the widths backwards and ends in [-1, 1].
func (o *ConvAEOptions) newDecoder(in datasets.Info) *torchx.Sequential {
	double := torchx.ConvTranspose2dOptions{Stride: 2}

	var layers []torchx.Module
	width := o.Channels[len(o.Channels)-1]
	for i := len(o.Channels) - 2; i >= 0; i-- {
		layers = append(layers, torchx.NewConvTranspose2d(width, o.Channels[i], 2, double), torchx.NewReLU())
		width = o.Channels[i]
	}
	layers = append(layers, torchx.NewConvTranspose2d(width, int64(in.Channels), 2, double), torchx.NewTanh())
	return torchx.NewSequential(layers...)
}
