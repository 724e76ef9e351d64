package trained

import (
	"math"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// Latents draws a latent for each seed, N x z: the same one for a seed whichever other seeds there are, on every device.
// truncation above 0 keeps each number within that many standard deviations of a normal distribution, by drawing it
// again (Brock et al. 2018, arXiv:1809.11096), or within that part of a uniform one; 0 leaves latents as they are drawn.
// Call it within Do.
func (r *Run) Latents(m models.Sampler, seeds []int64, truncation float64) torch.Tensor {
	var all []torch.Tensor
	for _, seed := range seeds {
		noise := NewNoise(seed)
		source := trainer.NoiseSource(noise)
		if truncation > 0 {
			source = truncated{noise, truncation}
		}
		all = append(all, m.Latents(source, 1))
		noise.Close()
	}
	return torchx.To(torchx.Cat(0, all...), r.Device, -1)
}

// Labels makes a tensor of classes, N, on the run's device. Call it within Do.
func (r *Run) Labels(classes []int64) torch.Tensor {
	return torchx.To(torchx.FromInt64(classes, int64(len(classes))), r.Device, -1)
}

// Noise is a source of noise with a generator of its own, on the CPU. Close it.
type Noise struct{ g *torchx.Generator }

// NewNoise returns the noise of a seed.
func NewNoise(seed int64) Noise { return Noise{torchx.NewGenerator("cpu", seed)} }

// Uniform draws from U(lo, hi), float32.
func (n Noise) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	return n.g.Uniform(lo, hi, shape...)
}

// Normal draws from N(0, 1), float32.
func (n Noise) Normal(shape ...int64) torch.Tensor { return n.g.Normal(0, 1, shape...) }

// Close frees the generator.
func (n Noise) Close() { n.g.Close() }

// truncated is noise that stays near the middle.
type truncated struct {
	Noise
	limit float64
}

// MinTruncation is the least that has an effect of its own: it keeps the number of draws for each value below a hundred or so.
const MinTruncation = 0.01

func (t truncated) Normal(shape ...int64) torch.Tensor {
	limit := float32(math.Max(t.limit, MinTruncation))
	values := torchx.Float32s(t.Noise.Normal(shape...))
	for {
		var far []int
		for i, v := range values {
			if v < -limit || v > limit {
				far = append(far, i)
			}
		}
		if far == nil {
			return torchx.FromFloat32(values, shape...)
		}
		again := torchx.Float32s(t.Noise.Normal(int64(len(far))))
		for k, i := range far {
			values[i] = again[k]
		}
	}
}

func (t truncated) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	middle, half := (lo+hi)/2, (hi-lo)/2*min(t.limit, 1)
	return t.Noise.Uniform(middle-half, middle+half, shape...)
}
