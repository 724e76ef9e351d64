package datasets

import "math/rand/v2"

func init() {
	RegisterAugmentation(AugmentationPlugin{"brightness", "makes darker or lighter", func() Augmentation { return &Brightness{Amount: 0.2} }})
	RegisterAugmentation(AugmentationPlugin{"contrast", "strengthens or weakens the differences from the mean grey", func() Augmentation { return &Contrast{Amount: 0.2} }})
}

// Brightness multiplies the light of an image, -1 being black, by a factor drawn
// from U(1-Amount, 1+Amount), as PyTorch's ColorJitter does. Targets keep theirs.
type Brightness struct {
	Amount float64 `yaml:"amount" check:"min=0,max=1" doc:"the factor is drawn from 1-amount to 1+amount"`
}

// Contrast multiplies the differences from an image's mean grey by a factor drawn
// from U(1-Amount, 1+Amount), as PyTorch's ColorJitter does. Targets keep theirs.
type Contrast struct {
	Amount float64 `yaml:"amount" check:"min=0,max=1" doc:"the factor is drawn from 1-amount to 1+amount"`
}

// Apply implements Augmentation.
func (b *Brightness) Apply(rng *rand.Rand, _ Info, s *Sample) {
	scale(s.Image, -1, float32(between(rng, 1-b.Amount, 1+b.Amount)))
}

// Apply implements Augmentation.
func (c *Contrast) Apply(rng *rand.Rand, info Info, s *Sample) {
	scale(s.Image, grey(s.Image, info), float32(between(rng, 1-c.Amount, 1+c.Amount)))
}

// scale multiplies the differences from a value and clamps to [-1, 1].
func scale(image []float32, from, factor float32) {
	if factor == 1 {
		return // exactly nothing
	}
	for i, v := range image {
		v = from + (v-from)*factor
		if v > 1 { // faster than min and max
			v = 1
		} else if v < -1 {
			v = -1
		}
		image[i] = v
	}
}

// The luma weights of ITU-R BT.601, as in JPEG.
const (
	lumaRed   = 0.299
	lumaGreen = 0.587
	lumaBlue  = 0.114
)

// grey returns the mean luma of an image, which is the plain
// mean where there are not three channels.
func grey(image []float32, info Info) float32 {
	plane := info.Height * info.Width
	weights := [3]float64{lumaRed, lumaGreen, lumaBlue}
	var sum float64
	for c := range info.Channels {
		weight := 1 / float64(info.Channels)
		if info.Channels == 3 {
			weight = weights[c]
		}
		var channel float64
		for _, v := range image[c*plane : (c+1)*plane] {
			channel += float64(v)
		}
		sum += weight * channel
	}
	return float32(sum / float64(plane))
}
