package torchx

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// What libtorch refuses is refused with the same words, and what it takes is taken, whatever the shapes and types.
func TestFastPathErrors(t *testing.T) {
	var none torch.Tensor
	of := func(dtype int8, shape ...int64) torch.Tensor { return Full(1, dtype, "cpu", shape...) }
	x := func(shape ...int64) torch.Tensor { return of(torch.Float, shape...) }
	conv := func(o Conv2dOptions, ts ...torch.Tensor) torch.Tensor {
		return Conv2d(ts[0], ts[1], append(ts, none)[2], o)
	}
	transpose := func(o ConvTranspose2dOptions, ts ...torch.Tensor) torch.Tensor {
		return ConvTranspose2d(ts[0], ts[1], append(ts, none)[2], o)
	}
	layers := func(x torch.Tensor, ls ...Module) torch.Tensor { return NewSequential(ls...).Forward(x) }
	for name, f := range map[string]func() torch.Tensor{
		"channels":            func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(4, 7, 3, 3)) },
		"kernel":              func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 2, 2), x(4, 3, 3, 3)) },
		"kernel, one side":    func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 2), x(4, 3, 3, 3)) },
		"dilated kernel":      func() torch.Tensor { return conv(Conv2dOptions{Dilation: 3}, x(2, 3, 5, 5), x(4, 3, 3, 3)) },
		"stride":              func() torch.Tensor { return conv(Conv2dOptions{Stride: -1}, x(2, 3, 5, 5), x(4, 3, 3, 3)) },
		"padding":             func() torch.Tensor { return conv(Conv2dOptions{Padding: -1}, x(2, 3, 5, 5), x(4, 3, 3, 3)) },
		"dilation":            func() torch.Tensor { return conv(Conv2dOptions{Dilation: -1}, x(2, 3, 5, 5), x(4, 3, 3, 3)) },
		"groups":              func() torch.Tensor { return conv(Conv2dOptions{Groups: 2}, x(2, 3, 5, 5), x(4, 3, 3, 3)) },
		"groups of outputs":   func() torch.Tensor { return conv(Conv2dOptions{Groups: 2}, x(2, 4, 5, 5), x(3, 2, 3, 3)) },
		"groups below 0":      func() torch.Tensor { return conv(Conv2dOptions{Groups: -1}, x(2, 4, 5, 5), x(3, 4, 3, 3)) },
		"bias":                func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(4, 3, 3, 3), x(5)) },
		"bias of dimension 2": func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(4, 3, 3, 3), x(4, 1)) },
		"three dimensions":    func() torch.Tensor { return conv(Conv2dOptions{}, x(3, 5, 5), x(4, 3, 3, 3)) },
		"two dimensions":      func() torch.Tensor { return conv(Conv2dOptions{}, x(3, 5), x(4, 3, 3, 3)) },
		"kernel of a matrix":  func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(4, 3)) },
		"no kernel":           func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(4, 3, 0, 0)) },
		"no outputs":          func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(0, 3, 3, 3)) },
		"no inputs":           func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 0, 5, 5), x(4, 0, 3, 3)) },
		"empty batch":         func() torch.Tensor { return conv(Conv2dOptions{Padding: 1}, x(0, 3, 5, 5), x(4, 3, 3, 3), x(4)) },
		"empty map":           func() torch.Tensor { return conv(Conv2dOptions{Padding: 1}, x(2, 3, 0, 5), x(4, 3, 3, 3)) },
		"integers": func() torch.Tensor {
			return conv(Conv2dOptions{}, of(torch.Long, 2, 3, 5, 5), of(torch.Long, 4, 3, 3, 3))
		},
		"bytes": func() torch.Tensor { return conv(Conv2dOptions{}, of(torch.Byte, 2, 3, 5, 5), x(4, 3, 3, 3)) },
		"halves": func() torch.Tensor {
			return conv(Conv2dOptions{}, of(torch.Half, 2, 3, 5, 5), of(torch.Half, 4, 3, 3, 3))
		},
		"double kernel": func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), of(torch.Double, 4, 3, 3, 3)) },
		"double maps":   func() torch.Tensor { return conv(Conv2dOptions{}, of(torch.Double, 2, 3, 5, 5), x(4, 3, 3, 3)) },
		"double bias":   func() torch.Tensor { return conv(Conv2dOptions{}, x(2, 3, 5, 5), x(4, 3, 3, 3), of(torch.Double, 4)) },
		"bfloat16 and double": func() torch.Tensor {
			return conv(Conv2dOptions{}, of(torch.BFloat16, 2, 3, 5, 5), of(torch.Double, 4, 3, 3, 3))
		},
		"transposed channels": func() torch.Tensor { return transpose(ConvTranspose2dOptions{}, x(2, 3, 5, 5), x(4, 3, 3, 3)) },
		"transposed stride": func() torch.Tensor {
			return transpose(ConvTranspose2dOptions{Stride: -1}, x(2, 3, 5, 5), x(3, 4, 3, 3))
		},
		"transposed padding": func() torch.Tensor {
			return transpose(ConvTranspose2dOptions{Padding: 2}, x(2, 3, 1, 1), x(3, 4, 3, 3))
		},
		"transposed output": func() torch.Tensor {
			return transpose(ConvTranspose2dOptions{OutputPadding: 1}, x(2, 3, 5, 5), x(3, 4, 3, 3))
		},
		"transposed output below": func() torch.Tensor {
			return transpose(ConvTranspose2dOptions{OutputPadding: -1}, x(2, 3, 5, 5), x(3, 4, 3, 3))
		},
		"transposed groups":      func() torch.Tensor { return transpose(ConvTranspose2dOptions{Groups: 2}, x(2, 3, 5, 5), x(3, 4, 3, 3)) },
		"transposed bias":        func() torch.Tensor { return transpose(ConvTranspose2dOptions{}, x(2, 3, 5, 5), x(3, 4, 3, 3), x(3)) },
		"transposed empty batch": func() torch.Tensor { return transpose(ConvTranspose2dOptions{}, x(0, 3, 5, 5), x(3, 4, 3, 3), x(4)) },
		"transposed three":       func() torch.Tensor { return transpose(ConvTranspose2dOptions{}, x(3, 5, 5), x(3, 4, 3, 3)) },
		"transposed integers": func() torch.Tensor {
			return transpose(ConvTranspose2dOptions{}, of(torch.Long, 2, 3, 5, 5), of(torch.Long, 3, 4, 3, 3))
		},
		"linear":                 func() torch.Tensor { return Linear(x(2, 3), x(4, 4), none) },
		"linear bias":            func() torch.Tensor { return Linear(x(2, 3), x(4, 3), x(5)) },
		"linear bias of one":     func() torch.Tensor { return Linear(x(2, 3), x(4, 3), x(1)) },
		"linear empty batch":     func() torch.Tensor { return Linear(x(0, 3), x(4, 3), x(4)) },
		"linear no inputs":       func() torch.Tensor { return Linear(x(2, 0), x(4, 0), x(4)) },
		"linear no outputs":      func() torch.Tensor { return Linear(x(2, 3), x(0, 3), none) },
		"linear of a vector":     func() torch.Tensor { return Linear(x(3), x(4, 3), x(4)) },
		"linear of maps":         func() torch.Tensor { return Linear(x(2, 5, 6, 3), x(4, 3), x(4)) },
		"linear of maps wrong":   func() torch.Tensor { return Linear(x(2, 3, 5, 6), x(4, 3), x(4)) },
		"linear kernel":          func() torch.Tensor { return Linear(x(2, 3), x(4, 3, 1, 1), x(4)) },
		"linear integers":        func() torch.Tensor { return Linear(of(torch.Long, 2, 3), of(torch.Long, 4, 3), none) },
		"linear double":          func() torch.Tensor { return Linear(x(2, 3), of(torch.Double, 4, 3), none) },
		"norm weight":            func() torch.Tensor { return BatchNorm(x(2, 3, 4, 4), x(4), x(4), none, none, true, 0.1, 1e-5) },
		"norm mean":              func() torch.Tensor { return BatchNorm(x(2, 3, 4, 4), x(3), x(3), x(4), x(4), true, 0.1, 1e-5) },
		"norm mean alone":        func() torch.Tensor { return BatchNorm(x(2, 3, 4, 4), x(3), x(3), x(3), none, true, 0.1, 1e-5) },
		"norm without mean":      func() torch.Tensor { return BatchNorm(x(2, 3, 4, 4), x(3), x(3), none, none, false, 0.1, 1e-5) },
		"norm of three":          func() torch.Tensor { return BatchNorm(x(2, 3, 4), x(3), x(3), x(3), x(3), true, 0.1, 1e-5) },
		"norm of a vector":       func() torch.Tensor { return BatchNorm(x(3), x(3), x(3), x(3), x(3), true, 0.1, 1e-5) },
		"norm of integers":       func() torch.Tensor { return BatchNorm(of(torch.Long, 2, 3), none, none, none, none, true, 0.1, 1e-5) },
		"norm of doubles":        func() torch.Tensor { return BatchNorm(of(torch.Double, 2, 3), x(3), x(3), x(3), x(3), true, 0.1, 1e-5) },
		"norm of no channels":    func() torch.Tensor { return BatchNorm(x(2, 0, 4, 4), x(0), x(0), x(0), x(0), true, 0.1, 1e-5) },
		"norm of an empty batch": func() torch.Tensor { return BatchNorm(x(0, 3, 4, 4), x(3), x(3), x(3), x(3), true, 0.1, 1e-5) },
		"norm in evaluation":     func() torch.Tensor { return BatchNorm(x(1, 3, 1, 1), x(3), x(3), x(3), x(3), false, 0.1, 1e-5) },
		"relu of integers":       func() torch.Tensor { return ReLU(of(torch.Long, 2, 3)) },
		"leaky relu of integers": func() torch.Tensor { return LeakyReLU(of(torch.Long, 2, 3), 0.2) },
		"relu of nothing":        func() torch.Tensor { return LeakyReLU(x(0, 3), 0.2) },
		"average of 1x1": func() torch.Tensor {
			return layers(x(2, 3, 1, 1), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2))
		},
		"average of 1x2": func() torch.Tensor {
			return layers(x(2, 3, 1, 2), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2))
		},
		"average of others": func() torch.Tensor {
			return layers(x(2, 5, 4, 4), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2))
		},
		"average of a batch of 0": func() torch.Tensor {
			return layers(x(0, 3, 4, 4), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2))
		},
		"doubling of a matrix": func() torch.Tensor {
			return layers(x(2, 3), NewUpsample(2), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}))
		},
		"doubling of three": func() torch.Tensor {
			return layers(x(3, 2, 2), NewUpsample(2), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}))
		},
		"doubling of others": func() torch.Tensor {
			return layers(x(2, 5, 4, 4), NewUpsample(2), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}))
		},
		"doubling of a batch of 0": func() torch.Tensor {
			return layers(x(0, 3, 4, 4), NewUpsample(2), NewConv2d(3, 4, 3, Conv2dOptions{Padding: 1}))
		},
		"doubling before 1x1 of others": func() torch.Tensor { return layers(x(2, 5, 4, 4), NewUpsample(2), NewConv2d(3, 4, 1, Conv2dOptions{})) },
		"upsampling by 0 before 1x1":    func() torch.Tensor { return layers(x(2, 3, 4, 4), NewUpsample(0), NewConv2d(3, 4, 1, Conv2dOptions{})) },
		"doubling of three before 1x1":  func() torch.Tensor { return layers(x(3, 2, 2), NewUpsample(2), NewConv2d(3, 4, 1, Conv2dOptions{})) },
	} {
		t.Run(name, func(t *testing.T) {
			scoped(t, func() {
				run := func() string {
					ManualSeed(2)
					var what string
					if err := Try(func() {
						y := f()
						what = fmt.Sprintf("%v of dtype %d: %.3g", Shape(y), dtypeOf(y), Float64s(To(y, "cpu", torch.Double)))
					}); err != nil {
						what = "error: " + err.Error()
					}
					return what
				}
				var want string
				Plain(func() { want = run() })
				if got := run(); got != want {
					t.Errorf("%s\nexpected\n%s", got, want)
				}
				var plain, fast string
				BF16(func() {
					Plain(func() { plain = run() })
					fast = run()
				})
				if strings.HasPrefix(fast, "error") != strings.HasPrefix(plain, "error") || strings.Contains(fast, "\n") {
					t.Errorf("in bfloat16\n%s\nexpected\n%s", fast, plain)
				}
			})
		})
	}
	noTensors(t)
}

// One value for each channel has no variance: PyTorch refuses it, and running variances would be none ever after.
func TestBatchNormOfOneValue(t *testing.T) {
	scoped(t, func() {
		m := NewBatchNorm2d(3, BatchNormOptions{})
		for _, shape := range [][]int64{{1, 3}, {1, 3, 1, 1}} {
			x := Full(2, torch.Float, "cpu", shape...)
			for _, run := range []func(func()){func(f func()) { f() }, BF16, Plain} {
				run(func() {
					err := Try(func() { m.Forward(x) })
					if want := "more than one value per channel"; err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("%v: error %v, expected one with %q", shape, err, want)
					}
				})
			}
		}
		for _, e := range Buffers(m) {
			for _, v := range Float64s(To(e.Tensor, "cpu", torch.Double)) {
				if math.IsNaN(v) {
					t.Errorf("%s is %v", e.Name, v)
				}
			}
		}
		m.Train(false)
		m.Forward(Full(2, torch.Float, "cpu", 1, 3, 1, 1))
	})
	noTensors(t)
}

// With any number of threads, what is computed twice is the same to the last bit.
func TestFastPathsRepeat(t *testing.T) {
	runtime.LockOSThread() // the number is the thread's, and others must not be left with it
	defer runtime.UnlockOSThread()
	before := Threads()
	defer SetThreads(before)
	critic := func() *Sequential {
		return NewSequential(
			NewConv2d(3, 16, 3, Conv2dOptions{Padding: 1}), NewAvgPool2d(2), NewLeakyReLU(0.2),
			NewConv2d(16, 32, 4, Conv2dOptions{Stride: 2, Padding: 1}), NewBatchNorm2d(32, BatchNormOptions{}), NewLeakyReLU(0.2),
			NewConv2d(32, 32, 4, Conv2dOptions{Stride: 2, Padding: 1}), NewBatchNorm2d(32, BatchNormOptions{}), NewReLU(),
			NewUpsample(2), NewConv2d(32, 16, 3, Conv2dOptions{Padding: 1}), NewConvTranspose2d(16, 8, 4, ConvTranspose2dOptions{Stride: 2, Padding: 1}),
			NewUpsample(2), NewConv2d(8, 16, 1, Conv2dOptions{}), NewReLU(), NewMaxPool2d(2), NewUpsample(2), NewTanh(),
			NewAvgPool2d(2), NewFlatten(), NewLinear(16*8*8, 3, LinearOptions{}),
		)
	}
	for _, threads := range []int{1, 2} {
		SetThreads(threads)
		for _, w := range []way{inF32, inF32.byAVX2(), inBF16} {
			var first [][]float64
			for range 3 {
				var all [][]float64
				scoped(t, func() {
					w.around(func() {
						ManualSeed(8)
						m := critic()
						opt := NewOptimizer(Adam{LR: 0.01, Betas: [2]float64{0.5, 0.9}, Eps: 1e-8}, NamedParameters(m))
						defer opt.Close()
						x := Normal(0, 1, "cpu", 6, 3, 16, 16)
						SetRequiresGrad(x, true)
						for range 2 {
							y := Float(m.Forward(x))
							g := Gradients(Sum(y), []torch.Tensor{x}, true)[0]
							loss := Add(Mean(Square(y)), Mean(Square(g)))
							opt.Step(Gradients(loss, Parameters(m), false))
							all = append(all, Float64s(loss))
						}
						for _, e := range m.State() {
							all = append(all, Float64s(To(e.Tensor, "cpu", torch.Double)))
						}
					})
				})
				if first == nil {
					first = all
				}
				for i := range all {
					if !slices.Equal(all[i], first[i]) {
						t.Errorf("%s with %d threads: part %d is another when made again", w.name, threads, i)
					}
				}
			}
		}
	}
	noTensors(t)
}

// resident is the memory that the process holds, in MB.
func resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("there is no /proc/self/statm")
	}
	var size, pages int
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}

// Neither graphs, of gradients of gradients too, nor copies of weights that are gone stay in memory.
func TestFastPathsDoNotGrow(t *testing.T) {
	if testing.Short() {
		t.Skip("make asan keeps freed memory for a while")
	}
	step := func() {
		m := NewSequential(
			NewConv2d(3, 16, 3, Conv2dOptions{Padding: 1}), NewBatchNorm2d(16, BatchNormOptions{}), NewLeakyReLU(0.2), NewAvgPool2d(2),
			NewUpsample(2), NewReLU(), NewMaxPool2d(2), NewMaxPool2d(2),
			NewConvTranspose2d(16, 16, 4, ConvTranspose2dOptions{Stride: 2, Padding: 1}), NewReLU(), NewFlatten(),
			NewLinear(16*8*8, 512, LinearOptions{}),
		)
		x := Normal(0, 1, "cpu", 32, 3, 16, 16)
		SetRequiresGrad(x, true)
		y := Float(m.Forward(x))
		g := Gradients(Mean(Square(y)), []torch.Tensor{x}, true)[0]
		Gradients(Sum(Square(g)), Parameters(m), false)
		for _, e := range m.State() {
			Free(e.Tensor)
		}
	}
	for _, w := range []way{inF32, inBF16} {
		run := func(times int) int {
			for range times {
				scoped(t, func() { w.around(step) })
			}
			return resident(t)
		}
		before := run(8)
		// Each step holds a weight of 2 MB, its copy of 1 MB, and more in maps: what is lost grows in each round, what
		// malloc keeps does not.
		const most, rounds = 12, 3
		for round := 1; ; round++ {
			after := run(16)
			if after <= before+most {
				break
			}
			if round == rounds {
				t.Errorf("%s: %d MB and, 16 steps later, %d MB, in each of %d rounds", w.name, before, after, rounds)
				break
			}
			before = after
		}
	}
	noTensors(t)
}
