package torchx

import (
	"fmt"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

func TestGroupNormFastPaths(t *testing.T) {
	for _, c := range []struct {
		shape  []int64
		groups []int64
	}{
		{[]int64{2, 4, 3, 2}, []int64{1, 2, 4}},
		{[]int64{3, 6, 1, 2}, []int64{1, 3}},
		{[]int64{1, 1, 3, 3}, []int64{1}},
		{[]int64{2, 6, 9, 17}, []int64{1, 2, 6}}, // more than one block of places
		{[]int64{3, 32, 16, 16}, []int64{1}},
	} {
		for _, groups := range c.groups {
			for _, slope := range []float64{1, 0.2, 0} {
				channels := c.shape[1]
				computation{
					fmt.Sprintf("%v, %d groups, slope %v", c.shape, groups, slope), [][]int64{c.shape, {channels}, {channels}},
					func(in []torch.Tensor) torch.Tensor { return groupNorm(in[0], groups, in[1], in[2], 1e-5, slope) }, true,
				}.check(t, normF32, normBF16)
			}
		}
	}
	computation{"of a view", [][]int64{{4, 3, 2, 5}, {4}, {4}}, func(in []torch.Tensor) torch.Tensor {
		return groupNorm(Narrow(Permute(in[0], 1, 0, 3, 2), 2, 1, 3), 2, in[1], in[2], 1e-5, 0.2)
	}, true}.check(t, normF32, normBF16)
}

// TestInputsGradientTwice: the penalty of a critic is on the gradient of its input alone, which has a shorter way back.
func TestInputsGradientTwice(t *testing.T) {
	second := func(dtype int8, createGraph bool) (values [][]float64) {
		scoped(t, func() {
			x, ps := stacked(dtype)
			y := x
			for i := range 3 {
				y = Tanh(groupNorm(y, 2, ps[2*i], ps[2*i+1], 1e-5, 0.2))
			}
			first := Gradients(Sum(Square(y)), []torch.Tensor{x}, true)
			for _, g := range Gradients(Sum(Square(first[0])), append(ps, x), createGraph) {
				values = append(values, Float64s(g))
			}
		})
		return values
	}
	var single [][]float64
	Plain(func() { single = second(torch.Float, false) })
	want := second(torch.Double, false)
	for _, createGraph := range []bool{false, true} {
		for i, got := range second(torch.Float, createGraph) {
			if d, plain := apart(got, want[i]), apart(single[i], want[i]); d > max(1e-5, 4*plain) {
				t.Errorf("second gradient %d, for a third %v: relative distance %g, libtorch's %g", i, createGraph, d, plain)
			}
		}
	}
}

// TestGradientsOfEachAlone: where one input of a layer is made from another, or one layer is there twice, a gradient with a
// graph is the same as one without.
func TestGradientsOfEachAlone(t *testing.T) {
	for name, norm := range map[string]func(x, w, b torch.Tensor) torch.Tensor{
		"group norm": func(x, w, b torch.Tensor) torch.Tensor { return groupNorm(x, 2, w, b, 1e-5, 0.2) },
		"batch norm": func(x, w, b torch.Tensor) torch.Tensor { return norm(x, w, b, torch.Tensor{}, torch.Tensor{}, 0.2) },
	} {
		gradients := func(createGraph bool) (values [][]float64) {
			scoped(t, func() {
				x, ps := stacked(torch.Float)
				y := Sigmoid(norm(Tanh(norm(x, ps[0], ps[1])), ps[0], ps[1]))
				for _, g := range Gradients(Sum(Square(y)), append(ps[:2], x), createGraph) {
					values = append(values, Float64s(g))
				}
			})
			return values
		}
		want := gradients(false)
		for i, got := range gradients(true) {
			if d := apart(got, want[i]); d > 1e-5 {
				t.Errorf("%s, gradient %d: relative distance %g", name, i, d)
			}
		}
	}
}

// stacked are maps and scales and shifts of three layers.
func stacked(dtype int8) (x torch.Tensor, ps []torch.Tensor) {
	ManualSeed(5)
	x = To(Normal(0, 1, "cpu", 3, 4, 5, 5), "cpu", dtype)
	SetRequiresGrad(x, true)
	for range 3 {
		for _, mean := range []float64{1, 0} {
			p := To(Normal(mean, 0.5, "cpu", 4), "cpu", dtype)
			SetRequiresGrad(p, true)
			ps = append(ps, p)
		}
	}
	return x, ps
}
