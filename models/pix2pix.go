package models

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Isola et al. 2016: "Image-to-Image Translation with Conditional Adversarial
// Networks", arXiv:1611.07004. A U-Net turns one picture of a pair into the other;
// a discriminator judges patches of both together.

func init() {
	Register(Plugin{
		Name:  "pix2pix",
		About: "translation of one picture of a pair into the other (Isola et al. 2016)",
		Options: func() Options {
			return &Pix2PixOptions{
				Direction:             "to_target",
				Channels:              []int64{32, 64, 128, 256, 512, 512},
				DiscriminatorChannels: []int64{32, 64, 128, 256},
				Dropout:               0.5,
				Slope:                 0.2,
				Lambda:                100,
				AdversarialOptions:    defaultAdversarial(),
			}
		},
		Optimizers: ganOptimizers,
		Tests:      true,
		BatchSize:  8,
		Iterations: 10_000,
	})
}

// Pix2PixOptions are the settings of pix2pix.
type Pix2PixOptions struct {
	Direction             string  `yaml:"direction" check:"oneof=to_target|to_image" doc:"to_target: a pair's image becomes its target, such as a photo its map of classes; to_image: the other way"`
	Channels              []int64 `yaml:"channels" check:"nonempty,min=1,max=65536" doc:"channels of the U-Net's blocks, largest map first; between two, height and width halve"`
	DiscriminatorChannels []int64 `yaml:"discriminator_channels" check:"min=1,max=65536" doc:"channels of the discriminator's maps, largest map first; each halves height and width"`
	Dropout               float64 `yaml:"dropout" check:"min=0,lt=1" doc:"share of values dropped after each of the first two blocks of the decoder, in training"`
	Slope                 float64 `yaml:"slope" check:"min=0" doc:"slope of the discriminator's leaky ReLUs below 0"`
	Lambda                float64 `yaml:"lambda" check:"min=0" doc:"weight of the mean absolute error"`
	AdversarialOptions    `yaml:",inline"`
}

// Check wants pairs, and sides that survive the halving: with the default
// channels, multiples of 32.
func (o *Pix2PixOptions) Check(in datasets.Info) error {
	if err := o.Validate(); err != nil {
		return fmt.Errorf("pix2pix: %w", err)
	}
	switch {
	case o.Direction != "to_target" && o.Direction != "to_image":
		return fmt.Errorf("pix2pix: direction is %q, expected to_target or to_image", o.Direction)
	case len(o.Channels) == 0:
		return fmt.Errorf("pix2pix: channels is empty, expected at least one width")
	case in.Target == nil:
		return fmt.Errorf("pix2pix: the images of %s have no targets, expected a dataset of pairs, such as imori with pairs: true, paired, or digits with outlines: true", in.Name)
	}
	return checkSides("pix2pix", in, max(len(o.Channels)-1, len(o.DiscriminatorChannels)))
}

// Build makes the networks with PyTorch's default initialisation.
func (o *Pix2PixOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &pix2pix{Pix2PixOptions: *o, image: datasets.Target{Channels: in.Channels}, target: *in.Target}
	m.loss = o.adversarial()
	input, output := m.Sides()
	from, to := int64(input.Channels), int64(output.Channels)
	err := build("pix2pix", func() {
		m.generator = o.newUNet(from, to)
		m.discriminator = o.newDiscriminator(from + to)
	})
	return m, err
}

type pix2pix struct {
	Pix2PixOptions
	image, target datasets.Target // a pair's sides
	loss          losses.Adversarial
	generator     *unet              // N x from x H x W -> N x to x H x W in [-1, 1]
	discriminator *torchx.Sequential // N x (from + to) x H x W -> N x 1 x h x w, logits of patches
}

// ToTarget says whether a pair's image becomes its target.
func (m *pix2pix) ToTarget() bool { return m.Direction == "to_target" }

// Sides describe what is given and what is made.
func (m *pix2pix) Sides() (input, output datasets.Target) {
	if m.ToTarget() {
		return m.image, m.target
	}
	return m.target, m.image
}

func (o *Pix2PixOptions) newDiscriminator(channels int64) *torchx.Sequential {
	layers, width := stridedConvs(channels, o.DiscriminatorChannels, o.Slope, false, o.normalise)
	return torchx.NewSequential(append(layers, o.normalise(conv3x3(width, 1)))...)
}

func (m *pix2pix) Networks() []trainer.Network {
	return ganNetworks(m.generator, m.discriminator)
}

// Pair returns what is given and what is wanted.
func (m *pix2pix) Pair(b trainer.Batch) (input, output torch.Tensor) {
	if m.ToTarget() {
		return b.Images, b.Targets
	}
	return b.Targets, b.Images
}

// generated is G(x), made once an iteration: it serves D, then G.
func (m *pix2pix) generated(s *trainer.Step) torch.Tensor {
	return s.Once("generated", func() torch.Tensor {
		input, _ := m.Pair(s.Batch())
		return m.generator.Forward(input)
	}, "generator")
}

// discriminate is D(x, y).
func (m *pix2pix) discriminate(input, output torch.Tensor) torch.Tensor {
	return m.discriminator.Forward(torchx.Cat(1, input, output))
}

// discriminatorLoss is BCE(D(x, y), 1) + BCE(D(x, G(x)), 0).
func (m *pix2pix) discriminatorLoss(s *trainer.Step) torch.Tensor {
	input, output := m.Pair(s.Batch())
	onReal := m.discriminate(input, output)
	onGenerated := m.discriminate(input, m.generated(s))
	observeAccuracy(s, m.loss, onReal, onGenerated)
	return m.loss.Discriminator(onReal, onGenerated)
}

// generatorLoss is BCE(D(x, G(x)), 1) + lambda L1(G(x), y), with the D that has
// just stepped.
func (m *pix2pix) generatorLoss(s *trainer.Step) torch.Tensor {
	input, output := m.Pair(s.Batch())
	generated := m.generated(s)
	l1 := torchx.L1(generated, output)
	s.Log("l1", l1)
	return torchx.Add(m.loss.Generator(m.discriminate(input, generated)), torchx.MulScalar(l1, m.Lambda))
}

func (m *pix2pix) Phases() []trainer.Phase {
	return ganPhases(m.discriminatorLoss, m.generatorLoss)
}

// Translate is G(x).
func (m *pix2pix) Translate(x torch.Tensor) torch.Tensor { return m.generator.Forward(x) }

// Preview shows up to 8 test pairs: what is given, what G makes of it, and what
// is wanted. It reports the error over up to 256 pairs and, for maps of classes,
// pixel accuracy and mean IoU.
func (m *pix2pix) Preview(p *trainer.Preview) error {
	from, to := m.Sides()
	segments := to.Classes != nil
	score := NewSegmentation(len(to.Classes))
	l1, pairs := 0.0, 0.0
	p.Each(256, 8, func(b trainer.Batch) {
		input, output := m.Pair(b)
		generated := m.Translate(input)
		n := float64(torchx.Shape(input)[0])
		l1 += n * torchx.Item(torchx.L1(generated, output))
		pairs += n
		if segments {
			score.Add(ClassesOf(generated), ClassesOf(output))
		}
	})
	p.Log("l1", l1/pairs)
	if segments {
		p.Log("pixel_accuracy", score.PixelAccuracy())
		p.Log("mean_iou", score.MeanIoU())
	}

	input, output := m.Pair(p.Batch(8))
	p.Images("input", Pictures(from, input), 8)
	p.Images("generated", Pictures(to, m.Translate(input)), 8)
	p.Images("target", Pictures(to, output), 8)
	return nil
}
