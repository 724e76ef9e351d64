package models

import (
	"errors"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Arjovsky, Chintala, Bottou 2017: "Wasserstein GAN", arXiv:1701.07875. A critic
// whose weights are clipped estimates how far the generated images are from the
// real ones; the generator follows its gradient.

func init() {
	Register(Plugin{
		Name:  "wgan",
		About: "Wasserstein GAN with weight clipping (Arjovsky et al. 2017)",
		Options: func() Options {
			return &WGANOptions{
				ZDim:              100,
				GeneratorChannels: []int64{512, 256, 128, 64},
				CriticChannels:    []int64{64, 128, 256},
				Slope:             0.01,
				Clip:              0.01,
				NCritic:           5,
			}
		},
		Optimizers: func() []NamedOptimizer {
			return []NamedOptimizer{rmsprop("generator", 5e-5), rmsprop("critic", 5e-5)}
		},
		BatchSize:  64,
		Iterations: 100_000,
	})
}

// WGANOptions are the settings of wgan.
type WGANOptions struct {
	ZDim              int64   `yaml:"z_dim" check:"min=1,max=65536" doc:"numbers in a latent vector, drawn from U(-1, 1)"`
	GeneratorChannels []int64 `yaml:"generator_channels" check:"nonempty,min=1,max=65536" doc:"channels of the generator's maps, smallest map first; each doubles height and width on the way to the next"`
	CriticChannels    []int64 `yaml:"critic_channels" check:"nonempty,min=1,max=65536" doc:"channels of the critic's maps, largest map first; each halves height and width"`
	Slope             float64 `yaml:"slope" check:"min=0" doc:"slope of the leaky ReLUs below 0"`
	Clip              float64 `yaml:"clip" check:"gt=0" doc:"critic parameters are clipped to [-clip, clip] after each of its steps"`
	NCritic           int     `yaml:"n_critic" check:"min=1" doc:"steps of the critic before each of the generator"`
	SpectralNorm      bool    `yaml:"spectral_norm" doc:"divide the critic's weights by their spectral norms (Miyato et al. 2018)"`
}

// Check wants sides that survive the halving: with the default widths, multiples
// of 16.
func (o *WGANOptions) Check(in datasets.Info) error {
	if len(o.GeneratorChannels) == 0 || len(o.CriticChannels) == 0 {
		return errors.New("wgan: generator_channels or critic_channels is empty, expected at least one width in each")
	}
	return checkSides("wgan", in, max(len(o.GeneratorChannels), len(o.CriticChannels)))
}

// Build makes the networks with PyTorch's default initialisation.
func (o *WGANOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &wgan{WGANOptions: *o}
	err := build("wgan", func() {
		m.generator = o.newGenerator(in)
		m.critic = o.newCritic(in)
	})
	return m, err
}

type wgan struct {
	WGANOptions
	generator *torchx.Sequential // N x z_dim -> N x C x H x W in [-1, 1]
	critic    *torchx.Sequential // N x C x H x W -> N
}

func (o *WGANOptions) newGenerator(in datasets.Info) *torchx.Sequential {
	h, w := shrunk(in, len(o.GeneratorChannels))
	double := torchx.ConvTranspose2dOptions{Stride: 2, Padding: 1}

	width := o.GeneratorChannels[0]
	layers := []torchx.Module{
		torchx.NewLinear(o.ZDim, width*h*w, torchx.LinearOptions{NoBias: true}),
		torchx.NewUnflatten(width, h, w),
		torchx.NewBatchNorm2d(width, torchx.BatchNormOptions{}),
		torchx.NewLeakyReLU(o.Slope),
	}
	for _, next := range o.GeneratorChannels[1:] {
		noBias := double
		noBias.NoBias = true // the batch norm after it has one
		layers = append(layers,
			torchx.NewConvTranspose2d(width, next, 4, noBias),
			torchx.NewBatchNorm2d(next, torchx.BatchNormOptions{}),
			torchx.NewLeakyReLU(o.Slope))
		width = next
	}
	layers = append(layers, torchx.NewConvTranspose2d(width, int64(in.Channels), 4, double), torchx.NewTanh())
	return torchx.NewSequential(layers...)
}

func (o *WGANOptions) newCritic(in datasets.Info) *torchx.Sequential {
	halve := torchx.Conv2dOptions{Stride: 2, Padding: 1}
	norm := spectralNorm(o.SpectralNorm)

	width := o.CriticChannels[0]
	layers := []torchx.Module{norm(torchx.NewConv2d(int64(in.Channels), width, 4, halve)), torchx.NewLeakyReLU(o.Slope)}
	for _, next := range o.CriticChannels[1:] {
		noBias := halve
		noBias.NoBias = true
		layers = append(layers,
			norm(torchx.NewConv2d(width, next, 4, noBias)),
			torchx.NewBatchNorm2d(next, torchx.BatchNormOptions{}),
			torchx.NewLeakyReLU(o.Slope))
		width = next
	}
	h, w := shrunk(in, len(o.CriticChannels))
	layers = append(layers, norm(torchx.NewConv2dRect(width, 1, h, w, torchx.Conv2dOptions{})), torchx.NewFlattenAll())
	return torchx.NewSequential(layers...)
}

func (m *wgan) Networks() []trainer.Network {
	return []trainer.Network{
		{Name: "generator", Module: m.generator, Averaged: true},
		{Name: "critic", Module: m.critic},
	}
}

// criticLoss is mean D(G(z)) - mean D(x). Real and generated images pass D by
// themselves: its batch norms see one kind at a time.
func (m *wgan) criticLoss(s *trainer.Step) torch.Tensor {
	var generated torch.Tensor
	torchx.NoGrad(func() { generated = m.generator.Forward(m.Latents(s, s.BatchSize())) })
	x := s.Batch().Images
	onReal := m.critic.Forward(x)
	onGenerated := m.critic.Forward(generated)
	loss := losses.WassersteinCritic(onReal, onGenerated)
	s.Log("wasserstein", torchx.Neg(loss))
	observeDiversity(s, generated, x)
	return loss
}

// generatorLoss is -mean D(G(z)).
func (m *wgan) generatorLoss(s *trainer.Step) torch.Tensor {
	return losses.WassersteinGenerator(m.critic.Forward(m.generator.Forward(m.Latents(s, s.BatchSize()))))
}

// clipCritic clips every parameter, scale and shift of batch norms included.
func (m *wgan) clipCritic() {
	for _, p := range torchx.Parameters(m.critic) {
		torchx.ClampInPlace(p, -m.Clip, m.Clip)
	}
}

func (m *wgan) Phases() []trainer.Phase {
	return []trainer.Phase{
		{Name: "critic", Updates: []string{"critic"}, Repeat: m.NCritic, Fresh: true, Loss: m.criticLoss, After: m.clipCritic},
		{Name: "generator", Updates: []string{"generator"}, Loss: m.generatorLoss},
	}
}

func (m *wgan) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Uniform(-1, 1, n, m.ZDim)
}

func (m *wgan) Generate(z, _ torch.Tensor) torch.Tensor { return m.generator.Forward(z) }

func (m *wgan) Classes() int64 { return 0 }

func (m *wgan) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	return nil
}
