package torchx

import (
	"fmt"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

var normF32, normBF16 = tolerance{5e-6, 1e-5}, tolerance{5e-3, 1.5e-2}

// norm is batch norm and the activation behind it, in training.
func norm(x, w, b, mean, variance torch.Tensor, slope float64) torch.Tensor {
	return batchNorm(x, w, b, mean, variance, true, 0.1, 1e-5, slope)
}

func TestBatchNormFastPaths(t *testing.T) {
	var none torch.Tensor
	for _, shape := range [][]int64{
		{2, 3}, {70, 1}, {33, 64}, // rows of a matrix
		{2, 3, 1, 1}, {1, 3, 1, 2}, {2, 1, 3, 3}, {3, 5, 4, 3}, {2, 64, 2, 2}, {9, 3, 16, 17},
		{4, 17, 40, 40}, // more than one part of rows for the threads
	} {
		for _, slope := range []float64{1, 0.2, 0.01, 0} {
			c := shape[1]
			computation{
				fmt.Sprintf("%v, slope %v", shape, slope), [][]int64{shape, {c}, {c}},
				func(in []torch.Tensor) torch.Tensor { return norm(in[0], in[1], in[2], none, none, slope) }, true,
			}.check(t, normF32, normBF16)
		}
	}
	shape := []int64{3, 4, 3, 2}
	for _, m := range []computation{
		{"without scale and shift", [][]int64{shape}, func(in []torch.Tensor) torch.Tensor {
			return norm(in[0], none, none, none, none, 0.2)
		}, true},
		{"without shift", [][]int64{shape, {4}}, func(in []torch.Tensor) torch.Tensor {
			return norm(in[0], in[1], none, none, none, 0.2)
		}, true},
		{"of a view", [][]int64{{4, 3, 2, 5}, {4}, {4}}, func(in []torch.Tensor) torch.Tensor {
			return norm(Narrow(Permute(in[0], 1, 0, 3, 2), 2, 1, 3), in[1], in[2], none, none, 0.2)
		}, true},
		{"of a view of a matrix", [][]int64{{4, 7}, {4}, {4}}, func(in []torch.Tensor) torch.Tensor {
			return norm(Permute(in[0], 1, 0), in[1], in[2], none, none, 0.2)
		}, true},
		{"in evaluation", [][]int64{shape, {4}, {4}}, func(in []torch.Tensor) torch.Tensor {
			mean, variance := Full(0.3, torch.Float, "cpu", 4), Full(0.7, torch.Float, "cpu", 4)
			if in[1].Dtype() == torch.Double {
				mean, variance = To(mean, "cpu", torch.Double), To(variance, "cpu", torch.Double)
			}
			return batchNorm(in[0], in[1], in[2], mean, variance, false, 0.1, 1e-5, 0.2)
		}, true},
		{"leaky relu", [][]int64{shape}, func(in []torch.Tensor) torch.Tensor { return LeakyReLU(in[0], 0.2) }, true},
		{"relu", [][]int64{shape}, func(in []torch.Tensor) torch.Tensor { return ReLU(in[0]) }, true},
		{"smooth function of a leaky relu", [][]int64{shape}, func(in []torch.Tensor) torch.Tensor {
			return Sigmoid(LeakyReLU(Tanh(in[0]), 0.2))
		}, true},
	} {
		m.check(t, normF32, normBF16)
	}
	noTensors(t)
}
