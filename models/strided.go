package models

import (
	"fmt"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
)

// StridedOptions are the networks of strided 5x5 convolutions of the DCGAN
// paper (Radford et al. 2015), which cgan and alphagan use, too.
type StridedOptions struct {
	ZDim                  int64   `yaml:"z_dim" check:"min=1,max=65536" doc:"numbers in a latent vector"`
	GeneratorChannels     []int64 `yaml:"generator_channels" check:"min=1,max=65536" doc:"channels of the generator's maps, smallest map first; each doubles height and width on the way to the next; []: [256, 512, 256, 128], or [256, 128] where 4 divides the sides and 16 does not"`
	DiscriminatorChannels []int64 `yaml:"discriminator_channels" check:"min=1,max=65536" doc:"channels of the maps of the discriminator, and of an encoder, largest map first; each halves height and width; []: [32, 64, 128, 256], or [64, 128] where 4 divides the sides and 16 does not"`
	Slope                 float64 `yaml:"slope" check:"min=0" doc:"slope of leaky ReLUs below 0"`
	DiscriminatorNorm     string  `yaml:"discriminator_norm" check:"oneof=none|batch" doc:"batch: batch norm after all but the first convolution of the discriminator, as in the paper; none: as it is"`
	InitStd               float64 `yaml:"init_std" check:"gt=0" doc:"standard deviation of the initial weights around 0, and of the scales of batch norms around 1"`
}

func defaultStrided() StridedOptions {
	return StridedOptions{ZDim: 100, GeneratorChannels: []int64{}, DiscriminatorChannels: []int64{}, Slope: 0.2, DiscriminatorNorm: "none", InitStd: 0.02}
}

// forSize fills in the widths that were left to the size of the images.
func (o *StridedOptions) forSize(in datasets.Info) StridedOptions {
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

// check wants sides that survive the halving: with the default widths, multiples
// of 16 or of 4.
func (o *StridedOptions) check(model string, in datasets.Info) error {
	if o.DiscriminatorNorm != "none" && o.DiscriminatorNorm != "batch" {
		return fmt.Errorf("%s: discriminator_norm is %q, expected none or batch", model, o.DiscriminatorNorm)
	}
	filled := o.forSize(in)
	return checkSides(model, in, max(len(filled.GeneratorChannels), len(filled.DiscriminatorChannels)))
}

// newGenerator makes N x inputs -> N x C x H x W in [-1, 1].
func (o *StridedOptions) newGenerator(inputs int64, in datasets.Info) *torchx.Sequential {
	h, w := shrunk(in, len(o.GeneratorChannels))
	double := torchx.ConvTranspose2dOptions{Stride: 2, Padding: 2, OutputPadding: 1}

	width := o.GeneratorChannels[0]
	layers := []torchx.Module{
		torchx.NewLinear(inputs, width*h*w, torchx.LinearOptions{}),
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

// newDiscriminator makes N x channels x H x W -> N x 1, logits.
func (o *StridedOptions) newDiscriminator(channels int64, in datasets.Info, norm func(torchx.Module) torchx.Module) *torchx.Sequential {
	layers, width := stridedConvs(channels, o.DiscriminatorChannels, o.Slope, o.DiscriminatorNorm == "batch", norm)
	h, w := shrunk(in, len(o.DiscriminatorChannels))
	layers = append(layers, torchx.NewFlatten(), norm(torchx.NewLinear(width*h*w, 1, torchx.LinearOptions{})))
	return torchx.NewSequential(layers...)
}

// initialise draws weights from N(0, std) and batch norms' scales from
// N(1, std); biases are 0.
func (o *StridedOptions) initialise(network *torchx.Sequential) {
	for _, p := range torchx.NamedParameters(network) {
		switch {
		case strings.HasSuffix(p.Name, "bias"):
			torchx.InitConstant(p.Tensor, 0)
		case len(torchx.Shape(p.Tensor)) == 1: // a batch norm's
			torchx.InitNormal(p.Tensor, 1, o.InitStd)
		default:
			torchx.InitNormal(p.Tensor, 0, o.InitStd)
		}
	}
	for _, layer := range network.Layers {
		if s, ok := layer.(*torchx.SpectralNorm); ok {
			s.PowerMethod(15) // its vectors belong to the weights that were there before
		}
	}
}

// shrunk returns height and width after n halvings.
func shrunk(in datasets.Info, n int) (h, w int64) {
	return int64(in.Height) >> n, int64(in.Width) >> n
}
