package torchx

import (
	"math"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
	F "github.com/wangkuiyi/gotorch/nn/functional"
)

// TestGotorchLayersInBF16: a network of gotorch's layers takes part in bfloat16 like one of ours.
func TestGotorchLayersInBF16(t *testing.T) {
	scoped(t, func() {
		parameter := func(shape ...int64) torch.Tensor {
			p := Normal(0, 0.3, "cpu", shape...)
			SetRequiresGrad(p, true)
			return p
		}
		ManualSeed(1)
		var none torch.Tensor
		x, target := Normal(0, 1, "cpu", 4, 3, 8, 8), Full(1, torch.Float, "cpu", 4, 16)
		conv, scale, shift := parameter(5, 3, 3, 3), parameter(5), parameter(5)
		mean, variance := Full(0, torch.Float, "cpu", 5), Full(1, torch.Float, "cpu", 5)
		back, linear := parameter(5, 2, 4, 4), parameter(16, 2*16*16)
		loss := func() (y, loss torch.Tensor) {
			y = F.Conv2d(x, conv, none, []int64{1, 1}, []int64{1, 1}, []int64{1, 1}, 1)
			y = F.LeakyRelu(F.BatchNorm(y, mean, variance, scale, shift, true, 0.1, 1e-5), 0.2, false)
			y = F.Relu(F.ConvTranspose2d(y, back, none, []int64{2, 2}, []int64{1, 1}, []int64{0, 0}, 1, []int64{1, 1}), false)
			y = F.Linear(Reshape(y, 4, 2*16*16), linear, none)
			return y, Mean(Square(Sub(Float(y), target)))
		}
		exact, want := loss()
		BF16(func() {
			y, got := loss()
			if y.Dtype() != torch.BFloat16 || exact.Dtype() != torch.Float || got.Dtype() != torch.Float {
				t.Errorf("dtypes are %d, in float32 %d, of the loss %d", y.Dtype(), exact.Dtype(), got.Dtype())
			}
			if d := apart(Float64s(got), Float64s(want)); d > 0.02 || d == 0 {
				t.Errorf("the loss is %v, in float32 %v", Float64s(got), Float64s(want))
			}
			for i, g := range Gradients(got, []torch.Tensor{conv, scale, shift, back, linear}, false) {
				if g.Dtype() != torch.Float {
					t.Errorf("gradient %d has dtype %d", i, g.Dtype())
				}
			}
		})
	})
}

func TestGotorchLossesInBF16(t *testing.T) {
	if testing.Short() {
		t.Skip("gotorch's losses leak their strings, which make asan would find")
	}
	scoped(t, func() {
		var none torch.Tensor
		p := To(FromFloat64([]float64{0.25, 0.5}, 2, 1), "cpu", torch.BFloat16)
		got := F.BinaryCrossEntropy(p, Full(1, torch.Float, "cpu", 2, 1), none, "mean")
		if want := -(math.Log(0.25) + math.Log(0.5)) / 2; got.Dtype() != torch.Float || math.Abs(Item(got)-want) > 1e-6 {
			t.Errorf("the loss is %v, dtype %d, expected %v", Item(got), got.Dtype(), want)
		}
	})
}
