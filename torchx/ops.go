package torchx

// #include "imori.h"
import "C"

import (
	"unsafe"

	torch "github.com/wangkuiyi/gotorch"
)

func unary(name string, op C.int32_t, a torch.Tensor, p, q float64) torch.Tensor {
	out := newHandle()
	check(name, C.ix_unary(op, handle(name, a), C.double(p), C.double(q), (*C.ix_tensor)(out)), a)
	return wrap(out)
}

func binary(name string, op C.int32_t, a, b torch.Tensor) torch.Tensor {
	out := newHandle()
	check(name, C.ix_binary(op, handle(name, a), handle(name, b), (*C.ix_tensor)(out)), a, b)
	return wrap(out)
}

func reduce(name string, op C.int32_t, a torch.Tensor, keep bool, dims []int64) torch.Tensor {
	out := newHandle()
	check(name, C.ix_reduce(op, handle(name, a), ints(dims), C.int64_t(len(dims)), flag(keep), (*C.ix_tensor)(out)), a)
	return wrap(out)
}

func view(name string, op C.int32_t, a torch.Tensor, args ...int64) torch.Tensor {
	out := newHandle()
	check(name, C.ix_view(op, handle(name, a), ints(args), C.int64_t(len(args)), (*C.ix_tensor)(out)), a)
	return wrap(out)
}

func loss(name string, op C.int32_t, a, target torch.Tensor) torch.Tensor {
	out := newHandle()
	check(name, C.ix_loss(op, handle(name, a), handle(name, target), (*C.ix_tensor)(out)), a, target)
	return wrap(out)
}

// Elementwise functions of one tensor.

// Neg returns -t.
func Neg(t torch.Tensor) torch.Tensor { return unary("neg", C.IX_NEG, t, 0, 0) }

// Abs returns |t|.
func Abs(t torch.Tensor) torch.Tensor { return unary("abs", C.IX_ABS, t, 0, 0) }

// Exp returns e^t.
func Exp(t torch.Tensor) torch.Tensor { return unary("exp", C.IX_EXP, t, 0, 0) }

// Log returns the natural logarithm.
func Log(t torch.Tensor) torch.Tensor { return unary("log", C.IX_LOG, t, 0, 0) }

// Sqrt returns the square root.
func Sqrt(t torch.Tensor) torch.Tensor { return unary("sqrt", C.IX_SQRT, t, 0, 0) }

// Square returns t².
func Square(t torch.Tensor) torch.Tensor { return unary("square", C.IX_SQUARE, t, 0, 0) }

// ReLU returns max(t, 0).
func ReLU(t torch.Tensor) torch.Tensor { return unary("relu", C.IX_RELU, t, 0, 0) }

// LeakyReLU returns t where it is positive and slope·t elsewhere.
func LeakyReLU(t torch.Tensor, slope float64) torch.Tensor {
	return unary("leaky relu", C.IX_LEAKY_RELU, t, slope, 0)
}

// Tanh returns the hyperbolic tangent.
func Tanh(t torch.Tensor) torch.Tensor { return unary("tanh", C.IX_TANH, t, 0, 0) }

// Sigmoid returns 1/(1+e^-t).
func Sigmoid(t torch.Tensor) torch.Tensor { return unary("sigmoid", C.IX_SIGMOID, t, 0, 0) }

// Softplus returns log(1+e^t).
func Softplus(t torch.Tensor) torch.Tensor { return unary("softplus", C.IX_SOFTPLUS, t, 0, 0) }

// AddScalar returns t + v.
func AddScalar(t torch.Tensor, v float64) torch.Tensor {
	return unary("add scalar", C.IX_ADD_SCALAR, t, v, 0)
}

// MulScalar returns t·v.
func MulScalar(t torch.Tensor, v float64) torch.Tensor {
	return unary("mul scalar", C.IX_MUL_SCALAR, t, v, 0)
}

// Pow returns t^v.
func Pow(t torch.Tensor, v float64) torch.Tensor { return unary("pow", C.IX_POW, t, v, 0) }

// Clamp limits to [lo, hi]; the gradient is 0 beyond.
func Clamp(t torch.Tensor, lo, hi float64) torch.Tensor { return unary("clamp", C.IX_CLAMP, t, lo, hi) }

// Detach returns t's value without its history: no gradient flows through it. Storage is shared.
func Detach(t torch.Tensor) torch.Tensor { return unary("detach", C.IX_DETACH, t, 0, 0) }

// Clone returns a copy through which gradients flow.
func Clone(t torch.Tensor) torch.Tensor { return unary("clone", C.IX_CLONE, t, 0, 0) }

// Contiguous returns t with its elements row-major in memory, t's own storage if they are already.
func Contiguous(t torch.Tensor) torch.Tensor { return unary("contiguous", C.IX_CONTIGUOUS, t, 0, 0) }

// UpsampleNearest repeats each pixel of N×C×H×W images factor times in height and width.
func UpsampleNearest(t torch.Tensor, factor int64) torch.Tensor {
	return unary("upsample nearest", C.IX_UPSAMPLE_NEAREST, t, float64(factor), 0)
}

// Functions of two tensors, which are broadcast to each other.

// Add returns a + b.
func Add(a, b torch.Tensor) torch.Tensor { return binary("add", C.IX_ADD, a, b) }

// Sub returns a - b.
func Sub(a, b torch.Tensor) torch.Tensor { return binary("sub", C.IX_SUB, a, b) }

// Mul returns a·b by elements.
func Mul(a, b torch.Tensor) torch.Tensor { return binary("mul", C.IX_MUL, a, b) }

// Div returns a/b by elements.
func Div(a, b torch.Tensor) torch.Tensor { return binary("div", C.IX_DIV, a, b) }

// MatMul returns the matrix product; leading dimensions are batches.
func MatMul(a, b torch.Tensor) torch.Tensor { return binary("matmul", C.IX_MATMUL, a, b) }

// Reductions, over the dimensions given or, if there are none, over all. Negative dimensions count from the last.

// Sum returns the sum.
func Sum(t torch.Tensor, dims ...int64) torch.Tensor { return reduce("sum", C.IX_SUM, t, false, dims) }

// Mean returns the mean.
func Mean(t torch.Tensor, dims ...int64) torch.Tensor {
	return reduce("mean", C.IX_MEAN, t, false, dims)
}

// Norm returns the L2 norm. Its gradient at 0 is 0.
func Norm(t torch.Tensor, dims ...int64) torch.Tensor {
	return reduce("norm", C.IX_NORM2, t, false, dims)
}

// SumKeep is Sum that leaves the dimensions there with size 1.
func SumKeep(t torch.Tensor, dims ...int64) torch.Tensor {
	return reduce("sum", C.IX_SUM, t, true, dims)
}

// MeanKeep is Mean that leaves the dimensions there with size 1.
func MeanKeep(t torch.Tensor, dims ...int64) torch.Tensor {
	return reduce("mean", C.IX_MEAN, t, true, dims)
}

// Argmax returns the index of the largest element along dim, as int64.
func Argmax(t torch.Tensor, dim int64) torch.Tensor {
	out := newHandle()
	check("argmax", C.ix_argmax(handle("argmax", t), C.int64_t(dim), (*C.ix_tensor)(out)), t)
	return wrap(out)
}

// Shapes. Results share t's storage where they can.

// Reshape gives t's elements, row-major, another shape; one size may be -1: what is left.
func Reshape(t torch.Tensor, shape ...int64) torch.Tensor {
	return view("reshape", C.IX_RESHAPE, t, shape...)
}

// Permute reorders the dimensions: size i of the result is t's size dims[i].
func Permute(t torch.Tensor, dims ...int64) torch.Tensor {
	return view("permute", C.IX_PERMUTE, t, dims...)
}

// Flatten makes one dimension of those from start to end, inclusive; -1 is the last.
func Flatten(t torch.Tensor, start, end int64) torch.Tensor {
	return view("flatten", C.IX_FLATTEN, t, start, end)
}

// Narrow takes the indices from start to start+length-1 of a dimension.
func Narrow(t torch.Tensor, dim, start, length int64) torch.Tensor {
	return view("narrow", C.IX_NARROW, t, dim, start, length)
}

// Expand repeats dimensions of size 1 to the sizes given, without copying; -1 leaves a size alone.
func Expand(t torch.Tensor, shape ...int64) torch.Tensor {
	return view("expand", C.IX_EXPAND, t, shape...)
}

// Cat joins tensors along a dimension.
func Cat(dim int64, ts ...torch.Tensor) torch.Tensor {
	hs, out := handles("cat", ts), newHandle()
	check("cat", C.ix_cat(unsafe.SliceData(hs), C.int64_t(len(hs)), C.int64_t(dim), (*C.ix_tensor)(out)), ts...)
	return wrap(out)
}

// Losses: means over all elements. Both tensors have the same shape.

// BCEWithLogits is the binary cross entropy of sigmoid(logits), computed without overflow.
func BCEWithLogits(logits, target torch.Tensor) torch.Tensor {
	return loss("bce with logits", C.IX_BCE_WITH_LOGITS, logits, target)
}

// MSE is the mean of (a-b)².
func MSE(a, b torch.Tensor) torch.Tensor { return loss("mse", C.IX_MSE, a, b) }

// L1 is the mean of |a-b|.
func L1(a, b torch.Tensor) torch.Tensor { return loss("l1", C.IX_L1, a, b) }
