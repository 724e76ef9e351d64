package torchx

import (
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

// TestForwardEach: several batches at once are the batches one after the other.
func TestForwardEach(t *testing.T) {
	ManualSeed(1)
	linear := func(in, out int64) Module { return NewLinear(in, out, LinearOptions{}) }
	for name, c := range map[string]struct {
		net   *Sequential
		joins bool
	}{
		"rows":            {NewSequential(NewFlatten(), linear(12, 7), NewLeakyReLU(0.2), linear(7, 5), NewTanh(), linear(5, 2), NewSigmoid()), true},
		"batch norm":      {NewSequential(NewFlatten(), NewLinear(12, 7, LinearOptions{NoBias: true}), NewBatchNorm2d(7, BatchNormOptions{}), linear(7, 2)), false},
		"spectral norm":   {NewSequential(NewFlatten(), NewSpectralNorm(linear(12, 2))), false},
		"one vector more": {NewSequential(NewFlattenAll()), false},
	} {
		scoped(t, func() {
			if got := c.net.isRowwise(); got != c.joins {
				t.Errorf("%s: joins batches %v, expected %v", name, got, c.joins)
			}
			xs := []torch.Tensor{Normal(0, 1, "cpu", 4, 3, 2, 2), Normal(1, 1, "cpu", 6, 3, 2, 2)}
			var params []torch.Tensor
			for _, e := range c.net.State() {
				if !e.Buffer {
					params = append(params, e.Tensor)
				}
			}
			for _, x := range xs {
				SetRequiresGrad(x, true)
				params = append(params, x)
			}
			run := func() (values [][]float64) {
				before := StateTensors(c.net)
				defer func() {
					if err := LoadState(c.net, before); err != nil {
						t.Error(err)
					}
				}()
				ys := c.net.ForwardEach(xs...)
				loss := Add(Sum(Square(ys[0])), MulScalar(Sum(Square(ys[1])), 3))
				for _, v := range append(ys, Gradients(loss, params, false)...) {
					values = append(values, Float64s(v))
				}
				return values
			}
			got := run()
			var want [][]float64
			Plain(func() { want = run() })
			for i := range want {
				if d := apart(got[i], want[i]); d > 2e-6 {
					t.Errorf("%s: result %d: relative distance %g", name, i, d)
				}
			}
		})
	}
}

// TestForwardEachOfWhatDoesNotJoin: batches of other shapes fail, or not, as they would alone.
func TestForwardEachOfWhatDoesNotJoin(t *testing.T) {
	net := NewSequential(NewFlatten(), NewLinear(12, 2, LinearOptions{}))
	scoped(t, func() {
		ys := net.ForwardEach(Normal(0, 1, "cpu", 4, 3, 2, 2), Normal(0, 1, "cpu", 5, 12))
		if len(ys) != 2 || Shape(ys[0])[0] != 4 || Shape(ys[1])[0] != 5 {
			t.Errorf("%d outputs", len(ys))
		}
		if ys := net.ForwardEach(); len(ys) != 0 {
			t.Errorf("%d outputs of nothing", len(ys))
		}
		if err := Try(func() { net.ForwardEach(Normal(0, 1, "cpu", 4, 12), Normal(0, 1, "cpu", 4, 11)) }); err == nil {
			t.Error("a row that is too short is taken")
		}
	})
}

// TestForwardEachInBF16: images come in float32, and generated ones in what the generator computes in.
func TestForwardEachInBF16(t *testing.T) {
	ManualSeed(1)
	net := NewSequential(NewFlatten(), NewLinear(12, 20, LinearOptions{}), NewReLU(), NewLinear(20, 1, LinearOptions{}))
	scoped(t, func() {
		BF16(func() {
			real, generated := Normal(0, 1, "cpu", 16, 3, 2, 2), To(Normal(0, 1, "cpu", 16, 3, 2, 2), "cpu", torch.BFloat16)
			for i, y := range net.ForwardEach(real, generated) {
				alone := net.Forward([]torch.Tensor{real, generated}[i])
				if d := apart(Float64s(y), Float64s(alone)); d > 4e-3 || y.Dtype() != alone.Dtype() {
					t.Errorf("output %d: dtype %d, alone %d, relative distance %g", i, y.Dtype(), alone.Dtype(), d)
				}
			}
		})
	})
}
