package models

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Sampler is a model that makes images from latents.
type Sampler interface {
	// Latents draws n latents as the model was trained on: n x z.
	Latents(noise trainer.NoiseSource, n int64) torch.Tensor
	// Generate makes an image of each latent: N x C x H x W in [-1, 1]. labels has
	// a class for each, N, int64; a model without classes does not look at it.
	Generate(z, labels torch.Tensor) torch.Tensor
	// Classes is the number of classes to choose from, 0 for a model without.
	Classes() int64
}

// Reconstructor is a model that makes images anew from what it keeps of them.
type Reconstructor interface {
	// Reconstruct returns what is left of each image: N x C x H x W, about [-1, 1].
	Reconstruct(images torch.Tensor) torch.Tensor
}

// Encoder is a model that finds the latent of an image.
type Encoder interface {
	// Codes returns each image's latent, N x z; where it is a Gaussian, its mean.
	Codes(images torch.Tensor) torch.Tensor
	// Decode makes an image of each latent: N x C x H x W, about [-1, 1].
	Decode(codes torch.Tensor) torch.Tensor
}

// GaussianEncoder is an Encoder to which an image's latent is a Gaussian of independent dimensions.
type GaussianEncoder interface {
	Encoder
	// Encode returns mean and log-variance, N x z each.
	Encode(images torch.Tensor) (mu, logvar torch.Tensor)
}

// Translator is a model that makes the other picture of a pair.
type Translator interface {
	// Translate returns it for each image: N x C' x H x W in [-1, 1].
	Translate(inputs torch.Tensor) torch.Tensor
	// ToTarget says whether inputs are the pairs' images, and outputs their targets;
	// otherwise it is the other way round.
	ToTarget() bool
	// Sides describe what is given and what is made.
	Sides() (input, output datasets.Target)
	// Pair returns what of a batch of pairs is given and what is wanted.
	Pair(b trainer.Batch) (input, output torch.Tensor)
}

// Pictures returns pictures of one side of pairs, N x 1 or 3 x H x W in [-1, 1]:
// maps of classes in their palette's colours, others as they are.
func Pictures(side datasets.Target, x torch.Tensor) torch.Tensor {
	if side.Classes == nil {
		return x
	}
	shape := torchx.Shape(x)
	n, area := int(shape[0]), int(shape[2]*shape[3])
	classes := ClassesOf(x)
	pictures := make([]float32, n*3*area)
	for i := range n {
		side.Paint(pictures[i*3*area:(i+1)*3*area], classes[i*area:(i+1)*area])
	}
	return torchx.FromFloat32(pictures, shape[0], 3, shape[2], shape[3])
}

// showSamples shows 64 images, of the same latents every time; where there are
// classes, a row of each, 20 rows at most.
func showSamples(p *trainer.Preview, m Sampler) {
	rows, columns, labels := int64(8), int64(8), torch.Tensor{}
	if n := m.Classes(); n > 0 {
		rows, columns = min(n, maxClassRows), 10
		labels = eachClass(rows, columns, p.Device())
	}
	p.Images("samples", m.Generate(m.Latents(p, rows*columns), labels), int(columns))
}

// maxClassRows keeps the picture of a dataset of very many classes in bounds.
const maxClassRows = 20

// eachClass returns labels 0, 0, ..., 1, 1, ...: times of each of n classes.
func eachClass(n, times int64, device string) torch.Tensor {
	labels := make([]int64, 0, n*times)
	for i := range n * times {
		labels = append(labels, i/times)
	}
	return torchx.To(torchx.FromInt64(labels, n*times), device, -1)
}

// showReconstructions shows up to 32 test images in rows of 8, each row above its
// reconstructions, and reports their mean squared error.
func showReconstructions(p *trainer.Preview, m Reconstructor) {
	images := p.Batch(32).Images
	shape := torchx.Shape(images)
	columns := min(8, shape[0])
	rows := shape[0] / columns
	images = torchx.Narrow(images, 0, 0, rows*columns)
	again := m.Reconstruct(images)
	p.Log("mse", torchx.Item(torchx.MSE(again, images)))

	lines := func(t torch.Tensor) torch.Tensor {
		return torchx.Reshape(t, rows, columns, shape[1], shape[2], shape[3])
	}
	pairs := torchx.Cat(1, lines(images), lines(again))
	p.Images("reconstructions", torchx.Reshape(pairs, 2*rows*columns, shape[1], shape[2], shape[3]), int(columns))
}

// testCodes encodes up to 256 test images: N x z.
func testCodes(p *trainer.Preview, m Encoder) torch.Tensor {
	var codes []torch.Tensor
	p.Each(256, 64, func(b trainer.Batch) { codes = append(codes, torchx.Keep(m.Codes(b.Images))) })
	return torchx.Cat(0, codes...)
}
