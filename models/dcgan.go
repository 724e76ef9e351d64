package models

import (
	"fmt"
	"strings"

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
		Name:  "dcgan",
		About: "deep convolutional GAN (Radford et al. 2015)",
		Options: func() Options {
			return &DCGANOptions{
				ZDim:                  100,
				GeneratorChannels:     []int64{},
				DiscriminatorChannels: []int64{},
				Slope:                 0.2,
				InitStd:               0.02,
				Loss:                  "bce",
			}
		},
		Optimizers: func() []NamedOptimizer {
			return []NamedOptimizer{{"generator", dcganOptimizer()}, {"discriminator", dcganOptimizer()}}
		},
		BatchSize:  64,
		Iterations: 20_000,
	})
}

// DCGANOptions are the settings of dcgan.
type DCGANOptions struct {
	ZDim                  int64   `yaml:"z_dim" check:"min=1,max=65536" doc:"numbers in a latent vector, drawn from U(-1, 1)"`
	GeneratorChannels     []int64 `yaml:"generator_channels" check:"min=1,max=65536" doc:"channels of the generator's maps, smallest map first; each doubles height and width on the way to the next; []: [256, 512, 256, 128], or [256, 128] where 4 divides the sides and 16 does not"`
	DiscriminatorChannels []int64 `yaml:"discriminator_channels" check:"min=1,max=65536" doc:"channels of the discriminator's maps, largest map first; each halves height and width; []: [32, 64, 128, 256], or [64, 128] where 4 divides the sides and 16 does not"`
	Slope                 float64 `yaml:"slope" check:"min=0" doc:"slope of the discriminator's leaky ReLUs below 0"`
	InitStd               float64 `yaml:"init_std" check:"gt=0" doc:"standard deviation of the initial weights around 0, and of the scales of batch norms around 1"`
	Loss                  string  `yaml:"loss" check:"oneof=bce|hinge|least_squares" doc:"adversarial loss"`
}

func dcganOptimizer() torchx.OptimizerOptions {
	o, _ := torchx.NewOptimizerOptions("adam")
	adam := o.(*torchx.Adam)
	adam.LR, adam.Betas = 2e-4, [2]float64{0.5, 0.999}
	return o
}

// forSize fills in the widths that were left to the size of the images.
func (o *DCGANOptions) forSize(in datasets.Info) DCGANOptions {
	generator, discriminator := []int64{256, 512, 256, 128}, []int64{32, 64, 128, 256}
	if !divides(4, in) {
		generator, discriminator = []int64{256, 128}, []int64{64, 128}
	}
	filled := *o
	if len(filled.GeneratorChannels) == 0 {
		filled.GeneratorChannels = generator
	}
	if len(filled.DiscriminatorChannels) == 0 {
		filled.DiscriminatorChannels = discriminator
	}
	return filled
}

// Check wants sides that survive the halving: with the default widths, multiples
// of 16 or of 4.
func (o *DCGANOptions) Check(in datasets.Info) error {
	filled := o.forSize(in)
	if _, err := losses.LookupAdversarial(o.Loss, 0); err != nil {
		return fmt.Errorf("dcgan: %w", err)
	}
	return checkSides("dcgan", in, max(len(filled.GeneratorChannels), len(filled.DiscriminatorChannels)))
}

// Build makes the networks with the paper's initialisation.
func (o *DCGANOptions) Build(in datasets.Info) (trainer.Model, error) {
	if err := o.Check(in); err != nil {
		return nil, err
	}
	m := &dcgan{DCGANOptions: o.forSize(in)}
	m.loss, _ = losses.LookupAdversarial(o.Loss, 0)
	err := build("dcgan", func() {
		m.generator = m.newGenerator(in)
		m.discriminator = m.newDiscriminator(in)
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

func (o *DCGANOptions) newGenerator(in datasets.Info) *torchx.Sequential {
	factor := int64(1) << len(o.GeneratorChannels)
	h, w := int64(in.Height)/factor, int64(in.Width)/factor
	double := torchx.ConvTranspose2dOptions{Stride: 2, Padding: 2, OutputPadding: 1}

	width := o.GeneratorChannels[0]
	layers := []torchx.Module{
		torchx.NewLinear(o.ZDim, width*h*w, torchx.LinearOptions{}),
		torchx.NewUnflatten(width, h, w),
		torchx.NewBatchNorm2d(width, torchx.BatchNormOptions{}),
		torchx.NewReLU(),
	}
	for _, next := range o.GeneratorChannels[1:] {
		layers = append(layers,
			torchx.NewConvTranspose2d(width, next, 5, double),
			torchx.NewBatchNorm2d(next, torchx.BatchNormOptions{}),
			torchx.NewReLU())
		width = next
	}
	layers = append(layers, torchx.NewConvTranspose2d(width, int64(in.Channels), 5, double), torchx.NewTanh())
	return torchx.NewSequential(layers...)
}

func (o *DCGANOptions) newDiscriminator(in datasets.Info) *torchx.Sequential {
	halve := torchx.Conv2dOptions{Stride: 2, Padding: 2}

	var layers []torchx.Module
	width := int64(in.Channels)
	for _, next := range o.DiscriminatorChannels {
		layers = append(layers, torchx.NewConv2d(width, next, 5, halve), torchx.NewLeakyReLU(o.Slope))
		width = next
	}
	factor := int64(1) << len(o.DiscriminatorChannels)
	h, w := int64(in.Height)/factor, int64(in.Width)/factor
	layers = append(layers, torchx.NewFlatten(), torchx.NewLinear(width*h*w, 1, torchx.LinearOptions{}))
	return torchx.NewSequential(layers...)
}

// initialise draws weights from N(0, std) and batch norms' scales from
// N(1, std); biases are 0.
func (o *DCGANOptions) initialise(network torchx.Module) {
	for _, p := range torchx.NamedParameters(network) {
		switch {
		case strings.HasSuffix(p.Name, ".bias"):
			torchx.InitConstant(p.Tensor, 0)
		case len(torchx.Shape(p.Tensor)) == 1: // a batch norm's
			torchx.InitNormal(p.Tensor, 1, o.InitStd)
		default:
			torchx.InitNormal(p.Tensor, 0, o.InitStd)
		}
	}
}

func (m *dcgan) Networks() []trainer.Network {
	return []trainer.Network{{Name: "generator", Module: m.generator}, {Name: "discriminator", Module: m.discriminator}}
}

// generated is G(z), made once an iteration: it serves D, then G.
func (m *dcgan) generated(s *trainer.Step) torch.Tensor {
	return s.Once("generated", func() torch.Tensor {
		return m.generator.Forward(s.Uniform(-1, 1, s.BatchSize(), m.ZDim))
	}, "generator")
}

// discriminatorLoss is BCE(D(x), 1) + BCE(D(G(z)), 0).
func (m *dcgan) discriminatorLoss(s *trainer.Step) torch.Tensor {
	generated := m.generated(s)
	onReal := m.discriminator.Forward(s.Batch().Images)
	onGenerated := m.discriminator.Forward(generated)
	return m.loss.Discriminator(onReal, onGenerated)
}

// generatorLoss is BCE(D(G(z)), 1), with the D that has just stepped.
func (m *dcgan) generatorLoss(s *trainer.Step) torch.Tensor {
	return m.loss.Generator(m.discriminator.Forward(m.generated(s)))
}

func (m *dcgan) Phases() []trainer.Phase {
	return []trainer.Phase{
		{Name: "discriminator", Updates: []string{"discriminator"}, Loss: m.discriminatorLoss},
		{Name: "generator", Updates: []string{"generator"}, Loss: m.generatorLoss},
	}
}

// Preview shows 64 images, of the same latents every time.
func (m *dcgan) Preview(p *trainer.Preview) error {
	p.Images("samples", m.generator.Forward(p.Uniform(-1, 1, 64, m.ZDim)), 8)
	return nil
}
