package torchx

// #include "imori.h"
import "C"

import (
	torch "github.com/wangkuiyi/gotorch"
)

// Linear returns x·wᵀ + b for x of N×in, w of out×in and b of out; the zero Tensor is no bias.
func Linear(x, w, b torch.Tensor) torch.Tensor { return linear(x, w, b, 1) }

// linear is Linear and then LeakyReLU with a slope, of which 0 is ReLU and 1 nothing.
func linear(x, w, b torch.Tensor, slope float64) torch.Tensor {
	out := newHandle()
	check("linear", C.ix_linear(handle("linear", x), handle("linear", w), optional(b), C.double(slope), (*C.ix_tensor)(out)), x, w, b)
	return wrap(out)
}

// Conv2dOptions are those of torch.nn.Conv2d. Zero means PyTorch's default: stride 1, no padding, dilation 1, one group.
type Conv2dOptions struct {
	Stride, Padding, Dilation, Groups int64
	NoBias                            bool // of a layer; the function goes by its argument
}

// Conv2d convolves x of N×C×H×W with w of out×(C/groups)×kh×kw and adds b of out; the zero Tensor is no bias.
func Conv2d(x, w, b torch.Tensor, o Conv2dOptions) torch.Tensor {
	return conv2d(x, w, b, pair(one(o.Stride)), pair(o.Padding), pair(one(o.Dilation)), one(o.Groups))
}

func conv2d(x, w, b torch.Tensor, stride, padding, dilation [2]int64, groups int64) torch.Tensor {
	out := newHandle()
	check("conv2d", C.ix_conv2d(handle("conv2d", x), handle("conv2d", w), optional(b), ints(stride[:]), ints(padding[:]),
		ints(dilation[:]), C.int64_t(groups), (*C.ix_tensor)(out)), x, w, b)
	return wrap(out)
}

// ConvTranspose2dOptions are those of torch.nn.ConvTranspose2d, with the same defaults as Conv2dOptions.
type ConvTranspose2dOptions struct {
	Stride, Padding, OutputPadding, Dilation, Groups int64
	NoBias                                           bool // of a layer; the function goes by its argument
}

// ConvTranspose2d is the transposed convolution of x of N×C×H×W with w of C×(out/groups)×kh×kw, plus b of out. Sizes
// grow to (size-1)·stride - 2·padding + dilation·(k-1) + output padding + 1.
func ConvTranspose2d(x, w, b torch.Tensor, o ConvTranspose2dOptions) torch.Tensor {
	return convTranspose2d(x, w, b, transposed{
		pair(one(o.Stride)), pair(o.Padding), pair(o.OutputPadding), pair(one(o.Dilation)), one(o.Groups),
	})
}

type transposed struct {
	stride, padding, outputPadding, dilation [2]int64
	groups                                   int64
}

func convTranspose2d(x, w, b torch.Tensor, o transposed) torch.Tensor {
	const op = "conv_transpose2d"
	out := newHandle()
	check(op, C.ix_conv_transpose2d(handle(op, x), handle(op, w), optional(b), ints(o.stride[:]), ints(o.padding[:]),
		ints(o.outputPadding[:]), C.int64_t(o.groups), ints(o.dilation[:]), (*C.ix_tensor)(out)), x, w, b)
	return wrap(out)
}

func pair(n int64) [2]int64 { return [2]int64{n, n} }

// one replaces an option that was left out.
func one(n int64) int64 {
	if n == 0 {
		return 1
	}
	return n
}

// BatchNorm normalises every channel of x, by the batch's statistics in training, which then move mean and variance by
// momentum, or else by these. w and b are scale and shift.
func BatchNorm(x, w, b, mean, variance torch.Tensor, training bool, momentum, eps float64) torch.Tensor {
	return batchNorm(x, w, b, mean, variance, training, momentum, eps, 1)
}

// batchNorm is BatchNorm and then LeakyReLU with a slope, of which 0 is ReLU and 1 nothing.
func batchNorm(x, w, b, mean, variance torch.Tensor, training bool, momentum, eps, slope float64) torch.Tensor {
	const op = "batch norm"
	out := newHandle()
	check(op, C.ix_batch_norm(handle(op, x), optional(w), optional(b), optional(mean), optional(variance), flag(training),
		C.double(momentum), C.double(eps), C.double(slope), (*C.ix_tensor)(out)), x, w, b, mean, variance)
	return wrap(out)
}

// GroupNorm normalises every sample's channels in groups; w and b are scale and shift of each channel.
func GroupNorm(x torch.Tensor, groups int64, w, b torch.Tensor, eps float64) torch.Tensor {
	return groupNorm(x, groups, w, b, eps, 1)
}

// groupNorm is GroupNorm and then LeakyReLU with a slope, of which 0 is ReLU and 1 nothing.
func groupNorm(x torch.Tensor, groups int64, w, b torch.Tensor, eps, slope float64) torch.Tensor {
	const op = "group norm"
	out := newHandle()
	check(op, C.ix_group_norm(handle(op, x), C.int64_t(groups), optional(w), optional(b), C.double(eps),
		C.double(slope), (*C.ix_tensor)(out)), x, w, b)
	return wrap(out)
}

// MaxPool2d takes the maximum of each kernel×kernel tile; what is left at the right and lower edge is dropped.
func MaxPool2d(x torch.Tensor, kernel int64) torch.Tensor { return maxPool2d(x, kernel, 1) }

// maxPool2d is MaxPool2d and then LeakyReLU with a slope, of which 0 is ReLU and 1 nothing.
func maxPool2d(x torch.Tensor, kernel int64, slope float64) torch.Tensor {
	out := newHandle()
	check("max pool", C.ix_max_pool2d(handle("max pool", x), C.int64_t(kernel), C.double(slope), (*C.ix_tensor)(out)), x)
	return wrap(out)
}

// AvgPool2d is MaxPool2d with the mean.
func AvgPool2d(x torch.Tensor, kernel int64) torch.Tensor {
	out := newHandle()
	check("avg pool", C.ix_avg_pool2d(handle("avg pool", x), C.int64_t(kernel), (*C.ix_tensor)(out)), x)
	return wrap(out)
}

// Dropout zeroes each element with probability p in training and scales the others by 1/(1-p).
func Dropout(x torch.Tensor, p float64, training bool) torch.Tensor {
	out := newHandle()
	check("dropout", C.ix_dropout(handle("dropout", x), C.double(p), flag(training), (*C.ix_tensor)(out)), x)
	return wrap(out)
}
