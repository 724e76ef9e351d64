package models

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Mirza, Osindero 2014: "Conditional Generative Adversarial Nets",
// arXiv:1411.1784. Generator and discriminator are told the class; here they are
// those of dcgan.

func init() {
	Register(Plugin{
		Name:       "cgan",
		About:      "conditional GAN, told the class to draw (Mirza & Osindero 2014)",
		Options:    func() Options { return &CGANOptions{defaultStrided(), defaultAdversarial()} },
		Optimizers: ganOptimizers,
		BatchSize:  64,
		Iterations: 20_000,
	})
}

// CGANOptions are the settings of cgan. Latents are drawn from U(-1, 1).
type CGANOptions struct {
	StridedOptions     `yaml:",inline"`
	AdversarialOptions `yaml:",inline"`
}

// Check wants classes, and sides that survive the halving: with the default
// widths, multiples of 16 or of 4.
func (o *CGANOptions) Check(in datasets.Info) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("cgan: %w", err)
	}
	if len(in.Classes) == 0 {
		return fmt.Errorf("cgan: the images of %s have no classes, expected a dataset with classes, such as mnist, cifar10, digits or a folder with a subfolder for each class", in.Name)
	}
	return o.check("cgan", in)
}

// Build makes the networks with dcgan's initialisation.
func (o *CGANOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &cgan{CGANOptions: *o, classes: int64(len(in.Classes))}
	m.StridedOptions = o.forSize(in)
	m.loss = o.adversarial()
	err := build("cgan", func() {
		m.generator = m.newGenerator(m.ZDim+m.classes, in)
		m.discriminator = m.newDiscriminator(int64(in.Channels)+m.classes, in, m.normalise)
		m.initialise(m.generator)
		m.initialise(m.discriminator)
	})
	return m, err
}

type cgan struct {
	CGANOptions
	classes       int64
	loss          losses.Adversarial
	generator     *torchx.Sequential // N x (z_dim + classes) -> N x C x H x W in [-1, 1]
	discriminator *torchx.Sequential // N x (C + classes) x H x W -> N x 1, logits
}

func (m *cgan) Networks() []trainer.Network {
	return ganNetworks(m.generator, m.discriminator)
}

// Generate is G(z | y): the class as a one-hot vector beside z.
func (m *cgan) Generate(z, labels torch.Tensor) torch.Tensor {
	return m.generator.Forward(torchx.Cat(1, z, torchx.OneHot(labels, m.classes, z.Dtype())))
}

// discriminate is D(x | y): the class as one-hot planes beside the image's.
func (m *cgan) discriminate(images, labels torch.Tensor) torch.Tensor {
	shape := torchx.Shape(images)
	n, h, w := shape[0], shape[2], shape[3]
	planes := torchx.Expand(torchx.Reshape(torchx.OneHot(labels, m.classes, images.Dtype()), n, m.classes, 1, 1), n, m.classes, h, w)
	return m.discriminator.Forward(torchx.Cat(1, images, planes))
}

// generated is G(z | y) with the labels y of the minibatch, made once an
// iteration: it serves D, then G.
func (m *cgan) generated(s *trainer.Step) torch.Tensor {
	return s.Once("generated", func() torch.Tensor {
		return m.Generate(m.Latents(s, s.BatchSize()), s.Batch().Labels)
	}, "generator")
}

// discriminatorLoss is BCE(D(x | y), 1) + BCE(D(G(z | y) | y), 0).
func (m *cgan) discriminatorLoss(s *trainer.Step) torch.Tensor {
	generated, batch := m.generated(s), s.Batch()
	onReal := m.discriminate(batch.Images, batch.Labels)
	onGenerated := m.discriminate(generated, batch.Labels)
	observeDiversity(s, generated, batch.Images)
	observeAccuracy(s, m.loss, onReal, onGenerated)
	return m.loss.Discriminator(onReal, onGenerated)
}

// generatorLoss is BCE(D(G(z | y) | y), 1), with the D that has just stepped.
func (m *cgan) generatorLoss(s *trainer.Step) torch.Tensor {
	return m.loss.Generator(m.discriminate(m.generated(s), s.Batch().Labels))
}

func (m *cgan) Phases() []trainer.Phase {
	return ganPhases(m.discriminatorLoss, m.generatorLoss)
}

func (m *cgan) Latents(noise trainer.NoiseSource, n int64) torch.Tensor {
	return noise.Uniform(-1, 1, n, m.ZDim)
}

func (m *cgan) Classes() int64 { return m.classes }

// Preview shows a row of each class.
func (m *cgan) Preview(p *trainer.Preview) error {
	showSamples(p, m)
	return nil
}
