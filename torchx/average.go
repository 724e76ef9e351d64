package torchx

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx/safetensors"
)

// Average is the exponential moving average of a module's parameters, with copies of its buffers:
// torch.optim.swa_utils.AveragedModel with avg_fn decay*average + (1-decay)*parameter. It outlives every scope, holds on
// to the parameters until Close, and is no part of the module's state.
type Average struct {
	of, own  []Entry
	toward   *Optimizer
	averaged []int // which entries are: the parameters
	begun    bool
}

// NewAverage makes one that begins with the first Update. The module must be on its device.
func NewAverage(m Module, decay float64) *Average {
	a := &Average{of: m.State()}
	var averages []Entry
	Scoped(func() {
		for i, e := range a.of {
			t := Clone(Detach(e.Tensor))
			KeepAll(t)
			own := Entry{e.Name, t, e.Buffer}
			a.own = append(a.own, own)
			if !e.Buffer {
				a.averaged = append(a.averaged, i)
				averages = append(averages, own)
			}
		}
	})
	a.toward = NewOptimizer(SGD{LR: 1 - decay}, averages)
	return a
}

// Begun tells whether there is an average: Update or LoadState has been called.
func (a *Average) Begun() bool { return a.begun }

// Update moves the average towards what the module holds now. The first one copies.
func (a *Average) Update() {
	Scoped(func() {
		NoGrad(func() {
			for i, e := range a.of {
				if e.Buffer || !a.begun {
					Copy(a.own[i].Tensor, e.Tensor)
				}
			}
			if a.begun {
				// average -= (1-decay) * (average - parameter) is a step of SGD, which is done in place.
				differences := make([]torch.Tensor, len(a.averaged))
				for i, at := range a.averaged {
					differences[i] = Sub(a.own[at].Tensor, a.of[at].Tensor)
				}
				a.toward.Step(differences)
			}
		})
	})
	a.begun = true
}

// Swap exchanges the values of the module and the average: it runs as the average until a second call, which makes
// everything as it was, to the last bit. Nothing is copied. No graph that needs the values may be alive.
func (a *Average) Swap() {
	Scoped(func() {
		for i, e := range a.of {
			values := Detach(e.Tensor)
			SetData(e.Tensor, a.own[i].Tensor)
			SetData(a.own[i].Tensor, values)
		}
	})
}

// State lists the average under the module's names.
func (a *Average) State() []Entry { return a.own }

// LoadState goes on from the StateTensors of an average of the same module. It is as strict as the function of that name.
func (a *Average) LoadState(ts []safetensors.Tensor) error {
	err := LoadState(a, ts)
	a.begun = a.begun || err == nil
	return err
}

// Close lets go of the parameters; a second call does nothing.
func (a *Average) Close() { a.toward.Close() }
