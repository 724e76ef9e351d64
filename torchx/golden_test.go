package torchx

import (
	"encoding/json"
	"fmt"
	"testing"

	torch "github.com/wangkuiyi/gotorch"
	"go.yaml.in/yaml/v3"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// The golden values are float32 and so are the computations; sums here have at most some hundred terms.
const goldenTolerance = 2e-5

type goldenLayer struct {
	Name, Layer    string
	Training       bool
	Options        goldenOptions
	Input          described
	State          map[string]described
	OutputGradient described `json:"output_gradient"`
	Output         recorded
	InputGradient  recorded            `json:"input_gradient"`
	WeightGradient *recorded           `json:"weight_gradient"`
	BiasGradient   *recorded           `json:"bias_gradient"`
	StateAfter     map[string]recorded `json:"state_after"`
}

type goldenOptions struct {
	InFeatures    int64 `json:"in_features"`
	OutFeatures   int64 `json:"out_features"`
	InChannels    int64 `json:"in_channels"`
	OutChannels   int64 `json:"out_channels"`
	NumFeatures   int64 `json:"num_features"`
	NumGroups     int64 `json:"num_groups"`
	NumChannels   int64 `json:"num_channels"`
	KernelSize    sizes `json:"kernel_size"`
	Stride        sizes
	Padding       sizes
	OutputPadding sizes `json:"output_padding"`
	Dilation      sizes
	Groups        int64
	Bias          bool
	Eps, Momentum float64
	NegativeSlope float64 `json:"negative_slope"`
	ScaleFactor   float64 `json:"scale_factor"`
}

// sizes is a pair, or one number for both.
type sizes [2]int64

func (s *sizes) UnmarshalJSON(data []byte) error {
	var n int64
	if json.Unmarshal(data, &n) == nil {
		*s = sizes{n, n}
		return nil
	}
	return json.Unmarshal(data, (*[2]int64)(s))
}

// rectangular is a convolution with strides or paddings that the layers do not offer.
type rectangular struct {
	affine
	forward func(x, w, b torch.Tensor) torch.Tensor
}

func (r *rectangular) Forward(x torch.Tensor) torch.Tensor { return r.forward(x, r.Weight, r.Bias) }

// module makes the layer that a golden case describes.
func (g goldenLayer) module() Module {
	o := g.Options
	square := o.Stride[0] == o.Stride[1] && o.Padding[0] == o.Padding[1] && o.OutputPadding[0] == o.OutputPadding[1]
	switch g.Layer {
	case "Linear":
		return NewLinear(o.InFeatures, o.OutFeatures, LinearOptions{!o.Bias})
	case "Conv2d":
		c := NewConv2dRect(o.InChannels, o.OutChannels, o.KernelSize[0], o.KernelSize[1],
			Conv2dOptions{o.Stride[0], o.Padding[0], o.Dilation[0], o.Groups, !o.Bias})
		if square {
			return c
		}
		return &rectangular{c.affine, func(x, w, b torch.Tensor) torch.Tensor {
			return conv2d(x, w, b, o.Stride, o.Padding, o.Dilation, o.Groups)
		}}
	case "ConvTranspose2d":
		if square {
			return NewConvTranspose2d(o.InChannels, o.OutChannels, o.KernelSize[0],
				ConvTranspose2dOptions{o.Stride[0], o.Padding[0], o.OutputPadding[0], o.Dilation[0], o.Groups, !o.Bias})
		}
		a := newAffine(o.OutChannels, !o.Bias, o.InChannels, o.OutChannels/o.Groups, o.KernelSize[0], o.KernelSize[1])
		return &rectangular{a, func(x, w, b torch.Tensor) torch.Tensor {
			return convTranspose2d(x, w, b, transposed{o.Stride, o.Padding, o.OutputPadding, o.Dilation, o.Groups})
		}}
	case "BatchNorm2d":
		return NewBatchNorm2d(o.NumFeatures, BatchNormOptions{o.Eps, o.Momentum})
	case "GroupNorm":
		return NewGroupNorm(o.NumGroups, o.NumChannels)
	case "LeakyReLU":
		return NewLeakyReLU(o.NegativeSlope)
	case "ReLU":
		return NewReLU()
	case "Tanh":
		return NewTanh()
	case "Sigmoid":
		return NewSigmoid()
	case "Softplus":
		return function(Softplus)
	case "MaxPool2d":
		return NewMaxPool2d(o.KernelSize[0])
	case "AvgPool2d":
		return NewAvgPool2d(o.KernelSize[0])
	case "AdaptiveAvgPool2d":
		return NewGlobalAvgPool2d()
	case "Upsample":
		return NewUpsample(int64(o.ScaleFactor))
	}
	panic(fmt.Sprintf("golden layer %s is not known", g.Layer))
}

func TestGoldenLayers(t *testing.T) {
	var golden struct{ Layers []goldenLayer }
	readGolden(t, "layers.json", &golden)
	if len(golden.Layers) < 30 {
		t.Fatalf("there are %d layers", len(golden.Layers))
	}
	for _, g := range golden.Layers {
		t.Run(g.Name, func(t *testing.T) {
			scoped(t, func() { g.check(t) })
		})
	}
	noTensors(t)
}

func (g goldenLayer) check(t *testing.T) {
	m := g.module()
	m.Train(g.Training)
	g.load(t, m)
	x := g.Input.tensor()
	SetRequiresGrad(x, true)
	y := m.Forward(x)
	near(t, "output", Float64s(y), g.Output.Values, goldenTolerance)
	if fmt.Sprint(Shape(y)) != fmt.Sprint(g.Output.Shape) {
		t.Errorf("shape %v, expected %v", Shape(y), g.Output.Shape)
	}

	params, want := []torch.Tensor{x}, []*recorded{&g.InputGradient}
	for _, e := range NamedParameters(m) {
		params = append(params, e.Tensor)
		want = append(want, map[string]*recorded{"weight": g.WeightGradient, "bias": g.BiasGradient}[e.Name])
	}
	for i, grad := range Gradients(Sum(Mul(y, g.OutputGradient.tensor())), params, false) {
		near(t, fmt.Sprintf("gradient %d", i), Float64s(grad), want[i].Values, goldenTolerance)
	}
	for _, e := range Buffers(m) {
		near(t, e.Name, Float64s(e.Tensor), g.StateAfter[e.Name].Values, goldenTolerance)
	}
}

// load gives m the case's state, and as its counter 0, which the goldens leave out.
func (g goldenLayer) load(t *testing.T, m Module) {
	state := StateTensors(m)
	for i, s := range state {
		if d, ok := g.State[s.Name]; ok {
			state[i] = export(s.Name, d.tensor())
		} else if s.Name != "num_batches_tracked" {
			t.Fatalf("the golden has no %s", s.Name)
		}
	}
	if err := LoadState(m, state); err != nil {
		t.Fatal(err)
	}
}

func TestGoldenLosses(t *testing.T) {
	var golden struct {
		Losses []struct {
			Name          string
			Input         described
			Target        *described
			Output        float64
			InputGradient recorded `json:"input_gradient"`
		}
	}
	readGolden(t, "layers.json", &golden)
	losses := map[string]func(x, target torch.Tensor) torch.Tensor{
		"bce_with_logits": BCEWithLogits, "bce_with_logits_ones": BCEWithLogits, "bce_with_logits_zeros": BCEWithLogits,
		"bce_with_logits_smooth": BCEWithLogits, "mse": MSE, "l1": L1,
		"hinge_real":      func(x, _ torch.Tensor) torch.Tensor { return Mean(ReLU(AddScalar(Neg(x), 1))) },
		"hinge_generated": func(x, _ torch.Tensor) torch.Tensor { return Mean(ReLU(AddScalar(x, 1))) },
	}
	if len(golden.Losses) != len(losses) {
		t.Fatalf("there are %d losses", len(golden.Losses))
	}
	for _, g := range golden.Losses {
		t.Run(g.Name, func(t *testing.T) {
			scoped(t, func() {
				var target torch.Tensor
				if g.Target != nil {
					target = g.Target.tensor()
				}
				x := g.Input.tensor()
				SetRequiresGrad(x, true)
				loss := losses[g.Name](x, target)
				near(t, "loss", []float64{Item(loss)}, []float64{g.Output}, goldenTolerance)
				near(t, "gradient", Float64s(Gradients(loss, []torch.Tensor{x}, false)[0]), g.InputGradient.Values, goldenTolerance)
			})
		})
	}
}

type goldenOptimisers struct {
	Parameters []described
	Gradients  [][]described
	Cases      []struct {
		Name, Optimiser string
		Options         json.RawMessage
		After           [][][]float64
	}
}

func (g goldenOptimisers) parameters() []Entry {
	var params []Entry
	for _, d := range g.Parameters {
		p := d.tensor()
		SetRequiresGrad(p, true)
		params = append(params, Entry{Name: d.Tag, Tensor: p})
	}
	return params
}

func (g goldenOptimisers) gradients(step int) []torch.Tensor {
	var grads []torch.Tensor
	for _, d := range g.Gradients[step] {
		grads = append(grads, d.tensor())
	}
	return grads
}

// optimizer makes the case's optimiser. Its JSON keys are our YAML keys, and JSON is YAML.
func (g goldenOptimisers) options(t *testing.T, i int) OptimizerOptions {
	t.Helper()
	names := map[string]string{"SGD": "sgd", "Adam": "adam", "AdamW": "adamw", "RMSprop": "rmsprop"}
	o, ok := NewOptimizerOptions(names[g.Cases[i].Optimiser])
	if !ok {
		t.Fatalf("optimiser %s is not known", g.Cases[i].Optimiser)
	}
	if err := yaml.Unmarshal(g.Cases[i].Options, o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestGoldenOptimizers(t *testing.T) {
	var golden goldenOptimisers
	readGolden(t, "optimisers.json", &golden)
	if len(golden.Cases) < 12 {
		t.Fatalf("there are %d cases", len(golden.Cases))
	}
	for i, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			scoped(t, func() {
				params := golden.parameters()
				o := NewOptimizer(golden.options(t, i), params)
				defer o.Close()
				for step, after := range c.After {
					o.Step(golden.gradients(step))
					for j, p := range params {
						near(t, fmt.Sprintf("step %d, %s", step, p.Name), Float64s(p.Tensor), after[j], 2e-6)
					}
				}
			})
		})
	}
	noTensors(t)
}

// A run that is saved and goes on with a new optimiser is the run that was never stopped, to the last bit.
func TestOptimizerResume(t *testing.T) {
	var golden goldenOptimisers
	readGolden(t, "optimisers.json", &golden)
	for i, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			scoped(t, func() {
				run := func(stopAt int) []Entry {
					params := golden.parameters()
					o := NewOptimizer(golden.options(t, i), params)
					defer func() { o.Close() }()
					for step := range golden.Gradients {
						if step == stopAt {
							var saved []safetensors.Tensor = o.State()
							o.Close()
							o = NewOptimizer(golden.options(t, i), params)
							if err := o.LoadState(saved); err != nil {
								t.Fatal(err)
							}
						}
						grads := golden.gradients(step)
						grads[1] = torch.Tensor{} // unused: has no state to save
						o.Step(grads)
					}
					return params
				}
				want := run(-1)
				for stopAt := range 6 {
					for j, p := range run(stopAt) {
						near(t, p.Name, Float64s(p.Tensor), Float64s(want[j].Tensor), 0)
					}
				}
				near(t, "unused", Float64s(want[1].Tensor), Float64s(golden.Parameters[1].tensor()), 0)
			})
		})
	}
}
