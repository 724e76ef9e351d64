package torchx

// #include "imori.h"
import "C"

import (
	"fmt"
	"slices"
	"unsafe"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// OptimizerOptions are the settings of one kind of optimiser: SGD, Adam, AdamW or RMSprop, or a pointer to one. Start from
// NewOptimizerOptions: a zero is a zero, not a default.
type OptimizerOptions interface {
	TypeName() string // "adam"
	native() nativeOptions
}

// nativeOptions is what C needs to know of an optimiser.
type nativeOptions struct {
	kind    C.int32_t
	options C.ix_optimizer_options
	slots   []string // PyTorch's names of the state, "" for those that these options do not use
	counts  bool     // the state has a step
}

// SGD is stochastic gradient descent, torch.optim.SGD.
type SGD struct {
	LR          float64 `yaml:"lr" check:"min=0" doc:"learning rate"`
	Momentum    float64 `yaml:"momentum" check:"min=0" doc:"share of the previous step that goes on"`
	Dampening   float64 `yaml:"dampening" doc:"share of the gradient kept out of the momentum"`
	WeightDecay float64 `yaml:"weight_decay" check:"min=0" doc:"L2 penalty"`
	Nesterov    bool    `yaml:"nesterov" doc:"Nesterov's momentum; needs momentum and no dampening"`
}

// Validate wants of Nesterov's momentum what torch.optim.SGD does.
func (o SGD) Validate() error {
	if o.Nesterov && (o.Momentum <= 0 || o.Dampening != 0) {
		return fmt.Errorf("nesterov is true with momentum %g and dampening %g, expected a momentum above 0 and no dampening", o.Momentum, o.Dampening)
	}
	return nil
}

// Adam is torch.optim.Adam (Kingma and Ba 2015).
type Adam struct {
	LR          float64    `yaml:"lr" check:"min=0" doc:"learning rate"`
	Betas       [2]float64 `yaml:"betas" check:"min=0,lt=1" doc:"decay of the averages of the gradient and of its square"`
	Eps         float64    `yaml:"eps" check:"min=0" doc:"added to the divisor"`
	WeightDecay float64    `yaml:"weight_decay" check:"min=0" doc:"L2 penalty"`
}

// AdamW is torch.optim.AdamW (Loshchilov and Hutter 2019).
type AdamW struct {
	LR          float64    `yaml:"lr" check:"min=0" doc:"learning rate"`
	Betas       [2]float64 `yaml:"betas" check:"min=0,lt=1" doc:"decay of the averages of the gradient and of its square"`
	Eps         float64    `yaml:"eps" check:"min=0" doc:"added to the divisor"`
	WeightDecay float64    `yaml:"weight_decay" check:"min=0" doc:"decay of the weights, apart from the gradient"`
}

// RMSprop is torch.optim.RMSprop (Hinton's lecture, 2012).
type RMSprop struct {
	LR          float64 `yaml:"lr" check:"min=0" doc:"learning rate"`
	Alpha       float64 `yaml:"alpha" check:"min=0" doc:"decay of the average of the squared gradient"`
	Eps         float64 `yaml:"eps" check:"min=0" doc:"added to the divisor"`
	WeightDecay float64 `yaml:"weight_decay" check:"min=0" doc:"L2 penalty"`
	Momentum    float64 `yaml:"momentum" check:"min=0" doc:"share of the previous step that goes on"`
	Centered    bool    `yaml:"centered" doc:"divide by the gradient's standard deviation"`
}

// TypeName is "sgd".
func (SGD) TypeName() string { return "sgd" }

// TypeName is "adam".
func (Adam) TypeName() string { return "adam" }

// TypeName is "adamw".
func (AdamW) TypeName() string { return "adamw" }

// TypeName is "rmsprop".
func (RMSprop) TypeName() string { return "rmsprop" }

// when is name if it is used.
func when(used bool, name string) string {
	if used {
		return name
	}
	return ""
}

func (o SGD) native() nativeOptions {
	return nativeOptions{C.IX_SGD, C.ix_optimizer_options{
		lr: C.double(o.LR), momentum: C.double(o.Momentum), dampening: C.double(o.Dampening),
		weight_decay: C.double(o.WeightDecay), nesterov: flag(o.Nesterov),
	}, []string{when(o.Momentum != 0, "momentum_buffer")}, false}
}

func (o Adam) native() nativeOptions {
	return nativeOptions{C.IX_ADAM, C.ix_optimizer_options{
		lr: C.double(o.LR), beta1: C.double(o.Betas[0]), beta2: C.double(o.Betas[1]), eps: C.double(o.Eps),
		weight_decay: C.double(o.WeightDecay),
	}, []string{"exp_avg", "exp_avg_sq"}, true}
}

func (o AdamW) native() nativeOptions {
	n := Adam(o).native()
	n.kind = C.IX_ADAMW
	return n
}

func (o RMSprop) native() nativeOptions {
	return nativeOptions{C.IX_RMSPROP, C.ix_optimizer_options{
		lr: C.double(o.LR), alpha: C.double(o.Alpha), eps: C.double(o.Eps), weight_decay: C.double(o.WeightDecay),
		momentum: C.double(o.Momentum), centered: flag(o.Centered),
	}, []string{"square_avg", when(o.Momentum > 0, "momentum_buffer"), when(o.Centered, "grad_avg")}, true}
}

// OptimizerTypes lists the kinds of optimisers, sorted.
func OptimizerTypes() []string { return []string{"adam", "adamw", "rmsprop", "sgd"} }

// NewOptimizerOptions returns a pointer to the options of a kind, holding PyTorch's defaults.
func NewOptimizerOptions(name string) (OptimizerOptions, bool) {
	betas := [2]float64{0.9, 0.999}
	switch name {
	case "adam":
		return &Adam{LR: 1e-3, Betas: betas, Eps: 1e-8}, true
	case "adamw":
		return &AdamW{LR: 1e-3, Betas: betas, Eps: 1e-8, WeightDecay: 1e-2}, true
	case "rmsprop":
		return &RMSprop{LR: 1e-2, Alpha: 0.99, Eps: 1e-8}, true
	case "sgd":
		return &SGD{LR: 1e-3}, true
	}
	return nil, false
}

// Optimizer steps parameters. It holds on to them until Close.
type Optimizer struct {
	id     C.uint64_t
	closed bool
	lr     float64
	native nativeOptions
	params []Entry
}

// NewOptimizer makes an optimiser of params, whose names, all different, name its state too.
func NewOptimizer(o OptimizerOptions, params []Entry) *Optimizer {
	const op = "new optimizer"
	var ts []torch.Tensor
	names := map[string]bool{}
	for _, p := range params {
		if names[p.Name] {
			fail(op, nil, "two parameters are called %q", p.Name)
		}
		names[p.Name] = true
		ts = append(ts, p.Tensor)
	}
	n := o.native()
	opt := &Optimizer{lr: float64(n.options.lr), native: n, params: slices.Clone(params)}
	hs := handles(op, ts)
	check(op, C.ix_optimizer_new(n.kind, n.options, unsafe.SliceData(hs), C.int64_t(len(hs)), &opt.id), ts...)
	return opt
}

func (o *Optimizer) open(op string) C.uint64_t {
	if o.closed {
		fail(op, nil, "the optimiser is closed")
	}
	return o.id
}

// Step moves the parameters along their gradients, one each, in the order of NewOptimizer, as Gradients returns them.
// A parameter whose gradient is the zero Tensor stays as it is, and its state too.
func (o *Optimizer) Step(grads []torch.Tensor) {
	const op = "optimizer step"
	if len(grads) != len(o.params) {
		fail(op, grads, "there are %d gradients for %d parameters", len(grads), len(o.params))
	}
	hs := make([]C.ix_tensor, len(grads))
	for i, g := range grads {
		hs[i] = optional(g)
	}
	check(op, C.ix_optimizer_step(o.open(op), unsafe.SliceData(hs), C.int64_t(len(hs))), grads...)
}

// Minimize is a step of the optimisers along the gradients of a loss of one element: that of Gradients, for all their
// parameters, and Step, to the last bit, but faster. Adam, AdamW and RMSprop use up piece by piece, as it is made, a gradient
// that is one product of matrices with fewer numbers in them, as a linear layer's weight has it: it takes no memory. The
// loss's graph is gone afterwards.
func Minimize(loss torch.Tensor, optimizers ...*Optimizer) {
	const op = "minimize"
	if len(optimizers) == 0 {
		return // libtorch refuses
	}
	ids := make([]C.uint64_t, len(optimizers))
	for i, o := range optimizers {
		ids[i] = o.open(op)
	}
	check(op, C.ix_minimize(handle(op, loss), unsafe.SliceData(ids), C.int64_t(len(ids))), loss)
}

// LR returns the learning rate.
func (o *Optimizer) LR() float64 { return o.lr }

// SetLR changes the learning rate for the next steps.
func (o *Optimizer) SetLR(lr float64) {
	check("set lr", C.ix_optimizer_set_lr(o.open("set lr"), C.double(lr)))
	o.lr = lr
}

// State returns copies of the averages that the optimiser keeps: "<parameter>.exp_avg" and the like, PyTorch's names, and
// "<parameter>.step", an int64 scalar (but for SGD, which does not count). A parameter that has not been stepped has none.
// The options, the learning rate among them, are not part of it.
func (o *Optimizer) State() []safetensors.Tensor {
	var ts []safetensors.Tensor
	o.EachState(func(name string, t torch.Tensor) { ts = append(ts, export(name, t)) })
	return ts
}

// EachState calls f, in a scope, with all that State copies.
func (o *Optimizer) EachState(f func(name string, t torch.Tensor)) {
	const op = "optimizer state"
	Scoped(func() {
		for i, p := range o.params {
			var steps C.int64_t
			var hs [3]C.ix_tensor
			check(op, C.ix_optimizer_state(o.open(op), C.int64_t(i), &steps, &hs[0]))
			for j, h := range hs {
				if h == nil {
					continue
				}
				t := own(h)
				if j < len(o.native.slots) && o.native.slots[j] != "" {
					f(p.Name+"."+o.native.slots[j], t)
				}
			}
			if o.native.counts && steps > 0 {
				f(p.Name+".step", FromInt64([]int64{int64(steps)}))
			}
		}
	})
}

// LoadState goes on from a State of an optimiser of the same kind and parameters. It is strict: names that are missing or
// unexpected, other shapes and wrong dtypes are errors, listed all at once, and then nothing has changed.
func (o *Optimizer) LoadState(ts []safetensors.Tensor) error {
	present := map[string]bool{}
	for _, t := range ts {
		present[t.Name] = true
	}
	return Try(func() {
		const op = "load optimizer state"
		slots := o.stateSlots(present)
		found := match(op, slots, ts)
		Scoped(func() {
			loaded := map[string]torch.Tensor{}
			for i, s := range slots {
				loaded[s.name] = load(*found[i])
			}
			for _, p := range o.params {
				t, ok := loaded[p.Name+".step"]
				if !ok {
					continue
				}
				if n := Item(t); n < 1 || n > mostSteps {
					fail(op, nil, "%s.step is %g, expected 1 to %d", p.Name, n, int64(mostSteps))
				}
			}
			for i, p := range o.params {
				var steps C.int64_t
				if t, ok := loaded[p.Name+".step"]; ok {
					steps = C.int64_t(Int64s(t)[0])
				}
				var hs [3]C.ix_tensor
				for j, name := range o.native.slots {
					hs[j] = optional(loaded[p.Name+"."+name])
				}
				check(op, C.ix_optimizer_load(o.open(op), C.int64_t(i), steps, &hs[0]))
			}
		})
	})
}

// mostSteps is more than anybody takes: one more does not overflow.
const mostSteps = 1 << 53

// stateSlots lists the state to load: all of a parameter's if any of it is present.
func (o *Optimizer) stateSlots(present map[string]bool) []slot {
	var slots []slot
	for _, p := range o.params {
		var own []slot
		for _, name := range o.native.slots {
			if name != "" {
				own = append(own, slot{p.Name + "." + name, Shape(p.Tensor), true})
			}
		}
		if o.native.counts {
			own = append(own, slot{p.Name + ".step", nil, false})
		}
		if slices.ContainsFunc(own, func(s slot) bool { return present[s.name] }) {
			slots = append(slots, own...)
		}
	}
	return slots
}

// Close lets go of the parameters and the state; a second call does nothing.
func (o *Optimizer) Close() {
	if !o.closed {
		C.ix_optimizer_free(o.id)
		o.closed = true
	}
}
