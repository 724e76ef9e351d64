package models

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Goodfellow et al. 2014: "Generative Adversarial Networks", arXiv:1406.2661,
// with fully connected networks and the non-saturating loss of the generator.
// The networks see and make images in [0, 1].

func init() {
	Register(Plugin{
		Name:  "gan",
		About: "the first GAN, of fully connected layers (Goodfellow et al. 2014)",
		Options: func() Options {
			return &GANOptions{
				ZDim:                100,
				GeneratorHidden:     []int64{128, 256, 512},
				DiscriminatorHidden: []int64{512, 256},
				Slope:               0.2,
				AdversarialOptions:  defaultAdversarial(),
			}
		},
		Optimizers: ganOptimizers,
		BatchSize:  64,
		Iterations: 20_000,
	})
}

// GANOptions are the settings of gan. Latents are drawn from U(-1, 1).
type GANOptions struct {
	ZDim                int64   `yaml:"z_dim" check:"min=1,max=65536" doc:"numbers in a latent vector"`
	GeneratorHidden     []int64 `yaml:"generator_hidden" check:"min=1,max=65536" doc:"widths of the generator's hidden layers"`
	DiscriminatorHidden []int64 `yaml:"discriminator_hidden" check:"min=1,max=65536" doc:"widths of the discriminator's hidden layers"`
	Slope               float64 `yaml:"slope" check:"min=0" doc:"slope of the leaky ReLUs below 0"`
	AdversarialOptions  `yaml:",inline"`
}

// Check wants nothing of the images' size.
func (o *GANOptions) Check(in datasets.Info) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("gan: %w", err)
	}
	return checkSides("gan", in, 0)
}

// Build makes the networks with PyTorch's default initialisation.
func (o *GANOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &gan{GANOptions: *o}
	m.loss = o.adversarial()
	err := build("gan", func() {
		m.generator = m.newGenerator(in)
		m.discriminator = m.newDiscriminator(in)
	})
	return m, err
}

type gan struct {
	GANOptions
	loss          losses.Adversarial
	generator     *torchx.Sequential // N x z_dim -> N x C x H x W in [0, 1]
	discriminator *torchx.Sequential // N x C x H x W in [0, 1] -> N x 1, logits
}

func (o *GANOptions) newGenerator(in datasets.Info) *torchx.Sequential {
	layers, width := perceptron(o.ZDim, o.GeneratorHidden, torchx.NewLeakyReLU(o.Slope), plain)
	return torchx.NewSequential(append(layers,
		torchx.NewLinear(width, pixels(in), torchx.LinearOptions{}),
		torchx.NewSigmoid(),
		torchx.NewUnflatten(int64(in.Channels), int64(in.Height), int64(in.Width)))...)
}

func (o *GANOptions) newDiscriminator(in datasets.Info) *torchx.Sequential {
	layers, width := perceptron(pixels(in), o.DiscriminatorHidden, torchx.NewLeakyReLU(o.Slope), o.normalise)
	layers = append([]torchx.Module{torchx.NewFlatten()}, layers...)
	return torchx.NewSequential(append(layers, o.normalise(torchx.NewLinear(width, 1, torchx.LinearOptions{})))...)
}

func (m *gan) Networks() []trainer.Network {
	return ganNetworks(m.generator, m.discriminator)
}

// generated is G(z), made once an iteration: it serves D, then G.
func (m *gan) generated(s *trainer.Step) torch.Tensor {
	return s.Once("generated", func() torch.Tensor {
		return m.generator.Forward(m.Latents(s, s.BatchSize()))
	}, "generator")
}

// discriminatorLoss is BCE(D(x), 1) + BCE(D(G(z)), 0).
func (m *gan) discriminatorLoss(s *trainer.Step) torch.Tensor {
	generated, real := m.generated(s), toUnit(s.Batch().Images)
	on := m.discriminator.ForwardEach(real, generated)
	onReal, onGenerated := on[0], on[1]
	observeDiversity(s, generated, real)
	observeAccuracy(s, m.loss, onReal, onGenerated)
	return m.loss.Discriminator(onReal, onGenerated)
}

// generatorLoss is BCE(D(G(z)), 1), with the D that has just stepped.
func (m *gan) generatorLoss(s *trainer.Step) torch.Tensor {
	return m.loss.Generator(m.discriminator.Forward(m.generated(s)))
}

func (m *gan) Phases() []trainer.Phase {
	return ganPhases(m.discriminatorLoss, m.generatorLoss)
}

func (m *gan) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Uniform(-1, 1, n, m.ZDim)
}

func (m *gan) Generate(z, _ torch.Tensor) torch.Tensor { return fromUnit(m.generator.Forward(z)) }

func (m *gan) Classes() int64 { return 0 }

func (m *gan) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	return nil
}
