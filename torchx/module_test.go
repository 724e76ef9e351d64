package torchx

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// network has every layer with state.
func network() *Sequential {
	return NewSequential(
		NewLinear(4, 8, LinearOptions{}), NewUnflatten(2, 2, 2), NewConvTranspose2d(2, 4, 2, ConvTranspose2dOptions{Stride: 2, NoBias: true}),
		NewBatchNorm2d(4, BatchNormOptions{}), NewLeakyReLU(0.2), NewGroupNorm(2, 4),
		NewSequential(NewConv2dRect(4, 2, 3, 1, Conv2dOptions{}), NewTanh()), NewDropout(0.5), NewFlatten(),
	)
}

func names(es []Entry) string {
	var list []string
	for _, e := range es {
		list = append(list, fmt.Sprint(e.Name, Shape(e.Tensor)))
	}
	return strings.Join(list, " ")
}

func TestStateNames(t *testing.T) {
	scoped(t, func() {
		m := network()
		const parameters = "0.weight[8 4] 0.bias[8] 2.weight[2 4 2 2] 3.weight[4] 3.bias[4] %s5.weight[4] 5.bias[4] 6.0.weight[2 4 3 1] 6.0.bias[2]"
		const buffers = "3.running_mean[4] 3.running_var[4] 3.num_batches_tracked[]"
		if got, want := names(m.State()), fmt.Sprintf(parameters, buffers+" "); got != want {
			t.Errorf("state is\n%s, expected\n%s", got, want)
		}
		if got, want := names(NamedParameters(m)), fmt.Sprintf(parameters, ""); got != want {
			t.Errorf("parameters are\n%s, expected\n%s", got, want)
		}
		if got := names(Buffers(m)); got != buffers {
			t.Errorf("buffers are %s", got)
		}
		if n := CountParameters(m); n != 32+8+32+8+8+24+2 {
			t.Errorf("there are %d parameters", n)
		}
		for _, e := range m.State() {
			if RequiresGrad(e.Tensor) == e.Buffer {
				t.Errorf("%s: gradients %v", e.Name, RequiresGrad(e.Tensor))
			}
		}
	})
	noTensors(t)
}

// Layers draw what PyTorch draws after torch.manual_seed(7): weight, then bias, in the order of construction.
func TestInitialValues(t *testing.T) {
	scoped(t, func() {
		ManualSeed(7)
		l, c := NewLinear(3, 2, LinearOptions{}), NewConvTranspose2d(2, 3, 2, ConvTranspose2dOptions{})
		for _, v := range []struct {
			t    torch.Tensor
			want []float64
		}{
			{l.Weight, []float64{0.04032507538795471, -0.3477921187877655, 0.18384182453155518, 0.1811612844467163, -0.3085803687572479, -0.0865316316485405}},
			{l.Bias, []float64{-0.33822792768478394, 0.1498066484928131}},
			{Narrow(Flatten(c.Weight, 0, -1), 0, 0, 4), []float64{-0.0777597576379776, 0.20280487835407257, 0.2049265205860138, 0.029407456517219543}},
			{c.Bias, []float64{0.07312174141407013, 0.039879120886325836, 0.14071916043758392}},
			{Normal(0, 1, "cpu", 3), []float64{-0.7923216819763184, -1.524890661239624, -0.19970311224460602}},
			{Uniform(0, 1, "cpu", 2), []float64{0.9314137697219849, 0.9575381278991699}},
		} {
			near(t, "value", Float64s(v.t), v.want, 1e-7)
		}
		x := Full(0, torch.Float, "cpu", 10000)
		InitNormal(x, 3, 2)
		near(t, "mean", []float64{Item(Mean(x))}, []float64{3}, 0.05)
		near(t, "variance", []float64{Item(Mean(Square(AddScalar(x, -3))))}, []float64{4}, 0.1)
	})
}

func TestSaveLoadState(t *testing.T) {
	scoped(t, func() {
		a, b := network(), network()
		x := Normal(0, 1, "cpu", 3, 4)
		a.Forward(x) // moves the running statistics
		if err := LoadState(b, StateTensors(a)); err != nil {
			t.Fatal(err)
		}
		a.Train(false)
		b.Train(false)
		near(t, "output", Float64s(b.Forward(x)), Float64s(a.Forward(x)), 0)
		if n := Int64s(b.State()[7].Tensor); len(n) != 1 || n[0] != 1 {
			t.Errorf("num_batches_tracked is %v", n)
		}
		// float64 files load into float32 networks
		ToDevice(a, "cpu", torch.Double)
		if dtypes := StateTensors(a)[0].DType + StateTensors(a)[7].DType; dtypes != "F64I64" {
			t.Errorf("dtypes are %s", dtypes)
		}
		if err := LoadState(b, StateTensors(a)); err != nil {
			t.Fatal(err)
		}
		near(t, "converted", Float64s(b.Forward(x)), Float64s(a.Forward(To(x, "cpu", torch.Double))), 1e-5)
	})
	noTensors(t)
}

func TestLoadStateRefuses(t *testing.T) {
	scoped(t, func() {
		m := network()
		before := StateTensors(m)
		edit := func(f func(ts []safetensors.Tensor) []safetensors.Tensor) []safetensors.Tensor {
			ts := StateTensors(network()) // other values
			return f(ts)
		}
		for name, c := range map[string]struct {
			ts   []safetensors.Tensor
			want []string
		}{
			"nothing": {nil, []string{"0.weight is missing", "6.0.bias is missing"}},
			"several": {edit(func(ts []safetensors.Tensor) []safetensors.Tensor {
				ts[0].Name = "0.wait"
				ts[1].Shape = []int64{2, 4}
				return ts
			}), []string{"0.weight is missing", "0.wait is unexpected", "0.bias has shape [2 4], expected [8]"}},
			"dtype": {edit(func(ts []safetensors.Tensor) []safetensors.Tensor {
				ts[7].DType, ts[0].DType = "F64", "I32"
				return ts
			}), []string{"num_batches_tracked has dtype F64, expected an integer one", "0.weight has dtype I32, expected a floating-point one"}},
			"unknown dtype": {edit(func(ts []safetensors.Tensor) []safetensors.Tensor { ts[0].DType = "X9"; return ts }), []string{"0.weight has dtype X9"}},
			"bytes":         {edit(func(ts []safetensors.Tensor) []safetensors.Tensor { ts[0].Data = ts[0].Data[1:]; return ts }), []string{"0.weight has 127 bytes, expected 128"}},
			"twice":         {edit(func(ts []safetensors.Tensor) []safetensors.Tensor { return append(ts, ts[0]) }), []string{"0.weight is there twice"}},
		} {
			err := LoadState(m, c.ts)
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: error %v, expected %q", name, err, want)
				}
			}
		}
		after := StateTensors(m)
		if !slices.EqualFunc(before, after, func(a, b safetensors.Tensor) bool { return bytes.Equal(a.Data, b.Data) }) {
			t.Error("a refused state changed the network")
		}
	})
}

func TestToDeviceKeepsParameters(t *testing.T) {
	scoped(t, func() {
		m := NewSequential(NewLinear(2, 2, LinearOptions{}), NewBatchNorm2d(2, BatchNormOptions{}))
		w := m.State()[0].Tensor
		want := Float64s(w)
		ToDevice(m, "cpu", torch.Double)
		if w.Dtype() != torch.Double || !RequiresGrad(w) || Device(w) != "cpu" {
			t.Errorf("dtype %d, gradients %v, device %s", w.Dtype(), RequiresGrad(w), Device(w))
		}
		near(t, "weight", Float64s(w), want, 0)
		grad := Gradients(Sum(Square(w)), []torch.Tensor{w}, false)[0]
		near(t, "gradient", Float64s(grad), Float64s(MulScalar(w, 2)), 0)
	})
}

func TestSequentialFreesBetweenLayers(t *testing.T) {
	var seen []torch.Tensor
	see := function(func(x torch.Tensor) torch.Tensor { seen = append(seen, x); return x })
	double := function(func(x torch.Tensor) torch.Tensor { return MulScalar(x, 2) })
	m := NewSequential(see, double, see, NewFlatten(), NewSequential(see, see), see, double, NewSequential(), double, see)
	scoped(t, func() {
		x := FromFloat32([]float32{1, 2}, 1, 2, 1)
		NoGrad(func() {
			y := m.Forward(x)
			near(t, "output", Float64s(y), []float64{8, 16}, 0)
			for i, want := range []bool{false, true, true, true, true, false} {
				if got := freed(t, seen[i]); got != want {
					t.Errorf("value %d: freed %v", i, got)
				}
			}
		})
		seen = nil
		SetRequiresGrad(x, true)
		m.Forward(x)
		for i := range seen {
			if freed(t, seen[i]) {
				t.Errorf("value %d was freed under gradients", i)
			}
		}
	})
}

func TestDropout(t *testing.T) {
	scoped(t, func() {
		d, x := NewDropout(0.25), Full(1, torch.Float, "cpu", 10000)
		near(t, "mean", []float64{Item(Mean(d.Forward(x)))}, []float64{1}, 0.05)
		near(t, "share", []float64{Item(Mean(Clamp(d.Forward(x), 0, 1)))}, []float64{0.75}, 0.05)
		d.Train(false)
		near(t, "sum", []float64{Item(Sum(d.Forward(x)))}, []float64{10000}, 0)
	})
}
