package torchx

import (
	"fmt"
	"runtime"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// A sum of some hundred products is as exact as this; convolutions of other forms add in another order. Winograd's tiles of
// 4 x 4 make three times the error.
var (
	convF32     = tolerance{1e-6, 3e-6}
	winogradF32 = tolerance{3e-6, 5e-6}
	convBF16    = tolerance{8e-3, 1.5e-2}
)

// withBias are both forms of a layer with a weight: f gets the zero Tensor for no bias.
func withBias(name string, shapes [][]int64, out int64, f func(x, w, b torch.Tensor) torch.Tensor) []computation {
	return []computation{
		{name: name + ", bias", shapes: append(shapes[:2:2], []int64{out}), f: func(in []torch.Tensor) torch.Tensor {
			return f(in[0], in[1], in[2])
		}},
		{name: name, shapes: shapes, f: func(in []torch.Tensor) torch.Tensor { return f(in[0], in[1], torch.Tensor{}) }},
	}
}

// convolution is x of n×c×h×w and a kernel of out channels.
type convolution struct {
	n, c, h, w, out, kh, kw   int64
	stride, padding, dilation [2]int64
	groups                    int64
}

// square is a convolution like most.
func square(n, c, side, out, kernel, stride, padding int64) convolution {
	return convolution{n, c, side, side, out, kernel, kernel, pair(stride), pair(padding), pair(1), 1}
}

// tolerance in float32.
func (c convolution) tolerance() tolerance {
	if c.c%32 == 0 && c.out%32 == 0 {
		return winogradF32
	}
	return convF32
}

func TestConv2dFastPaths(t *testing.T) {
	for _, c := range []convolution{
		square(2, 5, 4, 7, 4, 1, 0), // to 1x1
		square(3, 5, 1, 7, 1, 1, 0), // 1x1 by itself
		square(2, 5, 1, 4, 3, 1, 1), // of which 8/9 is border
		square(1, 5, 4, 7, 4, 2, 1), // to 2x2
		square(2, 3, 4, 6, 3, 2, 1),
		square(2, 5, 2, 4, 3, 1, 1),
		square(2, 5, 2, 4, 1, 1, 0),
		square(2, 5, 4, 4, 1, 2, 0), // strides over inputs
		square(2, 4, 7, 3, 2, 3, 0), // and leaves the last row
		square(2, 1, 4, 1, 4, 2, 1),
		square(2, 5, 8, 7, 4, 2, 1), // to 4x4
		square(2, 3, 8, 5, 3, 2, 1),
		square(2, 5, 4, 4, 3, 1, 1),
		square(2, 5, 4, 4, 1, 1, 0),
		square(2, 5, 8, 4, 5, 2, 2),
		square(2, 4, 1, 5, 1, 1, 1),   // to 3x3, of which 8 are border alone
		square(2, 4, 1, 5, 3, 1, 2),   // more padding than input
		square(2, 16, 16, 9, 4, 2, 1), // to 8x8
		square(2, 3, 16, 9, 4, 2, 1),
		square(2, 5, 8, 4, 3, 1, 1),
		square(2, 5, 9, 4, 5, 1, 2),     // to 9x9
		square(17, 20, 4, 220, 4, 1, 0), // a product whose rows are turned
		square(5, 20, 4, 220, 4, 2, 1),
		square(130, 3, 4, 20, 4, 1, 0), // and one whose weight is
		square(9, 32, 16, 64, 4, 2, 1), // by Winograd's algorithm
		square(5, 3, 16, 32, 3, 1, 1),  // from few channels
		square(2, 64, 32, 32, 5, 2, 2),
		square(3, 32, 32, 32, 5, 2, 0), // and leaves the last row
		square(3, 96, 14, 32, 3, 1, 1),
		square(2, 32, 17, 32, 3, 1, 1), // tiles that reach over the edge
		square(1, 32, 24, 64, 2, 1, 0),
		square(1, 32, 35, 32, 3, 1, 0), // stripes of one image
		square(3, 32, 30, 32, 6, 2, 2),
		square(20, 32, 2, 32, 3, 1, 3),   // most tiles see nothing but border
		square(21, 64, 16, 128, 4, 2, 1), // more tiles than a weight's gradient sums up at once, the last ones odd in number
		square(30, 32, 16, 64, 4, 2, 1),  // in float32 by tiles of 4 x 4
		square(14, 32, 32, 32, 5, 2, 2),  // of which there are more than a weight's gradient sums up at once
		square(6, 32, 33, 32, 5, 2, 0),
		square(8, 32, 17, 32, 3, 1, 1),
		square(1, 32, 51, 32, 3, 1, 1),
		square(3, 32, 24, 64, 2, 1, 0),
		{8, 32, 19, 14, 32, 3, 3, pair(1), pair(1), pair(1), 1},
		square(9, 3, 16, 32, 4, 2, 1), // from few channels
		square(11, 1, 16, 64, 5, 2, 2),
		square(5, 3, 18, 32, 3, 1, 0),
		square(41, 2, 24, 32, 2, 3, 0), // and every third place is not seen
		square(9, 3, 17, 32, 3, 2, 0),  // as is the last row
		{7, 3, 16, 16, 32, 5, 3, [2]int64{2, 1}, [2]int64{2, 1}, pair(1), 1},
		square(5, 32, 16, 3, 3, 1, 1), // to few channels
		square(7, 64, 16, 1, 5, 1, 4),
		{7, 32, 8, 12, 2, 4, 3, pair(1), [2]int64{2, 1}, pair(1), 1},
		{2, 32, 19, 14, 32, 3, 3, pair(1), pair(1), pair(1), 1},
		{4, 32, 8, 70, 32, 4, 4, pair(2), pair(1), pair(1), 1},
		{1, 2, 9, 7, 3, 5, 3, [2]int64{2, 1}, [2]int64{2, 0}, pair(1), 1},
		{2, 5, 4, 3, 4, 3, 1, [2]int64{2, 1}, [2]int64{1, 0}, pair(1), 1},
		{2, 5, 1, 6, 4, 1, 3, pair(2), [2]int64{0, 1}, pair(1), 1},
		{2, 4, 5, 6, 6, 3, 3, pair(1), pair(1), pair(1), 2},
		{2, 4, 4, 4, 8, 4, 4, pair(2), pair(1), pair(1), 4}, // of each channel by itself, to 2x2
		{2, 3, 7, 7, 4, 3, 3, pair(1), pair(2), pair(2), 1},
		{2, 3, 5, 5, 4, 3, 3, pair(2), pair(1), [2]int64{2, 1}, 1}, // to 2x3
		// What oneDNN does wrong with channels last.
		square(2, 64, 30, 3, 1, 1, 0),
		square(5, 16, 30, 17, 1, 1, 0),
		square(2, 16, 60, 5, 1, 1, 1),
		square(9, 8, 16, 48, 1, 2, 0),
		square(17, 3, 10, 16, 1, 2, 1),
		{9, 8, 15, 15, 32, 1, 1, pair(3), pair(0), pair(2), 1},
		{9, 16, 16, 16, 48, 1, 1, [2]int64{1, 2}, pair(0), pair(1), 2},
		{9, 16, 19, 51, 64, 6, 6, pair(1), pair(0), [2]int64{3, 1}, 4},
		{6, 2, 22, 39, 2, 3, 3, pair(1), pair(1), pair(2), 2},
		{2, 16, 30, 30, 6, 1, 1, pair(1), pair(0), pair(1), 2},
		{2, 64, 60, 60, 34, 1, 1, pair(1), pair(0), pair(1), 2},
		{5, 4, 1, 1, 6, 3, 3, pair(1), pair(2), pair(2), 2},
	} {
		shapes := [][]int64{{c.n, c.c, c.h, c.w}, {c.out, c.c / c.groups, c.kh, c.kw}}
		for _, m := range withBias(fmt.Sprint(c), shapes, c.out, func(x, w, b torch.Tensor) torch.Tensor {
			return conv2d(x, w, b, c.stride, c.padding, c.dilation, c.groups)
		}) {
			m.check(t, c.tolerance(), convBF16)
		}
	}
	noTensors(t)
}

// TestStridedPoints: oneDNN's weight gradient of such a layer with channels last writes past its memory, which ends the process
// sooner or later.
func TestStridedPoints(t *testing.T) {
	runtime.LockOSThread() // the number is the thread's, and others must not be left with it
	defer runtime.UnlockOSThread()
	defer SetThreads(Threads())
	SetThreads(2)
	scoped(t, func() {
		x, w := Normal(0, 1, "cpu", 9, 8, 16, 16), Normal(0, 1, "cpu", 48, 8, 1, 1)
		SetRequiresGrad(w, true)
		gradient := func() (g []float64) {
			Scoped(func() {
				y := Conv2d(x, w, torch.Tensor{}, Conv2dOptions{Stride: 2})
				g = Float64s(Gradients(Sum(Square(y)), []torch.Tensor{w}, false)[0])
			})
			return g
		}
		var want []float64
		Plain(func() { want = gradient() })
		for range 1000 {
			if d := apart(gradient(), want); d > 1e-5 {
				t.Fatalf("relative distance %.3g", d)
			}
		}
	})
	noTensors(t)
}

func TestConvTranspose2dFastPaths(t *testing.T) {
	none := pair(0)
	for _, c := range []struct {
		convolution
		outputPadding [2]int64
	}{
		{square(3, 7, 1, 5, 4, 1, 0), none}, // from 1x1
		{square(2, 7, 1, 5, 1, 1, 0), none},
		{square(2, 7, 2, 5, 4, 2, 1), none}, // from 2x2
		{square(2, 7, 2, 3, 3, 1, 1), none},
		{square(2, 7, 4, 5, 4, 2, 1), none}, // from 4x4
		{square(1, 4, 4, 3, 3, 2, 1), pair(1)},
		{square(2, 4, 4, 3, 1, 1, 0), none},
		{square(2, 9, 8, 16, 4, 2, 1), none}, // from 8x8
		{square(2, 9, 8, 3, 4, 2, 1), none},
		{square(1, 4, 3, 2, 1, 2, 0), pair(1)}, // outputs that no input reaches
		{square(2, 4, 3, 2, 5, 2, 2), pair(1)},
		{square(1, 4, 2, 3, 2, 3, 0), [2]int64{2, 0}},
		{square(9, 64, 8, 32, 4, 2, 1), none}, // by Winograd's algorithm
		{square(3, 32, 14, 64, 5, 2, 2), pair(1)},
		{square(1, 32, 24, 32, 3, 1, 1), none},
		{square(9, 64, 8, 3, 4, 2, 1), none}, // few channels: a product
		{square(2, 32, 17, 32, 4, 2, 2), [2]int64{1, 0}},
		{convolution{2, 4, 2, 3, 5, 3, 2, [2]int64{2, 3}, [2]int64{1, 0}, pair(1), 1}, [2]int64{1, 2}},
		{convolution{2, 4, 3, 3, 6, 4, 4, pair(2), pair(1), pair(1), 2}, none},
		{convolution{2, 4, 3, 3, 4, 3, 3, pair(2), pair(2), pair(2), 1}, none},
	} {
		shapes := [][]int64{{c.n, c.c, c.h, c.w}, {c.c, c.out / c.groups, c.kh, c.kw}}
		for _, m := range withBias(fmt.Sprint(c), shapes, c.out, func(x, w, b torch.Tensor) torch.Tensor {
			return convTranspose2d(x, w, b, transposed{c.stride, c.padding, c.outputPadding, c.dilation, c.groups})
		}) {
			m.check(t, convF32, convBF16)
		}
	}
	noTensors(t)
}

// TestConvOfViews: maps, kernels and gradients that lie otherwise in memory.
func TestConvOfViews(t *testing.T) {
	o := Conv2dOptions{Stride: 2, Padding: 1}
	every := func(x torch.Tensor) torch.Tensor { return x }
	channels := func(x torch.Tensor) torch.Tensor { return Narrow(x, 1, 3, 32) }
	turned := func(x torch.Tensor) torch.Tensor { return Permute(x, 0, 1, 3, 2) }
	rows := func(x torch.Tensor) torch.Tensor { return Narrow(x, 2, 1, 16) }
	for _, v := range []struct {
		name    string
		x, w    []int64
		of, by  func(torch.Tensor) torch.Tensor
		spreads bool // the result is a mean over places, whose gradient is one number for all of them
	}{
		{"channels of maps", []int64{9, 40, 16, 16}, []int64{64, 32, 4, 4}, channels, every, false},
		{"turned maps", []int64{9, 32, 16, 16}, []int64{64, 32, 4, 4}, turned, every, false},
		{"rows of maps", []int64{9, 32, 19, 16}, []int64{64, 32, 4, 4}, rows, every, false},
		{"channels of a kernel", []int64{9, 32, 16, 16}, []int64{64, 40, 4, 4}, every, channels, false},
		{"a turned kernel", []int64{9, 32, 16, 16}, []int64{64, 32, 4, 4}, every, turned, false},
		{"a gradient that is one number", []int64{9, 32, 16, 16}, []int64{64, 32, 4, 4}, every, every, true},
	} {
		computation{name: v.name, shapes: [][]int64{v.x, v.w}, f: func(in []torch.Tensor) torch.Tensor {
			y := Conv2d(v.of(in[0]), v.by(in[1]), torch.Tensor{}, o)
			if v.spreads {
				return To(MeanKeep(y, -2, -1), "cpu", y.Dtype())
			}
			return y
		}}.check(t, convF32, convBF16)
	}
	noTensors(t)
}

func TestLinearFastPath(t *testing.T) {
	for _, c := range [][3]int64{{1, 7, 5}, {6, 7, 5}, {1, 1, 1}, {5, 9, 1}, {70, 3, 4}, {64, 48, 32}, {18, 20, 1100}, {33, 300, 270}, {16, 256, 1100}, {150, 1030, 150}, {200, 48, 32}, {64, 1100, 1050}, {600, 64, 64}, {2000, 40, 700}} {
		for _, m := range withBias(fmt.Sprint(c), [][]int64{{c[0], c[1]}, {c[2], c[1]}}, c[2], Linear) {
			m.check(t, convF32, convBF16)
		}
	}
	// Views, which lie otherwise in memory.
	for _, v := range []struct {
		name  string
		shape []int64
		view  func(torch.Tensor) torch.Tensor
	}{
		{"transposed", []int64{5, 3}, func(x torch.Tensor) torch.Tensor { return Permute(x, 1, 0) }},
		{"narrowed", []int64{3, 9}, func(x torch.Tensor) torch.Tensor { return Narrow(x, 1, 2, 5) }},
		{"expanded", []int64{1, 5}, func(x torch.Tensor) torch.Tensor { return Expand(x, 3, 5) }},
		{"transposed, large", []int64{20, 30}, func(x torch.Tensor) torch.Tensor { return Permute(x, 1, 0) }},
		{"narrowed, large", []int64{30, 25}, func(x torch.Tensor) torch.Tensor { return Narrow(x, 1, 2, 20) }},
		{"narrowed to a panel", []int64{32, 33}, func(x torch.Tensor) torch.Tensor { return Narrow(x, 1, 1, 32) }},
		{"expanded, large", []int64{1, 20}, func(x torch.Tensor) torch.Tensor { return Expand(x, 30, 20) }},
		{"transposed, very large", []int64{300, 20}, func(x torch.Tensor) torch.Tensor { return Permute(x, 1, 0) }},
		{"expanded, very large", []int64{1, 300}, func(x torch.Tensor) torch.Tensor { return Expand(x, 30, 300) }},
		{"narrowed, very large", []int64{30, 320}, func(x torch.Tensor) torch.Tensor { return Narrow(x, 1, 2, 290) }},
	} {
		in := Shape(v.view(Full(0, torch.Float, "cpu", v.shape...)))[1]
		for _, m := range withBias(v.name, [][]int64{v.shape, {4 * in, in}}, 4*in, func(x, w, b torch.Tensor) torch.Tensor {
			return Linear(v.view(x), w, b)
		}) {
			m.check(t, convF32, convBF16)
		}
	}
	for _, v := range []struct {
		name  string
		shape []int64
		view  func(torch.Tensor) torch.Tensor
	}{
		{"a transposed weight", []int64{290, 300}, func(w torch.Tensor) torch.Tensor { return Permute(w, 1, 0) }},
		{"a narrowed weight", []int64{300, 300}, func(w torch.Tensor) torch.Tensor { return Narrow(w, 1, 3, 290) }},
	} {
		for _, m := range withBias(v.name, [][]int64{{40, 290}, v.shape}, 300, func(x, w, b torch.Tensor) torch.Tensor {
			return Linear(x, v.view(w), b)
		}) {
			m.check(t, convF32, convBF16)
		}
	}
	biased := computation{name: "a bias of a view", shapes: [][]int64{{40, 290}, {300, 290}, {300, 2}}, f: func(in []torch.Tensor) torch.Tensor {
		return Linear(in[0], in[1], Reshape(Narrow(in[2], 1, 1, 1), 300))
	}}
	biased.check(t, convF32, convBF16)
	noTensors(t)
}
