package torchx

import (
	"bytes"
	number "encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

func TestGeneratorState(t *testing.T) {
	scoped(t, func() {
		ManualSeed(1)
		Normal(0, 1, "cpu", 3)
		state := GeneratorState("cpu")
		want := append(Float64s(Normal(0, 1, "cpu", 100)), Float64s(Uniform(-1, 1, "cpu", 5))...)
		Normal(0, 1, "cpu", 7)
		SetGeneratorState("cpu", state)
		got := append(Float64s(Normal(0, 1, "cpu", 100)), Float64s(Uniform(-1, 1, "cpu", 5))...)
		near(t, "numbers", got, want, 0)
	})
	noTensors(t)
}

// TestDamagedGeneratorState: libtorch takes states with which it reads beyond the generator's end.
func TestDamagedGeneratorState(t *testing.T) {
	scoped(t, func() {
		ManualSeed(1)
		fresh := GeneratorState("cpu")
		Normal(0, 1, "cpu", 1000)
		used := GeneratorState("cpu")
		for _, good := range [][]byte{fresh, used} {
			SetGeneratorState("cpu", good)
			for _, change := range []func(b []byte){
				func(b []byte) { number.NativeEndian.PutUint32(b[8:], 624); number.NativeEndian.PutUint64(b[16:], 624) },
				func(b []byte) { number.NativeEndian.PutUint32(b[8:], 3); number.NativeEndian.PutUint64(b[16:], 623) },
				func(b []byte) { number.NativeEndian.PutUint64(b[16:], math.MaxUint64) },
				func(b []byte) { number.NativeEndian.PutUint32(b[8:], math.MaxUint32) },
			} {
				bad := slices.Clone(good)
				change(bad)
				if err := Try(func() { SetGeneratorState("cpu", bad) }); err == nil || !strings.Contains(err.Error(), "the state is damaged") {
					t.Errorf("%x: got %v", bad[:24], err)
				}
			}
		}
		if !bytes.Equal(GeneratorState("cpu"), used) {
			t.Error("a refused state is taken")
		}
	})
	noTensors(t)
}

func TestGenerator(t *testing.T) {
	scoped(t, func() {
		ManualSeed(1)
		want := Float64s(Normal(0, 1, "cpu", 20))
		ManualSeed(1)
		a, b := NewGenerator("cpu", 1), NewGenerator("cpu", 1)
		defer a.Close()
		defer b.Close()
		near(t, "same seed", Float64s(a.Normal(2, 3, 20)), Float64s(b.Normal(2, 3, 20)), 0)
		u := a.Uniform(2, 3, 1000)
		if lo, hi := Item(Sum(Clamp(u, 2, 3))), Item(Sum(u)); lo != hi || Item(Mean(u)) < 2.4 || Item(Mean(u)) > 2.6 {
			t.Errorf("uniform numbers from 2 to 3 have the mean %v", Item(Mean(u)))
		}
		near(t, "default generator", Float64s(Normal(0, 1, "cpu", 20)), want, 0)
	})
}

func TestCopies(t *testing.T) {
	scoped(t, func() {
		x := FromInt64([]int64{1, 2, 3, 4, 5, 6}, 2, 3)
		near(t, "transposed", Float64s(Permute(x, 1, 0)), []float64{1, 4, 2, 5, 3, 6}, 0)
		for _, dtype := range []int8{torch.Byte, torch.Int, torch.Long, torch.Half, torch.BFloat16, torch.Float, torch.Double} {
			y := To(x, "cpu", dtype)
			near(t, "bytes", Float64s(FromBytes(Bytes(y), dtype, 2, 3)), []float64{1, 2, 3, 4, 5, 6}, 0)
		}
		dst := make([]float32, 6)
		CopyFloat32s(dst, x)
		if dst[5] != 6 || Float32s(x)[4] != 5 || Int64s(Argmax(x, 1))[1] != 2 {
			t.Errorf("copies are %v", dst)
		}
		p := leaf(3)
		InitConstant(p, 0.1)
		ClampInPlace(p, -1, 0.05)
		if !RequiresGrad(p) || Float64s(p)[2] != 0.05 {
			t.Errorf("the parameter is %v", Float64s(p))
		}
		if empty := FromFloat32(nil, 0, 3); len(Float32s(empty)) != 0 || Shape(empty)[1] != 3 {
			t.Error("an empty tensor is not empty")
		}
	})
}
