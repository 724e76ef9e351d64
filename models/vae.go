package models

import (
	"errors"
	"fmt"
	"slices"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Kingma, Welling 2013: "Auto-Encoding Variational Bayes", arXiv:1312.6114. The
// encoder gives a Gaussian for each image, the decoder restores the image from a
// draw of it, and the KL divergence keeps the Gaussians near N(0, I), so that
// latents drawn from that become images. With beta: Higgins et al. 2017.

func init() {
	Register(Plugin{
		Name:  "vae",
		About: "variational autoencoder (Kingma & Welling 2013)",
		Options: func() Options {
			return &VAEOptions{
				Latent:         VAELatent{Dim: 2},
				Network:        "mlp",
				Hidden:         []int64{512, 256, 128, 64},
				Channels:       []int64{32, 64, 128},
				ConvHidden:     256,
				Reconstruction: "bce",
				Beta:           1,
			}
		},
		Optimizers: func() []NamedOptimizer { return []NamedOptimizer{adam("vae", 1e-3, 0.9, 0.999)} },
		Tests:      true,
		BatchSize:  128,
		Iterations: 10_000,
	})
}

// VAEOptions are the settings of vae.
type VAEOptions struct {
	Latent         VAELatent `yaml:"latent" doc:"the space between encoder and decoder"`
	Network        string    `yaml:"network" check:"oneof=mlp|conv" doc:"mlp: fully connected layers; conv: convolutions that halve the image"`
	Hidden         []int64   `yaml:"hidden" check:"min=1,max=65536" doc:"mlp: widths of the encoder's hidden layers; the decoder mirrors them"`
	Channels       []int64   `yaml:"channels" check:"min=1,max=65536" doc:"conv: channels of the encoder's maps, largest map first"`
	ConvHidden     int64     `yaml:"conv_hidden" check:"min=1,max=65536" doc:"conv: width of the layer between maps and latent"`
	Reconstruction string    `yaml:"reconstruction" check:"oneof=bce|mse" doc:"bce: binary cross-entropy on [0, 1]; mse: squared error on [-1, 1]; both summed over the image"`
	Beta           float64   `yaml:"beta" check:"min=0" doc:"weight of the KL divergence"`
}

// VAELatent is the latent section.
type VAELatent struct {
	Dim int64 `yaml:"dim" check:"min=1,max=65536" doc:"numbers in a latent vector"`
}

func (o *VAEOptions) conv() bool { return o.Network == "conv" }

// Check wants, for conv, sides that survive the halving: with the default
// channels, multiples of 8.
func (o *VAEOptions) Check(in datasets.Info) error {
	switch {
	case o.Network != "mlp" && o.Network != "conv":
		return fmt.Errorf("vae: network is %q, expected mlp or conv", o.Network)
	case o.Reconstruction != "bce" && o.Reconstruction != "mse":
		return fmt.Errorf("vae: reconstruction is %q, expected bce or mse", o.Reconstruction)
	case o.conv() && len(o.Channels) == 0:
		return errors.New("vae: channels is empty, expected at least one width")
	case o.conv():
		return checkSides("vae", in, len(o.Channels))
	}
	return checkSides("vae", in, 0)
}

// Build makes the network with PyTorch's default initialisation.
func (o *VAEOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &vae{VAEOptions: *o, pixels: pixels(in)}
	err := build("vae", func() {
		var width int64
		if o.conv() {
			m.encoder, width = o.newConvEncoder(in), o.ConvHidden
		} else {
			m.encoder, width = o.newEncoder(in)
		}
		m.mu = torchx.NewLinear(width, o.Latent.Dim, torchx.LinearOptions{})
		m.logvar = torchx.NewLinear(width, o.Latent.Dim, torchx.LinearOptions{})
		if o.conv() {
			m.decoder = o.newConvDecoder(in)
		} else {
			m.decoder = o.newDecoder(in)
		}
	})
	m.Children = torchx.Children{
		{Name: "encoder", Module: m.encoder}, {Name: "mu", Module: m.mu}, {Name: "logvar", Module: m.logvar}, {Name: "decoder", Module: m.decoder},
	}
	return m, err
}

// vae is the model and its one network.
type vae struct {
	VAEOptions
	torchx.Children
	pixels     int64
	encoder    *torchx.Sequential  // N x C x H x W -> N x hidden
	mu, logvar *torchx.LinearLayer // N x hidden -> N x latent.dim
	decoder    *torchx.Sequential  // N x latent.dim -> N x C x H x W: logits, or what tanh makes an image of
}

// newEncoder also returns the width of its output.
func (o *VAEOptions) newEncoder(in datasets.Info) (*torchx.Sequential, int64) {
	layers, width := perceptron(pixels(in), o.Hidden, torchx.NewReLU(), plain)
	return torchx.NewSequential(append([]torchx.Module{torchx.NewFlatten()}, layers...)...), width
}

// newDecoder goes through the widths backwards.
func (o *VAEOptions) newDecoder(in datasets.Info) *torchx.Sequential {
	widths := slices.Clone(o.Hidden)
	slices.Reverse(widths)
	layers, width := perceptron(o.Latent.Dim, widths, torchx.NewReLU(), plain)
	return torchx.NewSequential(append(layers,
		torchx.NewLinear(width, pixels(in), torchx.LinearOptions{}),
		torchx.NewUnflatten(int64(in.Channels), int64(in.Height), int64(in.Width)))...)
}

func (o *VAEOptions) newConvEncoder(in datasets.Info) *torchx.Sequential {
	var layers []torchx.Module
	width := int64(in.Channels)
	for _, next := range o.Channels {
		layers = append(layers, torchx.NewConv2d(width, next, 4, torchx.Conv2dOptions{Stride: 2, Padding: 1}), torchx.NewReLU())
		width = next
	}
	h, w := shrunk(in, len(o.Channels))
	return torchx.NewSequential(append(layers,
		torchx.NewFlatten(),
		torchx.NewLinear(width*h*w, o.ConvHidden, torchx.LinearOptions{}),
		torchx.NewReLU())...)
}

// newConvDecoder mirrors the encoder.
func (o *VAEOptions) newConvDecoder(in datasets.Info) *torchx.Sequential {
	double := torchx.ConvTranspose2dOptions{Stride: 2, Padding: 1}

	width := o.Channels[len(o.Channels)-1]
	h, w := shrunk(in, len(o.Channels))
	layers := []torchx.Module{
		torchx.NewLinear(o.Latent.Dim, o.ConvHidden, torchx.LinearOptions{}),
		torchx.NewReLU(),
		torchx.NewLinear(o.ConvHidden, width*h*w, torchx.LinearOptions{}),
		torchx.NewReLU(),
		torchx.NewUnflatten(width, h, w),
	}
	for i := len(o.Channels) - 2; i >= 0; i-- {
		layers = append(layers, torchx.NewConvTranspose2d(width, o.Channels[i], 4, double), torchx.NewReLU())
		width = o.Channels[i]
	}
	return torchx.NewSequential(append(layers, torchx.NewConvTranspose2d(width, int64(in.Channels), 4, double))...)
}

func (m *vae) Networks() []trainer.Network {
	return []trainer.Network{{Name: "vae", Module: m, Averaged: true}}
}

// Encode returns mean and log-variance of each image's Gaussian, N x latent.dim each.
func (m *vae) Encode(x torch.Tensor) (mu, logvar torch.Tensor) {
	h := m.encoder.Forward(x)
	return m.mu.Forward(h), m.logvar.Forward(h)
}

// Forward returns [mu, logvar, decoder(mu)] side by side, N x (2 latent.dim + C H W).
func (m *vae) Forward(x torch.Tensor) torch.Tensor {
	mu, logvar := m.Encode(x)
	return torchx.Cat(1, mu, logvar, torchx.Flatten(m.decoder.Forward(mu), 1, -1))
}

// loss is the reconstruction's error plus beta KL(N(mu, exp(logvar)) || N(0, I)),
// both summed over their dimensions and averaged over the batch.
func (m *vae) loss(s *trainer.Step) torch.Tensor {
	x := s.Batch().Images
	mu, logvar := m.Encode(x)
	eps := s.Normal(torchx.Shape(mu)...)
	z := torchx.Add(mu, torchx.Mul(torchx.Exp(torchx.MulScalar(logvar, 0.5)), eps))

	reconstruction := m.reconstructionLoss(m.decoder.Forward(z), x)
	kl := torchx.Sum(losses.GaussianKL(mu, logvar))
	s.Log("reconstruction", reconstruction)
	s.Log("kl", kl)
	return torchx.Add(reconstruction, torchx.MulScalar(kl, m.Beta))
}

// reconstructionLoss is the error of an image, summed over its pixels.
func (m *vae) reconstructionLoss(decoded, x torch.Tensor) torch.Tensor {
	mean := func() torch.Tensor {
		if m.Reconstruction == "bce" {
			return torchx.BCEWithLogits(decoded, toUnit(x))
		}
		return torchx.MSE(torchx.Tanh(decoded), x)
	}()
	return torchx.MulScalar(mean, float64(m.pixels))
}

func (m *vae) Phases() []trainer.Phase {
	return []trainer.Phase{{Name: "vae", Updates: []string{"vae"}, Loss: m.loss}}
}

func (m *vae) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Normal(n, m.Latent.Dim)
}

// Generate decodes latents to images in [-1, 1].
func (m *vae) Generate(z, _ torch.Tensor) torch.Tensor {
	decoded := m.decoder.Forward(z)
	if m.Reconstruction == "bce" {
		return fromUnit(torchx.Sigmoid(decoded))
	}
	return torchx.Tanh(decoded)
}

func (m *vae) Classes() int64 { return 0 }

// Codes are the means of the images' Gaussians.
func (m *vae) Codes(x torch.Tensor) torch.Tensor {
	mu, _ := m.Encode(x)
	return mu
}

// Decode is Generate without classes.
func (m *vae) Decode(z torch.Tensor) torch.Tensor { return m.Generate(z, torch.Tensor{}) }

// Reconstruct decodes the means of the images' Gaussians.
func (m *vae) Reconstruct(x torch.Tensor) torch.Tensor { return m.Decode(m.Codes(x)) }

// Preview shows samples and reconstructions, reports the KL divergence of each
// latent dimension on test images, and shows the spread of their means: of all,
// and of each of the first 16 dimensions.
func (m *vae) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	showReconstructions(p, m)
	for i, v := range torchx.Float32s(losses.GaussianKL(m.Encode(p.Batch(64).Images))) {
		p.Log(fmt.Sprintf("kl.%d", i), float64(v))
	}
	mu := testCodes(p, m)
	p.Histogram("mu", mu)
	for i := range min(m.Latent.Dim, 16) {
		p.Histogram(fmt.Sprintf("mu.%d", i), torchx.Narrow(mu, 1, i, 1))
	}
	return nil
}
