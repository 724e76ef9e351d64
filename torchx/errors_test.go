package torchx

import (
	"errors"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
)

func TestErrorText(t *testing.T) {
	scoped(t, func() {
		a := Full(1, torch.Float, "cpu", 2, 3)
		err := Try(func() { MatMul(a, a) })
		var e *Error
		if !errors.As(err, &e) || e.Op != "matmul" || e.Shapes != "[2 3], [2 3]" {
			t.Fatalf("the error is %#v", err)
		}
		if text := err.Error(); !strings.HasPrefix(text, "matmul of [2 3], [2 3]: ") ||
			strings.Contains(text, "\n") || strings.Contains(text, "frame #") || strings.Contains(text, "Exception raised") {
			t.Errorf("the error is %q", text)
		}
		missing := Try(func() { Add(a, torch.Tensor{}) })
		if missing == nil || !strings.Contains(missing.Error(), "a tensor is missing") {
			t.Errorf("the error is %v", missing)
		}
		b := Full(1, torch.Float, "cpu")
		Free(b)
		if err := Try(func() { Add(a, b) }); err == nil || !strings.HasPrefix(err.Error(), "add of [2 3], [freed]: ") {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestTry(t *testing.T) {
	if err := Try(func() {}); err != nil {
		t.Error(err)
	}
	scoped(t, func() { // gotorch's own half panics with strings
		a := Full(1, torch.Float, "cpu", 2, 3)
		var e *Error
		if err := Try(func() { torch.MM(a, a) }); !errors.As(err, &e) || e.Message == "" {
			t.Errorf("the error is %v", err)
		}
	})
	for _, value := range []any{errors.New("a bug"), 3} {
		func() {
			defer func() {
				if r := recover(); r != value {
					t.Errorf("the panic is %v, expected %v", r, value)
				}
			}()
			_ = Try(func() { panic(value) })
		}()
	}
	defer func() {
		if recover() == nil {
			t.Error("Try hid a runtime error")
		}
	}()
	var none []int
	_ = Try(func() { _ = none[len(none)] })
}

// Whatever shapes an operation is given, the answer is an error and the process lives.
func TestImpossibleShapes(t *testing.T) {
	scoped(t, func() {
		x := Full(1, torch.Float, "cpu", 2, 3, 5, 5)
		m := Full(1, torch.Float, "cpu", 2, 3)
		w := Full(1, torch.Float, "cpu", 4, 7, 3, 3) // 7 input channels: x has 3
		v := Full(1, torch.Float, "cpu", 11)
		long := Full(1, torch.Long, "cpu", 2, 3)
		var none torch.Tensor
		p := leaf(3)
		optimizer := NewOptimizer(SGD{LR: 1}, []Entry{{Name: "p", Tensor: p}})
		defer optimizer.Close()
		g := NewGenerator("cpu", 1)
		g.Close()
		g.Close()
		for name, f := range map[string]func(){
			"FromFloat32":         func() { FromFloat32([]float32{1}, 2) },
			"FromFloat64":         func() { FromFloat64([]float64{1}, -1) },
			"FromInt64":           func() { FromInt64(nil, 3) },
			"FromBytes":           func() { FromBytes([]byte{1, 2, 3}, torch.Float, 1) },
			"FromBytes dtype":     func() { FromBytes([]byte{1}, 99, 1) },
			"Full":                func() { Full(1, torch.Float, "cpu", -1) },
			"Full huge":           func() { Full(1, torch.Float, "cpu", 1<<40, 1<<40) },
			"Full vast":           func() { Full(1, torch.Float, "cpu", 1<<50) },
			"Full device":         func() { Full(1, torch.Float, "abacus", 1) },
			"Full dtype":          func() { Full(1, 99, "cpu", 1) },
			"CopyFloat32s":        func() { CopyFloat32s(make([]float32, 5), m) },
			"Item":                func() { Item(m) },
			"Shape":               func() { Shape(none) },
			"Device":              func() { Device(none) },
			"Copy":                func() { Copy(m, v) },
			"SetRequiresGrad":     func() { SetRequiresGrad(long, true) },
			"SetRequiresGrad off": func() { SetRequiresGrad(Exp(p), false) },
			"To dtype":            func() { To(m, "cpu", 99) },
			"To":                  func() { To(m, "cuda:99", -1) },
			"SetData":             func() { SetData(m, none) },
			"ClampInPlace":        func() { ClampInPlace(none, 0, 1) },
			"Neg":                 func() { Neg(none) },
			"UpsampleNearest":     func() { UpsampleNearest(m, 2) },
			"UpsampleNearest 0":   func() { UpsampleNearest(x, 0) },
			"Add":                 func() { Add(m, v) },
			"Sub":                 func() { Sub(m, v) },
			"Mul":                 func() { Mul(m, v) },
			"Div":                 func() { Div(m, v) },
			"MatMul":              func() { MatMul(m, v) },
			"Sum":                 func() { Sum(m, 2) },
			"Mean":                func() { Mean(long) },
			"Norm":                func() { Norm(m, -3) },
			"SumKeep":             func() { SumKeep(m, 0, 0) },
			"MeanKeep":            func() { MeanKeep(m, 9) },
			"Argmax":              func() { Argmax(m, 2) },
			"Reshape":             func() { Reshape(m, 5) },
			"Permute":             func() { Permute(m, 0, 0) },
			"Flatten":             func() { Flatten(m, 1, 0) },
			"Narrow":              func() { Narrow(m, 1, 2, 2) },
			"Expand":              func() { Expand(m, 2, 4) },
			"Cat":                 func() { Cat(0, m, v) },
			"Cat none":            func() { Cat(0) },
			"BCEWithLogits":       func() { BCEWithLogits(m, v) },
			"MSE":                 func() { MSE(m, v) },
			"L1":                  func() { L1(m, v) },
			"Linear":              func() { Linear(m, Full(1, torch.Float, "cpu", 4, 4), none) },
			"Linear bias":         func() { Linear(m, Full(1, torch.Float, "cpu", 4, 3), v) },
			"Conv2d":              func() { Conv2d(x, w, none, Conv2dOptions{}) },
			"Conv2d stride":       func() { Conv2d(x, Full(1, torch.Float, "cpu", 4, 3, 3, 3), none, Conv2dOptions{Stride: -1}) },
			"Conv2d kernel":       func() { Conv2d(x, Full(1, torch.Float, "cpu", 4, 3, 9, 9), none, Conv2dOptions{}) },
			"Conv2d groups":       func() { Conv2d(x, w, none, Conv2dOptions{Groups: 2}) },
			"ConvTranspose2d":     func() { ConvTranspose2d(x, w, none, ConvTranspose2dOptions{}) },
			"ConvTranspose2d bias": func() {
				ConvTranspose2d(x, Full(1, torch.Float, "cpu", 3, 4, 3, 3), v, ConvTranspose2dOptions{})
			},
			"ConvTranspose2d output padding": func() {
				ConvTranspose2d(x, Full(1, torch.Float, "cpu", 3, 4, 3, 3), none, ConvTranspose2dOptions{OutputPadding: 3})
			},
			"BatchNorm":        func() { BatchNorm(x, v, v, v, v, true, 0.1, 1e-5) },
			"GroupNorm":        func() { GroupNorm(x, 2, none, none, 1e-5) },
			"MaxPool2d":        func() { MaxPool2d(x, 9) },
			"AvgPool2d":        func() { AvgPool2d(v, 2) },
			"MaxPool2d 0":      func() { MaxPool2d(x, 0) },
			"AvgPool2d 0":      func() { AvgPool2d(x, 0) },
			"Dropout":          func() { Dropout(x, 2, true) },
			"KaimingUniform":   func() { KaimingUniform(v) },
			"Normal":           func() { Normal(0, -1, "cpu", 2) },
			"Uniform":          func() { Uniform(1, 0, "cpu", 2) },
			"Uniform device":   func() { Uniform(0, 1, "abacus", 2) },
			"Generator":        func() { NewGenerator("abacus", 1) },
			"closed generator": func() { g.Normal(0, 1, 2) },
			"GeneratorState":   func() { GeneratorState("cuda:99") },
			"SetGeneratorState": func() {
				SetGeneratorState("cpu", []byte{1, 2, 3})
			},
			"InitNormal":        func() { InitNormal(long, 0, 1) },
			"Gradients":         func() { Gradients(Exp(p), []torch.Tensor{p}, false) },
			"Gradients of none": func() { Gradients(Sum(m), []torch.Tensor{p}, false) },
			"Gradients twice": func() {
				l := Sum(Exp(p))
				Gradients(l, []torch.Tensor{p}, false)
				Gradients(l, []torch.Tensor{p}, false)
			},
			"Optimizer gradients": func() { optimizer.Step(nil) },
			"Optimizer shape":     func() { optimizer.Step([]torch.Tensor{m}) },
			"Optimizer result":    func() { NewOptimizer(SGD{}, []Entry{{Name: "e", Tensor: Exp(p)}}) },
			"Optimizer names":     func() { NewOptimizer(SGD{}, []Entry{{Name: "p", Tensor: p}, {Name: "p", Tensor: p}}) },
			"NewConv2d groups":    func() { NewConv2d(3, 4, 3, Conv2dOptions{Groups: 2}) },
			"NewGroupNorm":        func() { NewGroupNorm(0, 4) },
			"NewLinear":           func() { NewLinear(-1, 2, LinearOptions{}) },
			"NewUnflatten":        func() { NewUnflatten(2, 2, 2).Forward(m) },
			"NewFlatten":          func() { NewFlatten().Forward(v) },
			"SetThreads":          func() { SetThreads(0) },
		} {
			if err := Try(f); err == nil {
				t.Errorf("%s: no error", name)
			} else if text := err.Error(); strings.Contains(text, "\n") || strings.Contains(text, "Exception raised") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := Item(Sum(m)); got != 6 {
			t.Errorf("the sum is %v", got)
		}
	})
}
