package torchx

import (
	"math"

	torch "github.com/wangkuiyi/gotorch"
)

// newParameter makes a float32 parameter on the CPU that outlives every scope.
func newParameter(initialise func(torch.Tensor), shape ...int64) torch.Tensor {
	t := newBuffer(0, torch.Float, shape...)
	initialise(t)
	SetRequiresGrad(t, true)
	return t
}

// newBuffer makes a tensor of one value on the CPU that outlives every scope.
func newBuffer(value float64, dtype int8, shape ...int64) torch.Tensor {
	t := Full(value, dtype, "cpu", shape...)
	KeepAll(t)
	return t
}

func constant(v float64) func(torch.Tensor) {
	return func(t torch.Tensor) { InitConstant(t, v) }
}

// affine is what the layers with a weight and perhaps a bias have in common.
type affine struct {
	Weight, Bias torch.Tensor // Bias is the zero Tensor if there is none
}

// newAffine draws weight and bias as PyTorch does: in this order, both from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
func newAffine(out int64, noBias bool, shape ...int64) affine {
	a := affine{Weight: newParameter(KaimingUniform, shape...)}
	if len(shape) == 4 {
		channelsLast(a.Weight)
	}
	if !noBias {
		bound := 1 / math.Sqrt(fanIn(a.Weight))
		a.Bias = newParameter(func(t torch.Tensor) { InitUniform(t, -bound, bound) }, out)
	}
	return a
}

// State lists weight and bias.
func (a *affine) State() []Entry {
	state := []Entry{{Name: "weight", Tensor: a.Weight}}
	if a.Bias.T != nil {
		state = append(state, Entry{Name: "bias", Tensor: a.Bias})
	}
	return state
}

// Train changes nothing.
func (*affine) Train(bool) {}

// LinearOptions are those of torch.nn.Linear.
type LinearOptions struct{ NoBias bool }

// LinearLayer is torch.nn.Linear: N×in to N×out.
type LinearLayer struct{ affine }

// NewLinear makes a layer with a weight of out×in.
func NewLinear(in, out int64, o LinearOptions) *LinearLayer {
	return &LinearLayer{newAffine(out, o.NoBias, out, in)}
}

// Forward is the function Linear.
func (l *LinearLayer) Forward(x torch.Tensor) torch.Tensor { return l.activated(x, 1) }

// activated is Forward with a leaky ReLU behind it.
func (l *LinearLayer) activated(x torch.Tensor, slope float64) torch.Tensor {
	return linear(x, l.Weight, l.Bias, slope)
}

// Conv2dLayer is torch.nn.Conv2d with zero padding: N×in×H×W to N×out×H'×W'.
type Conv2dLayer struct {
	affine
	options Conv2dOptions
}

// NewConv2d makes a layer with a kernel×kernel weight.
func NewConv2d(in, out, kernel int64, o Conv2dOptions) *Conv2dLayer {
	return NewConv2dRect(in, out, kernel, kernel, o)
}

// NewConv2dRect is NewConv2d with a kernel of kh rows and kw columns.
func NewConv2dRect(in, out, kh, kw int64, o Conv2dOptions) *Conv2dLayer {
	groups := checkGroups("conv2d", in, out, o.Groups)
	return &Conv2dLayer{newAffine(out, o.NoBias, out, in/groups, kh, kw), o}
}

func checkGroups(op string, in, out, groups int64) int64 {
	groups = one(groups)
	if groups < 0 || in%groups != 0 || out%groups != 0 {
		fail(op, nil, "%d groups do not divide %d input and %d output channels", groups, in, out)
	}
	return groups
}

// Forward is the function Conv2d.
func (l *Conv2dLayer) Forward(x torch.Tensor) torch.Tensor {
	return Conv2d(x, l.Weight, l.Bias, l.options)
}

// ConvTranspose2dLayer is torch.nn.ConvTranspose2d: N×in×H×W to N×out×H'×W'.
type ConvTranspose2dLayer struct {
	affine
	options ConvTranspose2dOptions
}

// NewConvTranspose2d makes a layer with a weight of in×(out/groups)×kernel×kernel.
func NewConvTranspose2d(in, out, kernel int64, o ConvTranspose2dOptions) *ConvTranspose2dLayer {
	groups := checkGroups("conv_transpose2d", in, out, o.Groups)
	return &ConvTranspose2dLayer{newAffine(out, o.NoBias, in, out/groups, kernel, kernel), o}
}

// Forward is the function ConvTranspose2d.
func (l *ConvTranspose2dLayer) Forward(x torch.Tensor) torch.Tensor {
	return ConvTranspose2d(x, l.Weight, l.Bias, l.options)
}

// BatchNormOptions are those of torch.nn.BatchNorm2d; 0 means its defaults, 1e-5 and 0.1.
type BatchNormOptions struct{ Eps, Momentum float64 }

// BatchNorm2dLayer is torch.nn.BatchNorm2d (Ioffe and Szegedy 2015).
type BatchNorm2dLayer struct {
	Weight, Bias, RunningMean, RunningVar torch.Tensor
	NumBatchesTracked                     torch.Tensor // an int64 scalar, there for PyTorch

	one      torch.Tensor
	options  BatchNormOptions
	training bool
}

// NewBatchNorm2d makes a layer for N×n×H×W.
func NewBatchNorm2d(n int64, o BatchNormOptions) *BatchNorm2dLayer {
	if o.Eps == 0 {
		o.Eps = 1e-5
	}
	if o.Momentum == 0 {
		o.Momentum = 0.1
	}
	return &BatchNorm2dLayer{
		Weight: newParameter(constant(1), n), Bias: newParameter(constant(0), n),
		RunningMean: newBuffer(0, torch.Float, n), RunningVar: newBuffer(1, torch.Float, n),
		NumBatchesTracked: newBuffer(0, torch.Long), one: newBuffer(1, torch.Long),
		options: o, training: true,
	}
}

// Forward normalises x and, in training, moves the running statistics.
func (l *BatchNorm2dLayer) Forward(x torch.Tensor) torch.Tensor { return l.activated(x, 1) }

// activated is Forward with a leaky ReLU behind it.
func (l *BatchNorm2dLayer) activated(x torch.Tensor, slope float64) torch.Tensor {
	y := batchNorm(x, l.Weight, l.Bias, l.RunningMean, l.RunningVar, l.training, l.options.Momentum, l.options.Eps, slope)
	if l.training {
		next := Add(l.NumBatchesTracked, l.one)
		Copy(l.NumBatchesTracked, next)
		Free(next)
	}
	return y
}

// State lists the parameters and then the buffers.
func (l *BatchNorm2dLayer) State() []Entry {
	return []Entry{
		{"weight", l.Weight, false}, {"bias", l.Bias, false},
		{"running_mean", l.RunningMean, true}, {"running_var", l.RunningVar, true},
		{"num_batches_tracked", l.NumBatchesTracked, true},
	}
}

// Train chooses between the batch's statistics and the running ones.
func (l *BatchNorm2dLayer) Train(on bool) { l.training = on }

// GroupNormLayer is torch.nn.GroupNorm (Wu and He 2018) with eps 1e-5.
type GroupNormLayer struct {
	affine
	groups int64
}

// NewGroupNorm makes a layer for N×channels×H×W; groups divides channels.
func NewGroupNorm(groups, channels int64) *GroupNormLayer {
	if groups < 1 || channels%groups != 0 {
		fail("group norm", nil, "%d groups do not divide %d channels", groups, channels)
	}
	return &GroupNormLayer{affine{newParameter(constant(1), channels), newParameter(constant(0), channels)}, groups}
}

// Forward is the function GroupNorm.
func (l *GroupNormLayer) Forward(x torch.Tensor) torch.Tensor { return l.activated(x, 1) }

// activated is Forward with a leaky ReLU behind it.
func (l *GroupNormLayer) activated(x torch.Tensor, slope float64) torch.Tensor {
	return groupNorm(x, l.groups, l.Weight, l.Bias, 1e-5, slope)
}

// function is a layer without state.
type function func(x torch.Tensor) torch.Tensor

func (f function) Forward(x torch.Tensor) torch.Tensor { return f(x) }
func (function) State() []Entry                        { return nil }
func (function) Train(bool)                            {}

// leakyReLU is a layer of its own type, for Sequential to know.
type leakyReLU struct {
	function
	slope float64
}

// NewReLU is torch.nn.ReLU.
func NewReLU() Module { return leakyReLU{ReLU, 0} }

// NewLeakyReLU is torch.nn.LeakyReLU.
func NewLeakyReLU(slope float64) Module {
	return leakyReLU{func(x torch.Tensor) torch.Tensor { return LeakyReLU(x, slope) }, slope}
}

// NewTanh is torch.nn.Tanh.
func NewTanh() Module { return rowwise{Tanh} }

// NewSigmoid is torch.nn.Sigmoid.
func NewSigmoid() Module { return rowwise{Sigmoid} }

// NewFlatten is torch.nn.Flatten: N×... to N×elements.
func NewFlatten() Module {
	return rowwise{func(x torch.Tensor) torch.Tensor { return Flatten(x, 1, -1) }}
}

// NewFlattenAll is torch.nn.Flatten(0): one dimension of all elements.
func NewFlattenAll() Module {
	return function(func(x torch.Tensor) torch.Tensor { return Flatten(x, 0, -1) })
}

// NewUnflatten is torch.nn.Unflatten: N×(c·h·w) to N×c×h×w.
func NewUnflatten(c, h, w int64) Module {
	return function(func(x torch.Tensor) torch.Tensor {
		shape := Shape(x)
		if len(shape) != 2 || shape[1] != c*h*w {
			fail("unflatten", []torch.Tensor{x}, "expected a shape of [N %d], for %d x %d x %d", c*h*w, c, h, w)
		}
		return Reshape(x, shape[0], c, h, w)
	})
}

// NewMaxPool2d is torch.nn.MaxPool2d with the kernel as its stride.
func NewMaxPool2d(kernel int64) Module {
	return maxPool{func(x torch.Tensor) torch.Tensor { return MaxPool2d(x, kernel) }, kernel}
}

type maxPool struct {
	function
	kernel int64
}

// NewAvgPool2d is torch.nn.AvgPool2d with the kernel as its stride.
func NewAvgPool2d(kernel int64) Module {
	return avgPool{func(x torch.Tensor) torch.Tensor { return AvgPool2d(x, kernel) }, kernel}
}

type avgPool struct {
	function
	kernel int64
}

// NewGlobalAvgPool2d is torch.nn.AdaptiveAvgPool2d(1): N×C×H×W to the means N×C×1×1.
func NewGlobalAvgPool2d() Module {
	return function(func(x torch.Tensor) torch.Tensor { return MeanKeep(x, -2, -1) })
}

// NewUpsample is torch.nn.Upsample with mode "nearest".
func NewUpsample(factor int64) Module {
	return upsample{func(x torch.Tensor) torch.Tensor { return UpsampleNearest(x, factor) }, factor}
}

type upsample struct {
	function
	factor int64
}

type dropout struct {
	p        float64
	training bool
}

// NewDropout is torch.nn.Dropout.
func NewDropout(p float64) Module { return &dropout{p, true} }

func (d *dropout) Forward(x torch.Tensor) torch.Tensor { return Dropout(x, d.p, d.training) }
func (*dropout) State() []Entry                        { return nil }
func (d *dropout) Train(on bool)                       { d.training = on }
