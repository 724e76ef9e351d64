package losses

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// diversityImages is how many images of a batch Diversity compares: the matrix of
// their distances must stay small, and more change nothing that matters.
const diversityImages = 64

// Diversity is how much generated images differ from one another, in units of how
// much real ones do: the mean Euclidean distance of two generated images, over all
// pairs of a batch, divided by that of two real ones. It is about 1 where images
// vary as the data do, and 0 where they are all the same, as when a generator has
// collapsed. It does not see a collapse to a few images that differ much.
//
// generated and real are N x ..., on the same scale, N the same or not; of each the
// first 64 images count. It is undefined, the zero Tensor, for a batch of one
// image, and where all real ones are alike.
func Diversity(generated, real torch.Tensor) torch.Tensor {
	of := meanDistance(real)
	if of.T == nil || torchx.Item(of) == 0 {
		return torch.Tensor{}
	}
	distance := meanDistance(generated)
	if distance.T == nil {
		return torch.Tensor{}
	}
	return torchx.Div(distance, of)
}

// diversityValues is how many values of each image are in double precision at a
// time: large images take no more memory than small ones.
const diversityValues = 1 << 14

// meanDistance is the mean of ||x_i - x_j||_2 over all pairs of images, i != j. It
// comes from matrix products: ||x_i - x_j||^2 = |x_i|^2 + |x_j|^2 - 2 x_i x_j.
func meanDistance(images torch.Tensor) torch.Tensor {
	n := min(torchx.Shape(images)[0], diversityImages)
	if n < 2 {
		return torch.Tensor{}
	}
	rows := torchx.Flatten(torchx.Narrow(images, 0, 0, n), 1, -1)
	var distances torch.Tensor // their squares
	values := torchx.Shape(rows)[1]
	for from := int64(0); from < values; from += diversityValues {
		part := torchx.Narrow(rows, 1, from, min(diversityValues, values-from))
		torchx.Scoped(func() {
			x := torchx.To(part, torchx.Device(images), torch.Double)
			// Around 0 little is lost to rounding, and images that are all alike are exactly 0.
			x = torchx.Sub(x, torchx.MeanKeep(x, 0))
			products := torchx.MatMul(x, torchx.Permute(x, 1, 0))
			squares := torchx.SumKeep(torchx.Square(x), 1)
			sum := torchx.Sub(torchx.Add(squares, torchx.Permute(squares, 1, 0)), torchx.MulScalar(products, 2))
			if distances.T != nil {
				sum = torchx.Add(distances, sum)
			}
			distances = torchx.Keep(sum)
		})
	}
	// The diagonal is 0 but for rounding.
	sum := torchx.Sum(torchx.Sqrt(torchx.ReLU(distances)))
	return torchx.MulScalar(sum, 1/float64(n*(n-1)))
}
