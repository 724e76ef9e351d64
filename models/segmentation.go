package models

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// classesOf returns the class of each pixel, the channel that is largest, of maps
// N x classes x H x W: N*H*W values.
func classesOf(maps torch.Tensor) []int64 {
	return torchx.Int64s(torchx.To(torchx.Argmax(maps, 1), "cpu", -1))
}

// colours shows maps of classes in their colours: N x 3 x H x W in [-1, 1].
func (m *pix2pix) colours(maps torch.Tensor) torch.Tensor {
	shape := torchx.Shape(maps)
	n, area := int(shape[0]), int(shape[2]*shape[3])
	classes := classesOf(maps)
	pictures := make([]float32, n*3*area)
	for i := range n {
		m.target.Paint(pictures[i*3*area:(i+1)*3*area], classes[i*area:(i+1)*area])
	}
	return torchx.FromFloat32(pictures, shape[0], 3, shape[2], shape[3])
}

// segmentation counts how maps of classes agree.
type segmentation struct {
	classes int
	pixels  []int // by class wanted, then by class found
}

func newSegmentation(classes int) *segmentation {
	return &segmentation{classes, make([]int, classes*classes)}
}

func (s *segmentation) add(found, wanted []int64) {
	for i, class := range wanted {
		s.pixels[int(class)*s.classes+int(found[i])]++
	}
}

// pixelAccuracy is the share of pixels whose class was found.
func (s *segmentation) pixelAccuracy() float64 {
	right, all := 0, 0
	for i, n := range s.pixels {
		all += n
		if i/s.classes == i%s.classes {
			right += n
		}
	}
	return float64(right) / float64(all)
}

// meanIoU is the mean over classes of intersection over union: pixels of the
// class that were found among those that are of it or were taken for it. Classes
// that occur on neither side do not count.
func (s *segmentation) meanIoU() float64 {
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
