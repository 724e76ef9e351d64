package models

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Gulrajani et al. 2017: "Improved Training of Wasserstein GANs",
// arXiv:1704.00028. Instead of clipping, the critic is penalised where the norm
// of its gradient is not 1; the networks are the paper's residual ones.

func init() {
	Register(Plugin{
		Name:  "wgangp",
		About: "Wasserstein GAN with gradient penalty and residual networks (Gulrajani et al. 2017)",
		Options: func() Options {
			return &WGANGPOptions{ZDim: 128, Dim: 128, Penalty: 10, NCritic: 5}
		},
		Optimizers: func() []NamedOptimizer {
			return []NamedOptimizer{adam("generator", 1e-4, 0, 0.9), adam("critic", 1e-4, 0, 0.9)}
		},
		BatchSize:  64,
		Iterations: 100_000,
	})
}

// WGANGPOptions are the settings of wgangp. Latents are drawn from N(0, I).
type WGANGPOptions struct {
	ZDim         int64   `yaml:"z_dim" check:"min=1,max=65536" doc:"numbers in a latent vector"`
	Dim          int64   `yaml:"dim" check:"min=1,max=65536" doc:"channels of all maps"`
	Penalty      float64 `yaml:"penalty" check:"min=0" doc:"weight of the gradient penalty"`
	NCritic      int     `yaml:"n_critic" check:"min=1" doc:"steps of the critic before each of the generator"`
	SpectralNorm bool    `yaml:"spectral_norm" doc:"divide the critic's weights by their spectral norms (Miyato et al. 2018)"`
}

// wgangpDoublings is the number of the generator's blocks, each of which doubles
// height and width.
const wgangpDoublings = 3

// Check wants sides that are multiples of 8.
func (o *WGANGPOptions) Check(in datasets.Info) error {
	return checkSides("wgangp", in, wgangpDoublings)
}

// Build makes the networks with PyTorch's default initialisation.
func (o *WGANGPOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &wgangp{WGANGPOptions: *o}
	err := build("wgangp", func() {
		m.generator = o.newGenerator(in)
		m.critic = o.newCritic(in)
	})
	return m, err
}

type wgangp struct {
	WGANGPOptions
	generator *torchx.Sequential // N x z_dim -> N x C x H x W in [-1, 1]
	critic    *torchx.Sequential // N x C x H x W -> N x 1
}

// residual is main(x) + shortcut(x).
type residual struct {
	torchx.Children
	main, shortcut torchx.Module // shortcut nil: x itself
}

func newResidual(main, shortcut *torchx.Sequential) *residual {
	r := &residual{Children: torchx.Children{{Name: "main", Module: main}}, main: main}
	if shortcut != nil {
		r.Children = append(r.Children, torchx.Child{Name: "shortcut", Module: shortcut})
		r.shortcut = shortcut
	}
	return r
}

func (r *residual) Forward(x torch.Tensor) torch.Tensor {
	if r.shortcut == nil {
		return torchx.Add(r.main.Forward(x), x)
	}
	return torchx.Add(r.main.Forward(x), r.shortcut.Forward(x))
}

func (o *WGANGPOptions) newGenerator(in datasets.Info) *torchx.Sequential {
	batchNorm := func() torchx.Module { return torchx.NewBatchNorm2d(o.Dim, torchx.BatchNormOptions{}) }
	h, w := shrunk(in, wgangpDoublings)
	layers := []torchx.Module{
		torchx.NewLinear(o.ZDim, o.Dim*h*w, torchx.LinearOptions{}),
		torchx.NewUnflatten(o.Dim, h, w),
	}
	for range wgangpDoublings {
		layers = append(layers, newResidual(
			torchx.NewSequential(
				batchNorm(), torchx.NewReLU(), torchx.NewUpsample(2), conv3x3(o.Dim, o.Dim),
				batchNorm(), torchx.NewReLU(), conv3x3(o.Dim, o.Dim)),
			torchx.NewSequential(torchx.NewUpsample(2), conv1x1(o.Dim, o.Dim))))
	}
	return torchx.NewSequential(append(layers,
		batchNorm(), torchx.NewReLU(), conv3x3(o.Dim, int64(in.Channels)), torchx.NewTanh())...)
}

// newCritic normalises each image by itself, as the penalty wants. The first
// block begins at its convolution: pixels are not normalised.
func (o *WGANGPOptions) newCritic(in datasets.Info) *torchx.Sequential {
	norm := spectralNorm(o.SpectralNorm)
	layerNorm := func() torchx.Module { return torchx.NewGroupNorm(1, o.Dim) }
	channels := int64(in.Channels)
	first := newResidual(
		torchx.NewSequential(
			norm(conv3x3(channels, o.Dim)),
			layerNorm(), torchx.NewReLU(), norm(conv3x3(o.Dim, o.Dim)), torchx.NewAvgPool2d(2)),
		torchx.NewSequential(torchx.NewAvgPool2d(2), norm(conv1x1(channels, o.Dim))))
	block := func() []torchx.Module {
		return []torchx.Module{
			layerNorm(), torchx.NewReLU(), norm(conv3x3(o.Dim, o.Dim)),
			layerNorm(), torchx.NewReLU(), norm(conv3x3(o.Dim, o.Dim)),
		}
	}
	second := newResidual(
		torchx.NewSequential(append(block(), torchx.NewAvgPool2d(2))...),
		torchx.NewSequential(torchx.NewAvgPool2d(2), norm(conv1x1(o.Dim, o.Dim))))
	third := newResidual(torchx.NewSequential(block()...), nil)
	fourth := newResidual(torchx.NewSequential(block()...), nil)
	return torchx.NewSequential(
		first, second, third, fourth,
		torchx.NewReLU(), torchx.NewGlobalAvgPool2d(), torchx.NewFlatten(),
		norm(torchx.NewLinear(o.Dim, 1, torchx.LinearOptions{})))
}

func (m *wgangp) Networks() []trainer.Network {
	return []trainer.Network{
		{Name: "generator", Module: m.generator, Averaged: true},
		{Name: "critic", Module: m.critic},
	}
}

// criticLoss is mean D(G(z)) - mean D(x) + penalty * mean_i (||grad D(xhat_i)|| - 1)^2.
func (m *wgangp) criticLoss(s *trainer.Step) torch.Tensor {
	x := s.Batch().Images
	var generated torch.Tensor
	torchx.NoGrad(func() { generated = m.generator.Forward(m.Latents(s, s.BatchSize())) })

	distance := losses.WassersteinCritic(m.critic.Forward(x), m.critic.Forward(generated))
	eps := s.Uniform(0, 1, s.BatchSize(), 1, 1, 1)
	penalty := losses.GradientPenalty(m.critic.Forward, x, generated, eps)
	s.Log("wasserstein", torchx.Neg(distance))
	s.Log("gradient_penalty", penalty)
	observeDiversity(s, generated, x)
	return torchx.Add(distance, torchx.MulScalar(penalty, m.Penalty))
}

// generatorLoss is -mean D(G(z)).
func (m *wgangp) generatorLoss(s *trainer.Step) torch.Tensor {
	return losses.WassersteinGenerator(m.critic.Forward(m.generator.Forward(m.Latents(s, s.BatchSize()))))
}

func (m *wgangp) Phases() []trainer.Phase {
	return []trainer.Phase{
		{Name: "critic", Updates: []string{"critic"}, Repeat: m.NCritic, Fresh: true, Loss: m.criticLoss},
		{Name: "generator", Updates: []string{"generator"}, Loss: m.generatorLoss},
	}
}

func (m *wgangp) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Normal(n, m.ZDim)
}

func (m *wgangp) Generate(z, _ torch.Tensor) torch.Tensor { return m.generator.Forward(z) }

func (m *wgangp) Classes() int64 { return 0 }

func (m *wgangp) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	return nil
}
