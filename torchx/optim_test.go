package torchx

import (
	"math"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

func TestOptimizerTypes(t *testing.T) {
	for _, name := range OptimizerTypes() {
		if o, ok := NewOptimizerOptions(name); !ok || o.TypeName() != name {
			t.Errorf("%s: %v", name, o)
		}
	}
	if _, ok := NewOptimizerOptions("lion"); ok {
		t.Error("lion is an optimiser")
	}
}

func stepped(o OptimizerOptions, p torch.Tensor) *Optimizer {
	opt := NewOptimizer(o, []Entry{{Name: "w", Tensor: p}, {Name: "unused", Tensor: leaf(1)}})
	opt.Step([]torch.Tensor{Full(1, torch.Double, "cpu", 2), {}})
	return opt
}

func stateNames(ts []safetensors.Tensor) string {
	var list []string
	for _, s := range ts {
		list = append(list, s.Name)
	}
	return strings.Join(list, " ")
}

func TestOptimizerStateNames(t *testing.T) {
	scoped(t, func() {
		for _, c := range []struct {
			o    OptimizerOptions
			want string
		}{
			{SGD{LR: 1}, ""},
			{SGD{LR: 1, Momentum: 0.9}, "w.momentum_buffer"},
			{&Adam{LR: 1, Eps: 1}, "w.exp_avg w.exp_avg_sq w.step"},
			{AdamW{LR: 1, Eps: 1}, "w.exp_avg w.exp_avg_sq w.step"},
			{RMSprop{LR: 1, Eps: 1}, "w.square_avg w.step"},
			{RMSprop{LR: 1, Eps: 1, Centered: true}, "w.square_avg w.grad_avg w.step"},
			{RMSprop{LR: 1, Eps: 1, Centered: true, Momentum: 0.5}, "w.square_avg w.momentum_buffer w.grad_avg w.step"},
		} {
			o := stepped(c.o, leaf(2))
			if got := stateNames(o.State()); got != c.want {
				t.Errorf("%+v: state %s, expected %s", c.o, got, c.want)
			}
			o.Close()
			o.Close()
			if err := Try(func() { o.Step(make([]torch.Tensor, 2)) }); err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("a closed optimiser steps: %v", err)
			}
		}
	})
	noTensors(t)
}

func TestOptimizerLoadRefuses(t *testing.T) {
	scoped(t, func() {
		o := stepped(Adam{LR: 1, Eps: 1}, leaf(2))
		defer o.Close()
		for name, c := range map[string]struct {
			edit func(ts []safetensors.Tensor) []safetensors.Tensor
			want string
		}{
			"missing":    {func(ts []safetensors.Tensor) []safetensors.Tensor { return ts[1:] }, "w.exp_avg is missing"},
			"unexpected": {func(ts []safetensors.Tensor) []safetensors.Tensor { ts[0].Name = "v.exp_avg"; return ts }, "v.exp_avg is unexpected"},
			"shape": {func(ts []safetensors.Tensor) []safetensors.Tensor {
				ts[0].Shape = []int64{1, 2}
				return ts
			}, "w.exp_avg has shape [1 2], expected [2]"},
			"step": {func(ts []safetensors.Tensor) []safetensors.Tensor {
				ts[2].Data = make([]byte, 8)
				return ts
			}, "w.step is 0"},
			"many steps": {func(ts []safetensors.Tensor) []safetensors.Tensor {
				ts[2].Data = []byte{255, 255, 255, 255, 255, 255, 255, 127}
				return ts
			}, "w.step is 9.223372036854776e+18, expected 1 to 9007199254740992"},
			"step dtype": {func(ts []safetensors.Tensor) []safetensors.Tensor { ts[2].DType = "F64"; return ts }, "w.step has dtype F64"},
		} {
			before := o.State()
			saved := o.State()
			saved[1].Data = make([]byte, len(saved[1].Data)) // would change the state
			err := o.LoadState(c.edit(saved))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, expected %q", name, err, c.want)
			}
			for i, s := range o.State() {
				if string(s.Data) != string(before[i].Data) {
					t.Errorf("%s: %s changed", name, s.Name)
				}
			}
		}
		if err := o.LoadState(nil); err != nil || len(o.State()) != 0 {
			t.Errorf("a fresh state: error %v, state %s", err, stateNames(o.State()))
		}
	})
}

func TestSetLR(t *testing.T) {
	scoped(t, func() {
		p := leaf(2)
		before := Float64s(p)
		o := stepped(SGD{LR: 0.5}, p)
		defer o.Close()
		o.SetLR(0.25)
		if o.LR() != 0.25 {
			t.Errorf("the learning rate is %v", o.LR())
		}
		o.Step([]torch.Tensor{Full(1, torch.Double, "cpu", 2), {}})
		for i, v := range Float64s(p) {
			if math.Abs(v-(before[i]-0.75)) > 1e-15 {
				t.Errorf("value %d moved by %v", i, v-before[i])
			}
		}
	})
}
