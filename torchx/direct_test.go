package torchx

import (
	"fmt"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
	"golang.org/x/sys/cpu"
)

// TestAMX: convolutions and linear layers of bfloat16 add in float32 and round once, so that maps have half a digit's error
// in the mean, and gradients of weights and biases, which are float32, hardly any.
func TestAMX(t *testing.T) {
	if !cpu.X86.HasAMXBF16 {
		t.Skip("this CPU has no amx_bf16")
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
		square(16, 32, 9, 32, 2, 3, 0), // and leaves the last row
		square(4, 32, 10, 32, 5, 3, 2),
		square(4, 32, 2, 32, 3, 1, 3), // more padding than input, and rows that are border alone
		square(32, 128, 4, 160, 5, 2, 2),
		square(6, 512, 4, 64, 3, 1, 1),
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
