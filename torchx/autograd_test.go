package torchx

import (
	"fmt"
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

func TestGradients(t *testing.T) {
	scoped(t, func() {
		x := FromFloat64([]float64{1, 2, 3}, 3)
		unused := leaf(2)
		SetRequiresGrad(x, true)
		cube := func() torch.Tensor { return Sum(Pow(x, 3)) }
		for range 2 { // nothing accumulates
			grads := Gradients(cube(), []torch.Tensor{unused, x}, false)
			if grads[0].T != nil {
				t.Error("an unused parameter has a gradient")
			}
			near(t, "3x²", Float64s(grads[1]), []float64{3, 12, 27}, 1e-12)
			if RequiresGrad(grads[1]) {
				t.Error("the gradient has a graph")
			}
		}
		first := Gradients(cube(), []torch.Tensor{x}, true)[0]
		near(t, "6x", Float64s(Gradients(Sum(first), []torch.Tensor{x}, false)[0]), []float64{6, 12, 18}, 1e-12)
		// The gradient penalty's path: through a norm of gradients.
		first = Gradients(cube(), []torch.Tensor{x}, true)[0]
		norm := Norm(first)
		want := []float64{}
		for _, v := range []float64{1, 2, 3} {
			want = append(want, 3*v*v*6*v/math.Sqrt(9+144+729))
		}
		near(t, "norm", Float64s(Gradients(norm, []torch.Tensor{x}, false)[0]), want, 1e-12)
		zero := Full(0, torch.Double, "cpu", 2)
		SetRequiresGrad(zero, true)
		near(t, "norm at 0", Float64s(Gradients(Norm(zero), []torch.Tensor{zero}, false)[0]), []float64{0, 0}, 0)
		if grads := Gradients(cube(), nil, false); len(grads) != 0 {
			t.Errorf("there are %d gradients of nothing", len(grads))
		}
	})
	noTensors(t)
}

// Every operation's gradient is that of central differences.
func TestOperationGradients(t *testing.T) {
	var none torch.Tensor
	one := func(f func(torch.Tensor) torch.Tensor) func(...torch.Tensor) torch.Tensor {
		return func(x ...torch.Tensor) torch.Tensor { return f(x[0]) }
	}
	two := func(f func(a, b torch.Tensor) torch.Tensor) func(...torch.Tensor) torch.Tensor {
		return func(x ...torch.Tensor) torch.Tensor { return f(x[0], x[1]) }
	}
	for _, c := range []struct {
		name   string
		f      func(x ...torch.Tensor) torch.Tensor
		shapes [][]int64
	}{
		{"neg", one(Neg), [][]int64{{3, 2}}},
		{"abs", one(Abs), [][]int64{{3, 2}}},
		{"exp", one(Exp), [][]int64{{3, 2}}},
		{"log", func(x ...torch.Tensor) torch.Tensor { return Log(AddScalar(Square(x[0]), 1)) }, [][]int64{{3, 2}}},
		{"sqrt", func(x ...torch.Tensor) torch.Tensor { return Sqrt(AddScalar(Square(x[0]), 1)) }, [][]int64{{3, 2}}},
		{"relu", one(ReLU), [][]int64{{3, 2}}},
		{"tanh", one(Tanh), [][]int64{{3, 2}}},
		{"sigmoid", one(Sigmoid), [][]int64{{3, 2}}},
		{"softplus", one(Softplus), [][]int64{{3, 2}}},
		{"mul scalar", func(x ...torch.Tensor) torch.Tensor { return MulScalar(x[0], 3) }, [][]int64{{3, 2}}},
		{"clamp", func(x ...torch.Tensor) torch.Tensor { return Clamp(x[0], -0.5, 0.5) }, [][]int64{{3, 2}}},
		{"clone contiguous", func(x ...torch.Tensor) torch.Tensor { return Contiguous(Clone(Permute(x[0], 1, 0))) }, [][]int64{{3, 2}}},
		{"upsample", func(x ...torch.Tensor) torch.Tensor { return UpsampleNearest(x[0], 2) }, [][]int64{{1, 2, 2, 3}}},
		{"add", two(Add), [][]int64{{3, 2}, {2}}},
		{"sub", two(Sub), [][]int64{{3, 2}, {3, 1}}},
		{"mul", two(Mul), [][]int64{{3, 2}, {2}}},
		{"div", func(x ...torch.Tensor) torch.Tensor { return Div(x[0], Exp(x[1])) }, [][]int64{{3, 2}, {2}}},
		{"matmul", two(MatMul), [][]int64{{3, 2}, {2, 4}}},
		{"sum", func(x ...torch.Tensor) torch.Tensor { return Sum(x[0], 0, -1) }, [][]int64{{3, 2, 2}}},
		{"mean keep", func(x ...torch.Tensor) torch.Tensor { return Mul(x[0], MeanKeep(x[0], 1)) }, [][]int64{{3, 2}}},
		{"sum keep", func(x ...torch.Tensor) torch.Tensor { return Mul(x[0], SumKeep(x[0])) }, [][]int64{{3, 2}}},
		{"norm", func(x ...torch.Tensor) torch.Tensor { return Norm(x[0], 1) }, [][]int64{{3, 2}}},
		{"narrow expand", func(x ...torch.Tensor) torch.Tensor { return Expand(Narrow(x[0], 1, 1, 1), 3, 4) }, [][]int64{{3, 2}}},
		{"cat flatten", func(x ...torch.Tensor) torch.Tensor { return Flatten(Cat(1, x...), 0, -1) }, [][]int64{{3, 2}, {3, 1}}},
		{"linear", func(x ...torch.Tensor) torch.Tensor { return Linear(x[0], x[1], x[2]) }, [][]int64{{3, 2}, {4, 2}, {4}}},
		{"conv2d", func(x ...torch.Tensor) torch.Tensor {
			return Conv2d(x[0], x[1], none, Conv2dOptions{Stride: 2, Padding: 1})
		}, [][]int64{{1, 2, 5, 4}, {3, 2, 3, 3}}},
		{"conv_transpose2d", func(x ...torch.Tensor) torch.Tensor {
			return ConvTranspose2d(x[0], x[1], x[2], ConvTranspose2dOptions{Stride: 2, Padding: 1, OutputPadding: 1})
		}, [][]int64{{2, 2, 3, 2}, {2, 3, 3, 3}, {3}}},
		{"group norm", func(x ...torch.Tensor) torch.Tensor { return GroupNorm(x[0], 2, x[1], x[2], 1e-5) }, [][]int64{{2, 4, 2, 2}, {4}, {4}}},
		{"max pool", func(x ...torch.Tensor) torch.Tensor { return MaxPool2d(x[0], 2) }, [][]int64{{1, 2, 4, 5}}},
		{"avg pool", func(x ...torch.Tensor) torch.Tensor { return AvgPool2d(x[0], 2) }, [][]int64{{1, 2, 4, 5}}},
		{"bce", func(x ...torch.Tensor) torch.Tensor {
			return BCEWithLogits(x[0], Full(0.3, torch.Double, "cpu", 3, 2))
		}, [][]int64{{3, 2}}},
		{"mse", two(MSE), [][]int64{{3, 2}, {3, 2}}},
		{"l1", two(L1), [][]int64{{3, 2}, {3, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			scoped(t, func() {
				ManualSeed(3)
				var xs []torch.Tensor
				for _, shape := range c.shapes {
					xs = append(xs, leaf(shape...))
				}
				weights := To(Normal(0, 1, "cpu", Shape(c.f(xs...))...), "cpu", torch.Double)
				loss := func() torch.Tensor { return Sum(Mul(Tanh(c.f(xs...)), weights)) }
				for i, g := range Gradients(loss(), xs, false) {
					values := Float64s(xs[i])
					numeric := make([]float64, len(values))
					at := func(j int, v float64) float64 {
						moved := append([]float64(nil), values...)
						moved[j] = v
						Copy(xs[i], FromFloat64(moved, c.shapes[i]...))
						return Item(loss())
					}
					for j, v := range values {
						numeric[j] = (at(j, v+1e-5) - at(j, v-1e-5)) / 2e-5
					}
					Copy(xs[i], FromFloat64(values, c.shapes[i]...))
					near(t, fmt.Sprintf("gradient %d", i), Float64s(g), numeric, 1e-7)
				}
			})
		})
	}
}

// The fast path of the transposed convolution is libtorch's own kernel in value and in first and second derivatives.
func TestConvTransposeFastPath(t *testing.T) {
	for _, c := range []struct {
		batch, in, h, w, out, kh, kw int64
		o                            transposed
	}{
		{2, 3, 4, 4, 2, 4, 4, transposed{pair(2), pair(1), pair(0), pair(1), 1}},
		{2, 3, 1, 1, 4, 4, 4, transposed{pair(1), pair(0), pair(0), pair(1), 1}},
		{1, 2, 3, 5, 3, 5, 5, transposed{pair(2), pair(2), pair(1), pair(1), 1}},
		{2, 2, 3, 2, 2, 3, 3, transposed{pair(3), pair(1), pair(2), pair(1), 1}},
		{1, 4, 3, 3, 6, 3, 3, transposed{pair(2), pair(1), pair(0), pair(1), 2}},
		{2, 4, 3, 3, 4, 3, 3, transposed{pair(2), pair(1), pair(1), pair(1), 4}},
		{1, 2, 3, 3, 2, 3, 3, transposed{pair(2), pair(1), pair(0), pair(2), 1}},
		{1, 2, 3, 3, 2, 3, 3, transposed{pair(1), pair(1), pair(1), pair(2), 1}}, // output padding below dilation alone
		{2, 2, 2, 3, 2, 3, 2, transposed{[2]int64{2, 3}, [2]int64{1, 0}, [2]int64{1, 2}, pair(1), 1}},
		{1, 1, 5, 5, 1, 1, 1, transposed{pair(2), pair(0), pair(1), pair(1), 1}}, // output that no input reaches
		{3, 2, 4, 1, 1, 2, 3, transposed{[2]int64{1, 2}, pair(0), pair(0), pair(1), 1}},
	} {
		for _, bias := range []bool{true, false} {
			t.Run(fmt.Sprintf("%+v,bias=%v", c, bias), func(t *testing.T) {
				scoped(t, func() {
					ManualSeed(5)
					x, w := leaf(c.batch, c.in, c.h, c.w), leaf(c.in, c.out/c.o.groups, c.kh, c.kw)
					params := []torch.Tensor{x, w}
					var b torch.Tensor
					if bias {
						b = leaf(c.out)
						params = append(params, b)
					}
					noise := leaf(Shape(convTranspose2d(x, w, b, c.o))...) // the gradient that comes in; second derivatives reach it
					derivatives := func() (y torch.Tensor, first, second []torch.Tensor) {
						y = convTranspose2d(x, w, b, c.o)
						first = Gradients(Sum(Mul(Tanh(y), noise)), params, true)
						penalty := Sum(Square(y))
						for i, g := range first {
							penalty = Add(penalty, MulScalar(Sum(Square(g)), float64(i+1)))
						}
						return y, first, Gradients(penalty, append(params, noise), false)
					}
					y, first, second := derivatives()
					var wantY torch.Tensor
					var wantFirst, wantSecond []torch.Tensor
					Plain(func() { wantY, wantFirst, wantSecond = derivatives() })
					near(t, "value", Float64s(y), Float64s(wantY), 1e-11)
					for i := range first {
						near(t, fmt.Sprintf("first derivative %d", i), Float64s(first[i]), Float64s(wantFirst[i]), 1e-11)
					}
					for i := range second {
						near(t, fmt.Sprintf("second derivative %d", i), Float64s(second[i]), Float64s(wantSecond[i]), 1e-10)
					}

					// Where only one input wants a gradient, that one is the same.
					for i, p := range params {
						for j, other := range params {
							SetRequiresGrad(other, i == j)
						}
						loss := Sum(Mul(Tanh(convTranspose2d(x, w, b, c.o)), Detach(noise)))
						near(t, fmt.Sprintf("gradient %d alone", i), Float64s(Gradients(loss, []torch.Tensor{p}, false)[0]), Float64s(wantFirst[i]), 1e-11)
					}
				})
			})
		}
	}
	noTensors(t)
}
