package models

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// ClassesOf returns the class of each pixel, the channel that is largest, of maps
// N x classes x H x W: N*H*W values.
func ClassesOf(maps torch.Tensor) []int64 {
	return torchx.Int64s(torchx.To(torchx.Argmax(maps, 1), "cpu", -1))
}

// Segmentation counts how maps of classes agree.
type Segmentation struct {
	classes int
	pixels  []int // by class wanted, then by class found
}

// NewSegmentation returns one that has counted nothing yet.
func NewSegmentation(classes int) *Segmentation {
	return &Segmentation{classes, make([]int, classes*classes)}
}

// Add counts pixels: the classes found and those wanted, as many.
func (s *Segmentation) Add(found, wanted []int64) {
	for i, class := range wanted {
		s.pixels[int(class)*s.classes+int(found[i])]++
	}
}

// PixelAccuracy is the share of pixels whose class was found.
func (s *Segmentation) PixelAccuracy() float64 {
	right, all := 0, 0
	for i, n := range s.pixels {
		all += n
		if i/s.classes == i%s.classes {
			right += n
		}
	}
	return float64(right) / float64(all)
}

// MeanIoU is the mean over classes of intersection over union: pixels of the
// class that were found among those that are of it or were taken for it. Classes
// that occur on neither side do not count.
func (s *Segmentation) MeanIoU() float64 {
	sum, counted := 0.0, 0
	for c := range s.classes {
		union := -s.pixels[c*s.classes+c]
		for other := range s.classes {
			union += s.pixels[c*s.classes+other] + s.pixels[other*s.classes+c]
		}
		if union > 0 {
			sum += float64(s.pixels[c*s.classes+c]) / float64(union)
			counted++
		}
	}
	return sum / float64(counted)
}

// Constant returns what would have been counted had the class that is wanted most
// often been found everywhere: what a model has to be better than. It returns that
// class, too.
func (s *Segmentation) Constant() (counts *Segmentation, class int) {
	wanted := make([]int, s.classes)
	for i, n := range s.pixels {
		wanted[i/s.classes] += n
	}
	for c, n := range wanted {
		if n > wanted[class] {
			class = c
		}
	}
	counts = NewSegmentation(s.classes)
	for c, n := range wanted {
		counts.pixels[c*s.classes+class] = n
	}
	return counts, class
}
