package torchx

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
	"golang.org/x/sys/cpu"
)

// What torchx computes with kernels of its own is compared here with libtorch's in float64, from the same numbers: all are
// those of bfloat16, so that no type rounds what goes in.

// computation is a function of tensors whose value and derivatives are compared.
type computation struct {
	name   string
	shapes [][]int64 // of the inputs
	f      func(in []torch.Tensor) torch.Tensor
	// In bfloat16 the first input is of that type, for functions that do not convert what they get.
	converts bool
}

// narrow tells a linear layer that stays float32 by its weight.
func (c computation) narrow() bool {
	return len(c.shapes) > 1 && len(c.shapes[1]) == 2 && min(c.shapes[1][0], c.shapes[1][1]) < 16
}

// way is how a computation is made.
type way struct {
	name      string
	dtype     int8
	around    func(func())
	layout    func(torch.Tensor) // of maps and kernels
	converted bool
	older     bool // by AVX2
}

var (
	contiguous = func(torch.Tensor) {}
	inF64      = way{"float64", torch.Double, func(f func()) { f() }, contiguous, false, false}
	inF32      = way{"float32", torch.Float, func(f func()) { f() }, contiguous, false, false}
	inBF16     = way{"bfloat16", torch.Float, BF16, contiguous, true, false}
)

func (w way) channelsLast() way {
	w.name += ", channels last"
	w.layout = func(t torch.Tensor) {
		if len(Shape(t)) == 4 {
			channelsLast(t)
		}
	}
	return w
}

// outputs is the dtype of what comes out.
func (w way) outputs(c computation) int8 {
	if w.converted && !c.narrow() {
		return torch.BFloat16
	}
	return w.dtype
}

// refused tells whether to leave a way out: bfloat16 where nothing multiplies it, so that recipes may not ask for it, and
// libtorch rounds sums as it likes; and the older way where all others are it.
func (w way) refused() bool {
	return w.converted && CheckBF16("cpu") != nil || w.older && !cpu.X86.HasAVX512F
}

// byAVX2 is the way of our own kernels on a CPU without AVX-512.
func (w way) byAVX2() way {
	around := w.around
	w.name += ", by AVX2"
	w.around = func(f func()) { withoutAVX512(func() { around(f) }) }
	w.older = true
	return w
}

// byVectors is the way without AMX.
func (w way) byVectors() way {
	around := w.around
	w.name += ", without AMX"
	w.around = func(f func()) { withoutAMX(func() { around(f) }) }
	return w
}

// farApart is the way where threads share no cache.
func (w way) farApart() way {
	around := w.around
	w.name += ", far apart"
	w.around = func(f func()) { asIfApart(true, func() { around(f) }) }
	return w
}

// plainly is the way by libtorch's own kernels.
func (w way) plainly() way {
	around := w.around
	w.name += ", plain"
	w.around = func(f func()) { Plain(func() { around(f) }) }
	return w
}

// result is a value or a derivative; those of second order are less exact.
type result struct {
	name   string
	values []float64 // none: there is no such derivative, which is as good as zeros
	second bool
}

// numbers draws numbers that bfloat16 has.
func numbers(shape []int64) []float64 {
	return Float64s(To(Normal(0, 1, "cpu", shape...), "cpu", torch.BFloat16))
}

// inputs makes the inputs from fixed numbers.
func (c computation) inputs(w way) []torch.Tensor {
	ManualSeed(11)
	var in []torch.Tensor
	for _, shape := range c.shapes {
		t := To(FromFloat64(numbers(shape), shape...), "cpu", w.dtype)
		w.layout(t)
		SetRequiresGrad(t, true)
		in = append(in, t)
	}
	return in
}

func (c computation) apply(w way, in []torch.Tensor) torch.Tensor {
	in = slices.Clone(in)
	if c.converts && w.converted {
		in[0] = To(in[0], "cpu", torch.BFloat16)
	}
	return c.f(in)
}

// gradient is what comes from the layers behind, and the sum that makes it come.
func gradient(y torch.Tensor, w way) (g, loss torch.Tensor) {
	ManualSeed(12)
	shape := Shape(y)
	g = To(FromFloat64(numbers(shape), shape...), "cpu", w.dtype)
	w.layout(g)
	SetRequiresGrad(g, true)
	return g, Sum(Mul(y, g))
}

// derivatives are the value, the gradients of all inputs, and those of the sum of the gradients' norms.
func (c computation) derivatives(t *testing.T, w way) []result {
	t.Helper()
	var rs []result
	scoped(t, func() {
		w.around(func() {
			in := c.inputs(w)
			y := c.apply(w, in)
			if want := w.outputs(c); y.Dtype() != want {
				t.Errorf("%s: the value has dtype %d, expected %d", w.name, y.Dtype(), want)
			}
			g, loss := gradient(y, w)
			rs = append(rs, result{"value", Float64s(y), false})
			first := Gradients(loss, in, true)
			penalty := Full(0, w.dtype, "cpu")
			for i, d := range first {
				if d.T != nil && d.Dtype() != w.dtype {
					t.Errorf("%s: gradient %d has dtype %d, expected %d", w.name, i, d.Dtype(), w.dtype)
				}
				rs = append(rs, derivative(fmt.Sprintf("gradient %d", i), d, false))
				if d.T != nil {
					penalty = Add(penalty, Norm(d))
				}
			}
			for i, d := range Gradients(penalty, append(in, g), false) {
				rs = append(rs, derivative(fmt.Sprintf("second gradient %d", i), d, true))
			}
			// Without a second derivative ahead the gradients may be made by other means.
			rs = append(rs, plainGradients(c.apply(w, in), g, in)...)
		})
	})
	return rs
}

// plainGradients are those without a second derivative ahead.
func plainGradients(y, g torch.Tensor, in []torch.Tensor) []result {
	var rs []result
	for i, d := range Gradients(Sum(Mul(y, Detach(g))), in, false) {
		rs = append(rs, derivative(fmt.Sprintf("plain gradient %d", i), d, false))
	}
	return rs
}

func derivative(name string, d torch.Tensor, second bool) result {
	if d.T == nil {
		return result{name, nil, second}
	}
	return result{name, Float64s(d), second}
}

// alone are the gradients where one input wants one.
func (c computation) alone(t *testing.T, w way) []result {
	t.Helper()
	var rs []result
	scoped(t, func() {
		w.around(func() {
			in := c.inputs(w)
			for i := range in {
				for j := range in {
					SetRequiresGrad(in[j], i == j)
				}
				y := c.apply(w, in)
				g, _ := gradient(y, w)
				d := Gradients(Sum(Mul(y, Detach(g))), in[i:i+1], false)[0]
				rs = append(rs, derivative(fmt.Sprintf("gradient %d alone", i), d, false))
			}
		})
	})
	return rs
}

// tolerance is the greatest distance, relative to the length of what is expected.
type tolerance struct{ first, second float64 }

// apart is the distance between two results, relative to the length of the second, or absolute if that is zero.
func apart(got, want []float64) float64 {
	var squares, length float64
	for i := range max(len(got), len(want)) {
		var a, b float64
		if got != nil {
			a = got[i]
		}
		if want != nil {
			b = want[i]
		}
		squares += (a - b) * (a - b)
		length += b * b
	}
	if length > 0 {
		squares /= length
	}
	return math.Sqrt(squares)
}

// compare allows for numbers that are themselves badly determined, which libtorch's float32 kernels do not find any better.
func compare(t *testing.T, w way, got, want, single []result, most tolerance) {
	t.Helper()
	for _, g := range got {
		at := func(rs []result) []float64 {
			i := slices.IndexFunc(rs, func(r result) bool { return r.name == strings.TrimSuffix(g.name, " alone") })
			return rs[i].values
		}
		expected := at(want)
		if len(g.values) != len(expected) && g.values != nil && expected != nil {
			t.Fatalf("%s, %s: %d values, expected %d", w.name, g.name, len(g.values), len(expected))
		}
		limit := most.first
		if g.second {
			limit = most.second
		}
		if w.dtype == torch.Float {
			limit = max(limit, 4*apart(at(single), expected))
		}
		if d := apart(g.values, expected); !(d <= limit) {
			t.Errorf("%s, %s: relative distance %.3g, expected at most %.3g", w.name, g.name, d, limit)
		}
	}
}

// check compares all ways of a computation with libtorch's kernels.
func (c computation) check(t *testing.T, f32, bf16 tolerance) {
	t.Run(c.name, func(t *testing.T) {
		want, single := c.derivatives(t, inF64.plainly()), c.derivatives(t, inF32.plainly())
		for _, w := range []struct {
			way
			most tolerance
		}{
			{inF64, tolerance{1e-11, 1e-11}},
			{inF32, f32}, {inF32.channelsLast(), f32}, {inF32.farApart(), f32}, {inF32.byAVX2(), f32}, {inF32.byAVX2().farApart(), f32},
			{inBF16, bf16}, {inBF16.channelsLast(), bf16}, {inBF16.byVectors(), bf16}, {inBF16.byVectors().farApart(), bf16},
		} {
			if w.refused() {
				continue
			}
			got := c.derivatives(t, w.way)
			compare(t, w.way, got, want, single, w.most)
			again := c.derivatives(t, w.way)
			for i := range got {
				if !slices.Equal(got[i].values, again[i].values) {
					t.Errorf("%s, %s is another when made again", w.name, got[i].name)
				}
			}
			compare(t, w.way, c.alone(t, w.way), want, single, w.most)
		}
	})
}
