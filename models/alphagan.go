package models

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Rosca et al. 2017: "Variational Approaches for Auto-Encoding Generative
// Adversarial Networks", arXiv:1706.04987. An autoencoder whose images are judged
// by a discriminator, D, and whose codes by another, C, that knows N(0, I).

func init() {
	Register(Plugin{
		Name:  "alphagan",
		About: "autoencoding GAN with a discriminator of codes (Rosca et al. 2017)",
		Options: func() Options {
			o := &AlphaGANOptions{defaultStrided(), defaultAdversarial(), []int64{750, 750}, 2, 10}
			o.ZDim = 128
			return o
		},
		Optimizers: func() []NamedOptimizer {
			return []NamedOptimizer{
				adam("encoder", 1e-4, 0.5, 0.9), adam("generator", 2e-4, 0.5, 0.9),
				adam("discriminator", 2e-4, 0.5, 0.9), adam("code_discriminator", 2e-4, 0.5, 0.9),
			}
		},
		Tests:      true,
		BatchSize:  64,
		Iterations: 20_000,
	})
}

// AlphaGANOptions are the settings of alphagan. Latents are drawn from N(0, I).
type AlphaGANOptions struct {
	StridedOptions     `yaml:",inline"`
	AdversarialOptions `yaml:",inline"`
	CodeHidden         []int64 `yaml:"code_hidden" check:"min=1,max=65536" doc:"widths of the code discriminator's hidden layers"`
	GeneratorSteps     int     `yaml:"generator_steps" check:"min=1" doc:"steps of the generator in an iteration"`
	Lambda             float64 `yaml:"lambda" check:"min=0" doc:"weight of the reconstruction's mean absolute error"`
}

// Check wants sides that survive the halving: with the default widths, multiples
// of 16 or of 4.
func (o *AlphaGANOptions) Check(in datasets.Info) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("alphagan: %w", err)
	}
	return o.check("alphagan", in)
}

// Build makes the networks: those of images with dcgan's initialisation, the
// code discriminator with PyTorch's.
func (o *AlphaGANOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &alphagan{AlphaGANOptions: *o}
	m.StridedOptions = o.forSize(in)
	m.loss = o.adversarial()
	err := build("alphagan", func() {
		m.encoder = m.newEncoder(in)
		m.generator = m.newGenerator(m.ZDim, in)
		m.discriminator = m.newDiscriminator(int64(in.Channels), in, m.normalise)
		for _, network := range []*torchx.Sequential{m.encoder, m.generator, m.discriminator} {
			m.initialise(network)
		}
		m.codeDiscriminator = m.newCodeDiscriminator()
	})
	return m, err
}

type alphagan struct {
	AlphaGANOptions
	loss              losses.Adversarial
	encoder           *torchx.Sequential // E: N x C x H x W -> N x z_dim
	generator         *torchx.Sequential // G: N x z_dim -> N x C x H x W in [-1, 1]
	discriminator     *torchx.Sequential // D: N x C x H x W -> N x 1, logits
	codeDiscriminator *torchx.Sequential // C: N x z_dim -> N x 1, logits
}

// newEncoder makes the discriminator's convolutions with batch norm, and a last
// layer as wide as the latents.
func (o *AlphaGANOptions) newEncoder(in datasets.Info) *torchx.Sequential {
	layers, width := stridedConvs(int64(in.Channels), o.DiscriminatorChannels, o.Slope, true, plain)
	h, w := shrunk(in, len(o.DiscriminatorChannels))
	return torchx.NewSequential(append(layers, torchx.NewFlatten(), torchx.NewLinear(width*h*w, o.ZDim, torchx.LinearOptions{}))...)
}

func (o *AlphaGANOptions) newCodeDiscriminator() *torchx.Sequential {
	layers, width := perceptron(o.ZDim, o.CodeHidden, torchx.NewLeakyReLU(o.Slope), o.normalise)
	return torchx.NewSequential(append(layers, o.normalise(torchx.NewLinear(width, 1, torchx.LinearOptions{})))...)
}

func (m *alphagan) Networks() []trainer.Network {
	return []trainer.Network{
		{Name: "encoder", Module: m.encoder, Averaged: true},
		{Name: "generator", Module: m.generator, Averaged: true},
		{Name: "discriminator", Module: m.discriminator},
		{Name: "code_discriminator", Module: m.codeDiscriminator},
	}
}

// z is drawn once an iteration and serves all phases.
func (m *alphagan) z(s *trainer.Step) torch.Tensor {
	return s.Once("z", func() torch.Tensor { return m.Latents(s, s.BatchSize()) })
}

// codes is E(x), shared by the phases until E steps.
func (m *alphagan) codes(s *trainer.Step) torch.Tensor {
	return s.Once("codes", func() torch.Tensor { return m.encoder.Forward(s.Batch().Images) }, "encoder")
}

// reconstructionLoss is lambda L1(x, G(E(x))), given G(E(x)).
func (m *alphagan) reconstructionLoss(s *trainer.Step, reconstruction torch.Tensor) torch.Tensor {
	l1 := torchx.L1(reconstruction, s.Batch().Images)
	s.Log("l1", l1)
	return torchx.MulScalar(l1, m.Lambda)
}

// encoderLoss is lambda L1(x, G(E(x))) + BCE(C(E(x)), 1).
func (m *alphagan) encoderLoss(s *trainer.Step) torch.Tensor {
	codes := m.codes(s)
	return torchx.Add(
		m.reconstructionLoss(s, m.generator.Forward(codes)),
		m.loss.Generator(m.codeDiscriminator.Forward(codes)))
}

// generatorLoss is lambda L1(x, G(E(x))) + BCE(D(G(E(x))), 1) + BCE(D(G(z)), 1).
func (m *alphagan) generatorLoss(s *trainer.Step) torch.Tensor {
	reconstruction := m.generator.Forward(m.codes(s))
	generated := m.generator.Forward(m.z(s))
	return torchx.Add(
		m.reconstructionLoss(s, reconstruction),
		torchx.Add(
			m.loss.Generator(m.discriminator.Forward(reconstruction)),
			m.loss.Generator(m.discriminator.Forward(generated))))
}

// discriminatorLoss is BCE(D(x), 1) + BCE(D(G(E(x))), 0) + BCE(D(G(z)), 0).
func (m *alphagan) discriminatorLoss(s *trainer.Step) torch.Tensor {
	var reconstruction, generated torch.Tensor
	torchx.NoGrad(func() {
		reconstruction = m.generator.Forward(m.codes(s))
		generated = m.generator.Forward(m.z(s))
	})
	x := s.Batch().Images
	onReal := m.discriminator.Forward(x)
	onReconstruction := m.discriminator.Forward(reconstruction)
	onGenerated := m.discriminator.Forward(generated)
	observeDiversity(s, generated, x)
	observeAccuracy(s, m.loss, onReal, torchx.Cat(0, onReconstruction, onGenerated))
	return torchx.Add(m.loss.Discriminator(onReal, onReconstruction), m.loss.Generated(onGenerated))
}

// codeDiscriminatorLoss is BCE(C(z), 1) + BCE(C(E(x)), 0).
func (m *alphagan) codeDiscriminatorLoss(s *trainer.Step) torch.Tensor {
	on := m.codeDiscriminator.ForwardEach(m.z(s), m.codes(s))
	return m.loss.Discriminator(on[0], on[1])
}

func (m *alphagan) Phases() []trainer.Phase {
	return []trainer.Phase{
		{Name: "encoder", Updates: []string{"encoder"}, Loss: m.encoderLoss},
		{Name: "generator", Updates: []string{"generator"}, Repeat: m.GeneratorSteps, Loss: m.generatorLoss},
		{Name: "discriminator", Updates: []string{"discriminator"}, Loss: m.discriminatorLoss},
		{Name: "code_discriminator", Updates: []string{"code_discriminator"}, Loss: m.codeDiscriminatorLoss},
	}
}

func (m *alphagan) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Normal(n, m.ZDim)
}

func (m *alphagan) Generate(z, _ torch.Tensor) torch.Tensor { return m.generator.Forward(z) }

func (m *alphagan) Classes() int64 { return 0 }

// Codes is E(x).
func (m *alphagan) Codes(x torch.Tensor) torch.Tensor { return m.encoder.Forward(x) }

// Decode is G(z).
func (m *alphagan) Decode(z torch.Tensor) torch.Tensor { return m.generator.Forward(z) }

// Reconstruct is G(E(x)).
func (m *alphagan) Reconstruct(x torch.Tensor) torch.Tensor { return m.Decode(m.Codes(x)) }

// Preview shows samples, test images with their reconstructions, and the spread
// of the codes of test images, which are to be as those of N(0, I).
func (m *alphagan) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	showReconstructions(p, m)
	p.Histogram("codes", testCodes(p, m))
	return nil
}
