package latent

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes/trained"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/torchx"
)

// space is a model's latent space.
type space struct {
	run     *trained.Run
	dims    int
	uniform *[2]float64 // what latents are drawn from; nil: N(0, I), or no drawing at all

	sampler models.Sampler // nil: no latents are drawn
	encoder models.Encoder // nil: no latents of images
	class   int64
}

// spaceOf returns the latent space of a run's model, or an error that says what the model can do instead. class is a name
// or a number, "" the first one. Call it within Do.
func spaceOf(run *trained.Run, class string) (*space, error) {
	s := &space{run: run}
	s.sampler, _ = run.Model.(models.Sampler)
	s.encoder, _ = run.Model.(models.Encoder)
	switch {
	case s.sampler != nil:
		w := witness{Noise: trained.NewNoise(0)}
		defer w.Close()
		s.dims = int(torchx.Shape(s.sampler.Latents(&w, 1))[1])
		s.uniform = w.limits
	case s.encoder != nil:
		i := run.Info
		blank := torchx.Full(0, torch.Float, run.Device, 1, int64(i.Channels), int64(i.Height), int64(i.Width))
		s.dims = int(torchx.Shape(s.encoder.Codes(blank))[1])
	default:
		_, err := run.Sampler()
		return nil, err
	}
	return s, s.choose(class)
}

// choose sets the class of the images to make.
func (s *space) choose(class string) error {
	if class == "" {
		return nil
	}
	if s.sampler == nil || s.sampler.Classes() == 0 {
		return cli.Wrong(fmt.Errorf("-class: model %s makes images without regard to classes, expected a conditional one such as cgan",
			s.run.Recipe.Model.Type))
	}
	classes, err := cli.Classes(class, s.run.Info.Classes)
	if err != nil {
		return fmt.Errorf("-class: %w", err)
	}
	if len(classes) != 1 {
		return cli.Wrong(fmt.Errorf("-class: found %d classes in %q, expected one", len(classes), class))
	}
	s.class = classes[0]
	return nil
}

// ofClass is what titles say of the class.
func (s *space) ofClass() string {
	if s.sampler == nil || s.sampler.Classes() == 0 {
		return ""
	}
	return ", class " + s.run.Info.Classes[s.class]
}

// decodeBatch is for images of 32x32 pixels.
const decodeBatch = 128

// batch is how many images are worked on at a time, so many of 32x32: the memory for larger ones stays small, and an
// interrupt need not wait long.
func (s *space) batch(ofSmall int) int {
	return min(max(ofSmall*32*32/(s.run.Info.Height*s.run.Info.Width), 1), ofSmall)
}

// format is the size of the model's images.
func (s *space) format() format {
	return format{s.run.Info.Channels, s.run.Info.Height, s.run.Info.Width}
}

// checkPixels refuses a picture of n images that would fill the memory.
func checkPixels(n int, size image.Point) error {
	if n*size.X*size.Y <= cli.MaxPixels {
		return nil
	}
	return cli.Wrong(fmt.Errorf("%d images of %dx%d pixels are too many for a picture, expected %d million pixels at most; ask for fewer",
		n, size.X, size.Y, cli.MaxPixels>>20))
}

// decode draws the image of each latent in that size. Call it within Do.
func (s *space) decode(ctx context.Context, latents []point, size image.Point) ([]*image.RGBA, error) {
	if err := checkPixels(len(latents), size); err != nil {
		return nil, err
	}
	f := s.format()
	area := f.c * f.h * f.w
	var tiles []*image.RGBA
	for part := range slices.Chunk(latents, s.batch(decodeBatch)) {
		values := s.decodeBatch(part)
		if len(values) != len(part)*area {
			return nil, fmt.Errorf("model %s made %d values of %d latents, expected images of %dx%dx%d",
				s.run.Recipe.Model.Type, len(values), len(part), f.c, f.h, f.w)
		}
		if slices.ContainsFunc(values, notFinite) {
			return nil, fmt.Errorf("an image that model %s makes of a latent holds NaN or an infinite number: %s", s.run.Recipe.Model.Type, diverged)
		}
		for image := range slices.Chunk(values, area) {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			tiles = append(tiles, f.tile(image, size))
		}
	}
	return tiles, nil
}

// diverged is what may be behind NaN.
const diverged = "has the training diverged? an earlier -checkpoint may be whole"

func notFinite(v float32) bool { return v-v != 0 }

// decodeBatch makes images, one after another.
func (s *space) decodeBatch(latents []point) (values []float32) {
	torchx.Scoped(func() {
		n := int64(len(latents))
		z := torchx.To(torchx.FromFloat32(slices.Concat(latents...), n, int64(s.dims)), s.run.Device, -1)
		var made torch.Tensor
		if s.sampler != nil {
			made = s.sampler.Generate(z, s.run.Labels(slices.Repeat([]int64{s.class}, len(latents))))
		} else {
			made = s.encoder.Decode(z)
		}
		values = torchx.Float32s(torchx.To(made, "cpu", -1))
	})
	return values
}

// seeds returns the latents of seeds. Call it within Do.
func (s *space) seeds(seeds []int64) ([]point, error) {
	if _, err := s.run.Sampler(); err != nil {
		return nil, cli.Wrong(fmt.Errorf("-seeds: %w; give -images", err))
	}
	return split(torchx.Float32s(torchx.To(s.run.Latents(s.sampler, seeds, 0), "cpu", -1)), s.dims), nil
}

// dimensions checks numbers of dimensions, which begin at 1, and returns them from 0 on.
func (s *space) dimensions(numbers []int64) ([]int, error) {
	dims := make([]int, len(numbers))
	seen := map[int64]bool{}
	for i, n := range numbers {
		if n < 1 || n > int64(s.dims) {
			return nil, cli.Wrong(fmt.Errorf("-dims: there is no dimension %d: a latent of this run has %d, numbered from 1",
				n, s.dims))
		}
		if seen[n] {
			return nil, cli.Wrong(fmt.Errorf("-dims: dimension %d is given twice", n))
		}
		dims[i], seen[n] = int(n-1), true
	}
	return dims, nil
}

// checkPlane refuses a latent that is only a line, and a number of dimensions other than two.
func (s *space) checkPlane(numbers []int64) error {
	if s.dims < 2 {
		return errors.New("the latent of this run has one dimension, expected two or more; imori latent traverse shows it")
	}
	if len(numbers) != 0 && len(numbers) != 2 {
		return cli.Wrong(fmt.Errorf("-dims: found %d dimensions, expected two", len(numbers)))
	}
	return nil
}

// dimName is what people call a dimension.
func dimName(dim int) string { return fmt.Sprintf("z%d", dim+1) }

// witness sees what a model draws its latents from.
type witness struct {
	trained.Noise
	limits *[2]float64
}

func (w *witness) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	w.limits = &[2]float64{lo, hi}
	return w.Noise.Uniform(lo, hi, shape...)
}
