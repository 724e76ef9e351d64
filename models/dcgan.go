package models

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Radford, Metz, Chintala 2015: "Unsupervised Representation Learning with Deep
// Convolutional Generative Adversarial Networks", arXiv:1511.06434. A generator
// and a discriminator of strided convolutions play the game of Goodfellow et al.
// 2014.

func init() {
	Register(Plugin{
		Name:       "dcgan",
		About:      "deep convolutional GAN (Radford et al. 2015)",
		Options:    func() Options { return &DCGANOptions{defaultStrided(), defaultAdversarial()} },
		Optimizers: ganOptimizers,
		BatchSize:  64,
		Iterations: 20_000,
	})
}

// DCGANOptions are the settings of dcgan. Latents are drawn from U(-1, 1).
type DCGANOptions struct {
	StridedOptions     `yaml:",inline"`
	AdversarialOptions `yaml:",inline"`
}

// Check wants sides that survive the halving: with the default widths, multiples
// of 16 or of 4.
func (o *DCGANOptions) Check(in datasets.Info) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("dcgan: %w", err)
	}
	return o.check("dcgan", in)
}

// Build makes the networks with the paper's initialisation.
func (o *DCGANOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &dcgan{DCGANOptions: *o}
	m.StridedOptions = o.forSize(in)
	m.loss = o.adversarial()
	err := build("dcgan", func() {
		m.generator = m.newGenerator(m.ZDim, in)
		m.discriminator = m.newDiscriminator(int64(in.Channels), in, m.normalise)
		m.initialise(m.generator)
		m.initialise(m.discriminator)
	})
	return m, err
}

type dcgan struct {
	DCGANOptions
	loss          losses.Adversarial
	generator     *torchx.Sequential // N x z_dim -> N x C x H x W in [-1, 1]
	discriminator *torchx.Sequential // N x C x H x W -> N x 1, logits
}

func (m *dcgan) Networks() []trainer.Network {
	return ganNetworks(m.generator, m.discriminator)
}

// generated is G(z), made once an iteration: it serves D, then G.
func (m *dcgan) generated(s *trainer.Step) torch.Tensor {
	return s.Once("generated", func() torch.Tensor {
		return m.generator.Forward(m.Latents(s, s.BatchSize()))
	}, "generator")
}

// discriminatorLoss is BCE(D(x), 1) + BCE(D(G(z)), 0).
func (m *dcgan) discriminatorLoss(s *trainer.Step) torch.Tensor {
	generated := m.generated(s)
	onReal := m.discriminator.Forward(s.Batch().Images)
	onGenerated := m.discriminator.Forward(generated)
	observeDiversity(s, generated, s.Batch().Images)
	observeAccuracy(s, m.loss, onReal, onGenerated)
	return m.loss.Discriminator(onReal, onGenerated)
}

// generatorLoss is BCE(D(G(z)), 1), with the D that has just stepped.
func (m *dcgan) generatorLoss(s *trainer.Step) torch.Tensor {
	return m.loss.Generator(m.discriminator.Forward(m.generated(s)))
}

func (m *dcgan) Phases() []trainer.Phase {
	return ganPhases(m.discriminatorLoss, m.generatorLoss)
}

func (m *dcgan) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Uniform(-1, 1, n, m.ZDim)
}

func (m *dcgan) Generate(z, _ torch.Tensor) torch.Tensor { return m.generator.Forward(z) }

func (m *dcgan) Classes() int64 { return 0 }

func (m *dcgan) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	return nil
}
