package torchx

import (
	"strconv"

	torch "github.com/wangkuiyi/gotorch"
)

// Sequential is torch.nn.Sequential: layers one after the other, whose state is named "0.weight", "0.bias", ...
type Sequential struct{ Layers []Module }

// NewSequential makes a network of layers.
func NewSequential(layers ...Module) *Sequential { return &Sequential{layers} }

// Forward applies the layers. Where no gradients are recorded, what goes from one layer to the next is freed as soon as
// the next has made its output, so layers must not hold on to their inputs.
func (s *Sequential) Forward(x torch.Tensor) torch.Tensor {
	free := !gradEnabled()
	y := x
	for rest := s.Layers; len(rest) > 0; {
		next, n := forwardFirst(y, rest)
		rest = rest[n:]
		if free && !same(y, x) && !same(y, next) {
			Free(y) // of a view of y, the storage lives on
		}
		y = next
	}
	return y
}

// same tells whether two Tensors are one handle.
func same(a, b torch.Tensor) bool { return *a.T == *b.T }

// State lists the layers' state under their numbers.
func (s *Sequential) State() []Entry {
	return s.children().State()
}

// Train switches all layers.
func (s *Sequential) Train(on bool) { s.children().Train(on) }

func (s *Sequential) children() Children {
	children := make(Children, len(s.Layers))
	for i, layer := range s.Layers {
		children[i] = Child{strconv.Itoa(i), layer}
	}
	return children
}
