package torchx

import (
	"math"

	torch "github.com/wangkuiyi/gotorch"
)

const (
	spectralIterations = 15 + 1 // of the power method at the beginning: PyTorch adds a forward when it registers the parametrisation
	spectralEps        = 1e-12  // the least norm that is divided by
)

// SpectralNorm is a layer whose weight is divided by its largest singular value:
// torch.nn.utils.parametrizations.spectral_norm (Miyato et al. 2018). Its state is that of PyTorch's parametrised layer:
// bias, parametrizations.weight.original, and the singular vectors as buffers.
type SpectralNorm struct {
	U, V torch.Tensor // left and right singular vectors, by the power method

	layer    Module
	affine   *affine // the layer's, with the weight before the division
	dim      int64   // of the weight's output channels
	training bool
}

// weighted is a layer with a weight and perhaps a bias.
type weighted interface {
	Module
	parameters() *affine
}

func (a *affine) parameters() *affine { return a }

// NewSpectralNorm wraps a Linear, Conv2d or ConvTranspose2d layer, which belongs to it from then on. It draws the vectors
// from the default generator. Call PowerMethod after giving the layer other initial weights.
func NewSpectralNorm(layer Module) *SpectralNorm {
	const op = "spectral norm"
	w, ok := layer.(weighted)
	if !ok {
		fail(op, nil, "a %T cannot be wrapped, expected a layer with a weight: Linear, Conv2d or ConvTranspose2d", layer)
	}
	s := &SpectralNorm{layer: layer, affine: w.parameters(), training: true}
	if len(Shape(s.affine.Weight)) < 2 {
		fail(op, []torch.Tensor{s.affine.Weight}, "a %T cannot be wrapped: its weight is no matrix; expected Linear, Conv2d or ConvTranspose2d", layer)
	}
	if _, ok := layer.(*ConvTranspose2dLayer); ok {
		s.dim = 1
	}
	Scoped(func() {
		sides := Shape(s.matrix())
		s.U, s.V = normalised(Normal(0, 1, "cpu", sides[0])), normalised(Normal(0, 1, "cpu", sides[1]))
		KeepAll(s.U, s.V)
	})
	s.PowerMethod(spectralIterations)
	return s
}

// matrix is the weight with a row for each output channel.
func (s *SpectralNorm) matrix() torch.Tensor {
	w := s.affine.Weight
	if s.dim == 1 {
		w = Permute(w, 1, 0, 2, 3)
	}
	return Flatten(w, 1, -1)
}

// normalised is torch.nn.functional.normalize of a vector.
func normalised(v torch.Tensor) torch.Tensor {
	return Div(v, Clamp(Norm(v), spectralEps, math.Inf(1)))
}

// PowerMethod brings the vectors n iterations nearer to the weight's singular vectors.
func (s *SpectralNorm) PowerMethod(n int) {
	Scoped(func() {
		NoGrad(func() {
			w := s.matrix()
			transposed := Permute(w, 1, 0)
			for range n {
				Copy(s.U, normalised(MatMul(w, s.V)))
				Copy(s.V, normalised(MatMul(transposed, s.U)))
			}
		})
	})
}

// Forward runs the layer with its weight divided. In training it takes an iteration of the power method first.
// Gradients take the vectors for constants.
func (s *SpectralNorm) Forward(x torch.Tensor) torch.Tensor {
	if s.training {
		s.PowerMethod(1)
	}
	u, v := Clone(s.U), Clone(s.V) // a later forward moves the vectors, while gradients need these
	sigma := MatMul(u, MatMul(s.matrix(), v))
	original := s.affine.Weight
	defer func() { s.affine.Weight = original }()
	s.affine.Weight = Div(original, sigma)
	return s.layer.Forward(x)
}

// State lists the bias, the weight and the vectors.
func (s *SpectralNorm) State() []Entry {
	var state []Entry
	if s.affine.Bias.T != nil {
		state = append(state, Entry{Name: "bias", Tensor: s.affine.Bias})
	}
	const prefix = "parametrizations.weight."
	return append(state, Entry{prefix + "original", s.affine.Weight, false}, Entry{prefix + "0._u", s.U, true}, Entry{prefix + "0._v", s.V, true})
}

// Train chooses whether forwards move the vectors.
func (s *SpectralNorm) Train(on bool) {
	s.training = on
	s.layer.Train(on)
}
