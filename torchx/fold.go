package torchx

// #include "imori.h"
import "C"

import torch "github.com/wangkuiyi/gotorch"

// forwardFirst applies the first layer or, where there is a faster form of them together, the first layers; it returns how
// many those were.
func forwardFirst(x torch.Tensor, layers []Module) (torch.Tensor, int) {
	if len(layers) > 1 && C.ix_plain() == 0 {
		shape := Shape(x)
		switch layer := layers[0].(type) {
		case *LinearLayer:
			if next, ok := layers[1].(leakyReLU); ok {
				return layer.activated(x, next.slope), 2
			}
		case *BatchNorm2dLayer:
			if next, ok := layers[1].(leakyReLU); ok && layer.training {
				return layer.activated(x, next.slope), 2
			}
		case *GroupNormLayer:
			if next, ok := layers[1].(leakyReLU); ok {
				return layer.activated(x, next.slope), 2
			}
		case leakyReLU: // it keeps the order of numbers, so it may come behind the maximum, which leaves fewer
			if next, ok := layers[1].(maxPool); ok && layer.slope >= 0 {
				return maxPool2d(x, next.kernel, layer.slope), 2
			}
		case *Conv2dLayer:
			if next, ok := layers[1].(avgPool); ok && next.kernel == 2 && layer.is3x3() && layer.takes(shape, 2) {
				return layer.thenAverage(x), 2
			}
		case upsample:
			next, ok := layers[1].(*Conv2dLayer)
			ok = ok && layer.factor >= 1 && next.takes(shape, 1)
			switch {
			case ok && layer.factor == 2 && next.is3x3():
				return next.afterDoubling(x), 2
			case ok && next.is1x1(): // it sees each place by itself, so it does not matter how often there is one
				y := next.Forward(x)
				defer Free(y)
				return layer.Forward(y), 2
			}
		}
	}
	return layers[0].Forward(x), 1
}

// takes tells whether maps of a shape, of at least side rows and columns, fit; of others the layers one by one report what
// is wrong.
func (l *Conv2dLayer) takes(shape []int64, side int64) bool {
	return len(shape) == 4 && shape[0] > 0 && shape[1] == Shape(l.Weight)[1]*one(l.options.Groups) && shape[2] >= side && shape[3] >= side
}

func (l *Conv2dLayer) is3x3() bool {
	shape := Shape(l.Weight)
	o := l.options
	return shape[2] == 3 && shape[3] == 3 && one(o.Stride) == 1 && o.Padding == 1 && one(o.Dilation) == 1 && one(o.Groups) == 1
}

func (l *Conv2dLayer) is1x1() bool {
	shape := Shape(l.Weight)
	return shape[2] == 1 && shape[3] == 1 && one(l.options.Stride) == 1 && l.options.Padding == 0
}

// thenAverage is the layer of 3x3 and the average over 2x2 behind it: one convolution of 4x4, with 4/9 of the products.
func (l *Conv2dLayer) thenAverage(x torch.Tensor) torch.Tensor {
	w := unary("fold average pooling", C.IX_FOLD_AVG_POOL, l.Weight, 0, 0)
	defer Free(w)
	return Conv2d(x, w, l.Bias, Conv2dOptions{Stride: 2, Padding: 1})
}

// afterDoubling is the layer of 3x3 behind a doubling of height and width by repetition: one transposed convolution of
// 4x4, with 4/9 of the products.
func (l *Conv2dLayer) afterDoubling(x torch.Tensor) torch.Tensor {
	w := unary("fold upsampling", C.IX_FOLD_UPSAMPLE, l.Weight, 0, 0)
	defer Free(w)
	return ConvTranspose2d(x, w, l.Bias, ConvTranspose2dOptions{Stride: 2, Padding: 1})
}
