package torchx

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
	"golang.org/x/sys/cpu"
)

// ours tells whether this CPU multiplies numbers of a way by instructions for which there are kernels here.
func ours(w way) bool {
	if w.converted {
		return NewReport().OwnKernels && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BF16
	}
	return floatKernels() > 0
}

// TestFloatKernels: a CPU's are the best that there are for it, and those for AVX2 can be had on all.
func TestFloatKernels(t *testing.T) {
	want, older := 0, 0
	if NewReport().OwnKernels && cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		want, older = 1, 1
		if cpu.X86.HasAVX512F {
			want = 2
		}
	}
	if got := floatKernels(); got != want {
		t.Errorf("kernels %d, expected %d", got, want)
	}
	inF32.byAVX2().around(func() {
		if got := floatKernels(); got != older {
			t.Errorf("by AVX2: kernels %d, expected %d", got, older)
		}
	})
	if got := floatKernels(); got != want {
		t.Errorf("kernels %d afterwards, expected %d", got, want)
	}
}

// sideOfTiles tells whether f, a convolution of maps with a kernel that is 0 but for its last place, is computed by
// Winograd's algorithm, and by which tiles; 0: it is not. The algorithm adds neighbours before it multiplies, so that a huge
// number of the maps changes the last bits of more than the one place of the result that it belongs to: of a whole tile, and
// the next places of its neighbours.
func sideOfTiles(t *testing.T, w way, f func(x torch.Tensor) torch.Tensor, shape []int64) int {
	t.Helper()
	values := numbers(shape)
	of := func(values []float64) (y []float64, places int) {
		scoped(t, func() {
			var out torch.Tensor
			w.around(func() { out = f(To(FromFloat64(values, shape...), "cpu", torch.Float)) })
			size := Shape(out)
			y, places = Float64s(out), int(size[2]*size[3])
		})
		return y, places
	}
	plain, places := of(values)
	most := 0
	for i := range int64(16) { // the place may be any of a tile's
		huge := slices.Clone(values)
		huge[(shape[2]/2-1+i/4)*shape[3]+shape[3]/2-1+i%4] = 1 << 30
		changed := map[int]bool{}
		now, _ := of(huge)
		for i := range now {
			if now[i] != plain[i] {
				changed[i%places] = true
			}
		}
		most = max(most, len(changed))
	}
	switch {
	case most <= 1:
		return 0
	case most < 4*4:
		return 2
	}
	return 4
}

// TestWinogradIsTaken: by the convolutions that it makes faster, and no others.
func TestWinogradIsTaken(t *testing.T) {
	for _, c := range []struct {
		convolution
		want int // side of the tiles in float32; 0: none
	}{
		{square(30, 32, 16, 64, 4, 2, 1), 4},
		{square(14, 32, 32, 32, 5, 2, 2), 4},
		{square(8, 32, 24, 32, 3, 1, 1), 4},
		{square(9, 32, 16, 64, 4, 2, 1), 2},
		{square(8, 32, 16, 32, 5, 2, 2), 2},
		{square(9, 64, 8, 32, 3, 1, 1), 2},
		{square(1, 32, 32, 32, 3, 1, 1), 4},
		{square(8, 32, 10, 32, 2, 1, 0), 2},
		{square(4, 32, 16, 64, 4, 2, 1), 0},  // too few outputs for the kernel's sums
		{square(9, 32, 16, 24, 4, 2, 1), 0},  // channels that fill no vectors
		{square(9, 3, 16, 64, 4, 2, 1), 0},   //
		{square(9, 32, 16, 32, 4, 1, 0), 0},  // more places than there are sums for
		{square(9, 32, 17, 32, 3, 2, 1), 0},  // one place in a phase
		{square(24, 32, 6, 32, 2, 1, 0), 0},  // tiles of which much is outside
		{square(200, 32, 4, 32, 1, 1, 0), 0}, // a product
		{convolution{9, 32, 16, 16, 32, 3, 5, pair(1), pair(1), pair(1), 1}, 0},
		{convolution{9, 32, 16, 16, 32, 3, 3, pair(1), pair(2), pair(2), 1}, 0},
		{convolution{9, 64, 16, 16, 64, 3, 3, pair(1), pair(1), pair(1), 2}, 0},
		{convolution{9, 32, 16, 16, 32, 4, 4, [2]int64{2, 1}, pair(1), pair(1), 1}, 0},
		{convolution{9, 32, 16, 16, 32, 3, 3, pair(1), [2]int64{1, 0}, pair(1), 1}, 0},
	} {
		ManualSeed(5)
		var x, y []int64 // shapes of the maps
		var forward, input func(m torch.Tensor) torch.Tensor
		scoped(t, func() {
			weights := numbers([]int64{c.out, c.c / c.groups, c.kh, c.kw})
			for i := range weights {
				if int64(i+1)%(c.kh*c.kw) != 0 {
					weights[i] = 0
				}
			}
			weight := func() torch.Tensor {
				return To(FromFloat64(weights, c.out, c.c/c.groups, c.kh, c.kw), "cpu", torch.Float)
			}
			x = []int64{c.n, c.c, c.h, c.w}
			forward = func(m torch.Tensor) torch.Tensor {
				return conv2d(m, weight(), torch.Tensor{}, c.stride, c.padding, c.dilation, c.groups)
			}
			y = Shape(forward(Full(0, torch.Float, "cpu", x...)))
			rest := [2]int64{
				(c.h + 2*c.padding[0] - c.dilation[0]*(c.kh-1) - 1) % c.stride[0],
				(c.w + 2*c.padding[1] - c.dilation[1]*(c.kw-1) - 1) % c.stride[1],
			}
			input = func(m torch.Tensor) torch.Tensor {
				return convTranspose2d(m, weight(), torch.Tensor{}, transposed{c.stride, c.padding, rest, c.dilation, c.groups})
			}
		})
		for _, w := range []way{inF32, inF32.byAVX2(), inBF16} {
			want := c.want
			if !ours(w) {
				want = 0
			} else if w.converted {
				want = min(want, 2) // larger ones need more digits
			}
			withoutAMX(func() { // which needs no fewer multiplications
				if got := sideOfTiles(t, w, forward, x); got != want {
					t.Errorf("%v, %s: tiles of side %d, expected %d", c.convolution, w.name, got, want)
				}
				if got := sideOfTiles(t, w, input, y); got != want {
					t.Errorf("%v, %s, transposed: tiles of side %d, expected %d", c.convolution, w.name, got, want)
				}
			})
		}
	}
	noTensors(t)
}

// TestThreadsChangeNothing: Winograd's algorithm, sums of blocks, few channels, and linear layers in bfloat16 give the same bits whatever
// the number of threads that share the work, and wherever they are.
func TestThreadsChangeNothing(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := Threads()
	defer SetThreads(before)
	var layers []computation
	for _, c := range []convolution{
		square(9, 32, 16, 64, 4, 2, 1), square(5, 32, 32, 32, 5, 2, 2), square(1, 32, 32, 32, 3, 1, 1),
		square(2, 32, 17, 32, 3, 1, 1), square(3, 96, 14, 32, 3, 1, 1), square(1, 32, 50, 32, 5, 2, 0),
		square(21, 64, 16, 128, 4, 2, 1), // more tiles than a weight's gradient sums up at once
		square(3, 32, 32, 32, 4, 2, 1), square(1, 32, 51, 32, 3, 1, 1), square(30, 32, 16, 64, 4, 2, 1),
		square(14, 32, 32, 32, 5, 2, 2), square(41, 32, 16, 3, 3, 1, 1),
		square(41, 3, 16, 32, 4, 2, 1), // whose weight's gradient is oneDNN's in float32
		square(63, 64, 9, 96, 3, 1, 0), // all of which is
	} {
		layers = append(layers, withBias(fmt.Sprint(c), [][]int64{{c.n, c.c, c.h, c.w}, {c.out, c.c, c.kh, c.kw}}, c.out, func(x, w, b torch.Tensor) torch.Tensor {
			return conv2d(x, w, b, c.stride, c.padding, c.dilation, c.groups)
		})[1])
	}
	inFloat32, linear := len(layers)-2, len(layers)
	for _, c := range [][3]int64{{64, 300, 500}, {40, 2100, 500}, {7, 33, 130}, {128, 257, 1}} {
		layers = append(layers, withBias(fmt.Sprint(c), [][]int64{{c[0], c[1]}, {c[2], c[1]}}, c[2], Linear)[0])
	}
	if !ours(inF32) {
		t.Skip("this CPU has not what it needs, and other libraries' kernels promise no such thing")
	}
	for _, w := range []way{inF32.channelsLast(), inF32.byAVX2().channelsLast(), inBF16.channelsLast()} {
		if !ours(w) || w.refused() {
			continue
		}
		for i, m := range layers {
			byAVX2 := w.older || floatKernels() == 1
			own := i < inFloat32 || w.converted || (byAVX2 && (i == linear || i == linear+1))
			if !own {
				continue
			}
			var first []result
			for _, threads := range []int{1, 2, 3, 4, 7} {
				for _, w := range []way{w, w.farApart()} {
					SetThreads(threads)
					results := m.gradients(t, w)
					if first == nil {
						first = results
					}
					for i, r := range results {
						if !slices.Equal(r.values, first[i].values) {
							t.Errorf("%s, %s, %s: %d threads make another result than 1 that is not apart", m.name, w.name, r.name, threads)
						}
					}
				}
			}
		}
	}
	noTensors(t)
}

// gradients are the value and its derivatives, without second ones ahead.
func (c computation) gradients(t *testing.T, w way) []result {
	t.Helper()
	var rs []result
	scoped(t, func() {
		w.around(func() {
			in := c.inputs(w)
			y := c.apply(w, in)
			g, _ := gradient(y, w)
			rs = append(plainGradients(y, g, in), derivative("value", y, false))
		})
	})
	return rs
}
