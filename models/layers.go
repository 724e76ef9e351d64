package models

import "github.com/imori-ml/imori/torchx"

// plain is the norm of layers that are used as they are.
func plain(layer torchx.Module) torchx.Module { return layer }

// perceptron makes fully connected layers of the given widths, an activation
// after each. It also returns the width that comes out of them.
func perceptron(in int64, widths []int64, activation torchx.Module, norm func(torchx.Module) torchx.Module) ([]torchx.Module, int64) {
	var layers []torchx.Module
	for _, next := range widths {
		layers = append(layers, norm(torchx.NewLinear(in, next, torchx.LinearOptions{})), activation)
		in = next
	}
	return layers, in
}

// stridedConvs makes 5x5 convolutions of the given widths, each of which halves
// height and width, a leaky ReLU after each, and before those but the first a
// batch norm if that is asked for. It also returns the number of channels that
// come out of them.
func stridedConvs(in int64, widths []int64, slope float64, batchNorm bool, norm func(torchx.Module) torchx.Module) ([]torchx.Module, int64) {
	var layers []torchx.Module
	for i, next := range widths {
		layers = append(layers, norm(torchx.NewConv2d(in, next, 5, torchx.Conv2dOptions{Stride: 2, Padding: 2})))
		if batchNorm && i > 0 {
			layers = append(layers, torchx.NewBatchNorm2d(next, torchx.BatchNormOptions{}))
		}
		layers = append(layers, torchx.NewLeakyReLU(slope))
		in = next
	}
	return layers, in
}

// conv3x3 keeps height and width.
func conv3x3(in, out int64) *torchx.Conv2dLayer {
	return torchx.NewConv2d(in, out, 3, torchx.Conv2dOptions{Padding: 1})
}

// conv1x1 mixes channels.
func conv1x1(in, out int64) *torchx.Conv2dLayer {
	return torchx.NewConv2d(in, out, 1, torchx.Conv2dOptions{})
}
