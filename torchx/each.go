package torchx

// #include "imori.h"
import "C"

import (
	"slices"

	torch "github.com/wangkuiyi/gotorch"
)

// ForwardEach applies the layers to each of several batches, as Forward does to one: a discriminator to real images and to
// generated ones. Linear layers, and what treats each row of a batch by itself, see all rows at once, so that the weights
// are read once and have one gradient; others see a batch after the other, which to batch norms makes a difference.
func (s *Sequential) ForwardEach(xs ...torch.Tensor) []torch.Tensor {
	if len(xs) < 2 || C.ix_plain() != 0 || !s.isRowwise() || !joinable(xs) {
		ys := make([]torch.Tensor, len(xs))
		for i, x := range xs {
			ys[i] = s.Forward(x)
		}
		return ys
	}
	y := s.Forward(Cat(0, xs...))
	ys, from := make([]torch.Tensor, len(xs)), int64(0)
	for i, x := range xs {
		n := Shape(x)[0]
		ys[i] = Narrow(y, 0, from, n)
		from += n
	}
	return ys
}

// isRowwise tells whether all layers are linear or treat each row of a batch by itself.
func (s *Sequential) isRowwise() bool {
	return !slices.ContainsFunc(s.Layers, func(layer Module) bool {
		switch layer.(type) {
		case *LinearLayer, leakyReLU, rowwise:
			return false
		}
		return true
	})
}

// rowwise is a layer without state that treats each row of a batch by itself.
type rowwise struct{ function }

// joinable tells whether batches differ in the number of rows alone, or in their type, which the first layer makes one.
func joinable(xs []torch.Tensor) bool {
	row := Shape(xs[0])
	return len(row) > 1 && !slices.ContainsFunc(xs, func(x torch.Tensor) bool {
		shape := Shape(x)
		return len(shape) < 2 || !slices.Equal(shape[1:], row[1:])
	})
}
