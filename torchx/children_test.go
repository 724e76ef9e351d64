package torchx

import (
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// residual is a network of named parts.
type residual struct {
	Children
	main, shortcut Module
}

func (r *residual) Forward(x torch.Tensor) torch.Tensor {
	return Add(r.main.Forward(x), r.shortcut.Forward(x))
}

func TestChildren(t *testing.T) {
	scoped(t, func() {
		r := &residual{
			main:     NewSequential(NewConv2d(2, 3, 1, Conv2dOptions{NoBias: true}), NewBatchNorm2d(3, BatchNormOptions{}), NewDropout(0.5)),
			shortcut: NewConv2d(2, 3, 1, Conv2dOptions{}),
		}
		r.Children = Children{{"main", r.main}, {"shortcut", r.shortcut}}
		m := NewSequential(r, NewGlobalAvgPool2d(), NewFlatten())
		const want = "0.main.0.weight[3 2 1 1] 0.main.1.weight[3] 0.main.1.bias[3] 0.main.1.running_mean[3] 0.main.1.running_var[3] " +
			"0.main.1.num_batches_tracked[] 0.shortcut.weight[3 2 1 1] 0.shortcut.bias[3]"
		if got := names(m.State()); got != want {
			t.Errorf("state is\n%s, expected\n%s", got, want)
		}
		x := Normal(0, 1, "cpu", 4, 2, 5, 5)
		if got := Shape(m.Forward(x)); !slices.Equal(got, []int64{4, 3}) {
			t.Errorf("the output has shape %v", got)
		}
		m.Train(false)
		near(t, "evaluation", Float64s(m.Forward(x)), Float64s(m.Forward(x)), 0) // no dropout
	})
	noTensors(t)
}
