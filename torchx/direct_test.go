package torchx

import (
	"fmt"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// hasAMX tells whether AMX makes products of bfloat16.
func hasAMX() bool { return withoutAMX(func() {}) }

// TestAMX: convolutions and linear layers of bfloat16 add in float32 and round once, so that maps have half a digit's error
// in the mean, and gradients of weights and biases, which are float32, hardly any.
func TestAMX(t *testing.T) {
	if !hasAMX() {
		t.Skip("this CPU has no amx_bf16, or the system does not let it be used")
	}
	const rounded, exact = 2.5e-3, 3e-6
	check := func(c computation) {
		t.Helper()
		want := c.gradients(t, inF64.plainly())
		for i, got := range c.gradients(t, inBF16) {
			most := rounded
			if i == 1 || i == 2 && i < len(want)-1 { // of weight and bias
				most = exact
			}
			if d := apart(got.values, want[i].values); !(d <= most) || len(got.values) != len(want[i].values) {
				t.Errorf("%s, %s: relative distance %.3g, expected at most %.3g", c.name, got.name, d, most)
			}
		}
	}
	for _, c := range []convolution{
		square(64, 32, 16, 64, 4, 2, 1), // groups of 32 images
		square(33, 32, 8, 32, 3, 1, 1),  // of 2, one of them missing
		square(1, 32, 11, 32, 5, 1, 2),
		square(3, 40, 9, 24, 3, 2, 1), // blocks that are not full
		square(5, 16, 7, 48, 4, 2, 1),
		square(8, 96, 16, 32, 3, 1, 1),
		square(40, 17, 5, 31, 2, 1, 0),
		square(12, 64, 3, 32, 3, 1, 1),
		square(2, 32, 40, 32, 3, 1, 1),
		square(64, 64, 8, 96, 1, 1, 0),
		square(16, 32, 9, 32, 1, 2, 0), // strides over inputs
		square(4, 32, 1, 32, 1, 5, 3),  // and beyond the map
		{4, 32, 4, 1, 32, 1, 1, pair(2), pair(0), pair(1), 1},
		{4, 32, 9, 1, 32, 3, 5, [2]int64{1, 4}, [2]int64{1, 2}, pair(1), 1},
		square(16, 32, 9, 32, 2, 3, 0), // and leaves the last row
		square(4, 32, 10, 32, 5, 3, 2),
		square(4, 32, 2, 32, 3, 1, 3), // more padding than input, and rows that are border alone
		square(32, 128, 4, 160, 5, 2, 2),
		square(6, 512, 4, 64, 3, 1, 1),
		{64, 32, 12, 100, 32, 3, 3, pair(1), pair(1), pair(1), 1}, // of more rows than a part of the weight's gradient takes at once
		{9, 32, 12, 7, 48, 3, 5, [2]int64{2, 1}, [2]int64{0, 2}, pair(1), 1},
		{10, 48, 6, 17, 32, 1, 4, [2]int64{1, 3}, [2]int64{1, 1}, pair(1), 1},
	} {
		for _, m := range withBias(fmt.Sprint(c), [][]int64{{c.n, c.c, c.h, c.w}, {c.out, c.c, c.kh, c.kw}}, c.out, func(x, w, b torch.Tensor) torch.Tensor {
			return conv2d(x, w, b, c.stride, c.padding, c.dilation, c.groups)
		}) {
			check(m)
		}
		for rest := range min(c.stride[0], c.stride[1]) {
			for _, m := range withBias(fmt.Sprint("transposed ", c, rest), [][]int64{{c.n, c.c, c.h, c.w}, {c.c, c.out, c.kh, c.kw}}, c.out, func(x, w, b torch.Tensor) torch.Tensor {
				return convTranspose2d(x, w, b, transposed{c.stride, c.padding, pair(rest), c.dilation, c.groups})
			}) {
				if side := (c.h-1)*c.stride[0] - 2*c.padding[0] + c.kh + rest; side > 0 {
					check(m)
				}
			}
		}
	}
	for _, c := range [][3]int64{{64, 96, 64}, {64, 100, 130}, {7, 33, 130}, {128, 257, 16}, {1, 64, 32}, {40, 3000, 20}, {24, 62, 48}} {
		for _, m := range withBias(fmt.Sprint("linear ", c), [][]int64{{c[0], c[1]}, {c[2], c[1]}}, c[2], Linear) {
			check(m)
		}
	}
	noTensors(t)
}

// TestAMXIsTaken: with it and without, sums are rounded otherwise.
func TestAMXIsTaken(t *testing.T) {
	if !hasAMX() {
		t.Skip("this CPU has no amx_bf16, or the system does not let it be used")
	}
	for _, test := range []struct {
		shapes [2][]int64
		f      func(x, w torch.Tensor) torch.Tensor
		want   bool
	}{
		{[2][]int64{{8, 32, 8, 8}, {32, 32, 3, 3}}, padded, true},
		{[2][]int64{{8, 16, 8, 8}, {48, 16, 1, 1}}, padded, true},
		{[2][]int64{{3, 40, 5, 5}, {17, 40, 4, 4}}, padded, true},
		{[2][]int64{{8, 15, 8, 8}, {32, 15, 3, 3}}, padded, false}, // few channels
		{[2][]int64{{8, 32, 8, 8}, {15, 32, 3, 3}}, padded, false},
		{[2][]int64{{8, 32, 3, 3}, {32, 32, 3, 3}}, unpadded, false}, // to 1x1, a product
		{[2][]int64{{64, 256}, {96, 256}}, func(x, w torch.Tensor) torch.Tensor { return Linear(x, w, torch.Tensor{}) }, true},
	} {
		c := computation{name: fmt.Sprint(test.shapes), shapes: test.shapes[:], f: func(in []torch.Tensor) torch.Tensor { return test.f(in[0], in[1]) }}
		with := c.gradients(t, inBF16)
		var without []result
		withoutAMX(func() { without = c.gradients(t, inBF16) })
		changed := false
		for i := range with {
			changed = changed || !slices.Equal(with[i].values, without[i].values)
		}
		if changed != test.want {
			t.Errorf("%s: computed by AMX: %v, expected %v", c.name, changed, test.want)
		}
	}
	noTensors(t)
}

func padded(x, w torch.Tensor) torch.Tensor {
	side := Shape(w)[2]
	return conv2d(x, w, torch.Tensor{}, pair(1), pair(side/2), pair(1), 1)
}

func unpadded(x, w torch.Tensor) torch.Tensor {
	return conv2d(x, w, torch.Tensor{}, pair(1), pair(0), pair(1), 1)
}
