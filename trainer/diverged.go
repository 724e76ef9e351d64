package trainer

import (
	"errors"
	"fmt"
	"image"
	"math"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
	"github.com/imori-ml/imori/trainer/rundir"
)

// ErrDiverged is wrapped by the error of a loss that is NaN or infinite, of gradients that are NaN, and of weights and
// optimisers' averages that are either. No checkpoint has such weights, or those that stepped on such a loss.
//
// On the CPU every loss is looked at before the networks step on it. On a GPU that would make it wait, so only those of
// iterations are that are logged or saved; the others are looked at when the iteration is done, where it waits anyway for the
// next minibatch to be copied. Gradients are looked at where their norm is computed, weights and optimisers before they are
// saved. So whatever makes weights NaN shows within one iteration, in the next loss, and before the next checkpoint.
var ErrDiverged = errors.New("training diverged")

// divergence is an ErrDiverged with what is known of it.
type divergence struct {
	reason    string // "the loss is NaN, expected a finite number"
	iteration int
	phase     string // "" for weights
	repeat    int    // from 1
	minibatch int    // of those whose gradients are averaged, from 1
	network   string // whose gradients or weights they are; "" for a loss
	losses    []lossFigure
	metrics   []Metric // that were logged in this iteration so far
	gradients []Metric // norms, by network
	batch     []safetensors.Tensor
	picture   image.Image // of the batch; nil: it cannot be drawn
}

// lossFigure is a loss that was looked at.
type lossFigure struct {
	Phase     string   `json:"phase"`
	Repeat    int      `json:"repeat"`
	Minibatch int      `json:"minibatch"`
	Loss      figure64 `json:"loss"`
}

func (d *divergence) Error() string {
	return fmt.Sprintf("%v: %s; a lower learning rate may help", ErrDiverged, d.reason)
}

func (d *divergence) Unwrap() error { return ErrDiverged }

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// checkLoss looks at a loss before anything steps on it.
func (s *Step) checkLoss(loss torch.Tensor) error {
	if !s.it.check {
		s.it.unread = append(s.it.unread, newUnreadLoss(s, loss))
		return nil
	}
	v := torchx.Item(loss)
	if s.t.dir != nil {
		s.it.losses = append(s.it.losses, lossFigure{s.phase.Name, s.repeat, s.shard.index + 1, figure64(v)})
	}
	if isFinite(v) {
		return nil
	}
	d := s.diverged(wrongLoss(v))
	if s.t.dir != nil {
		d.gradients = s.normsOf(loss)
	}
	return d
}

func wrongLoss(v float64) string { return fmt.Sprintf("the loss is %g, expected a finite number", v) }

// unreadLoss is a loss that is still on its way on a GPU.
type unreadLoss struct {
	phase             string
	fresh             bool // the phase had a minibatch of its own
	repeat, minibatch int
	loss              torch.Tensor
}

func newUnreadLoss(s *Step, loss torch.Tensor) unreadLoss {
	u := unreadLoss{s.phase.Name, s.phase.Fresh, s.repeat, s.shard.index + 1, torchx.Detach(loss)}
	torchx.KeepAll(u.loss)
	return u
}

// checkUnread looks at the losses that checkLoss has not. The minibatch that phases share is still there; that of a Fresh
// phase is gone.
func (it *iteration) checkUnread() error {
	for _, u := range it.unread {
		v := torchx.Item(u.loss)
		it.losses = append(it.losses, lossFigure{u.phase, u.repeat, u.minibatch, figure64(v)})
		if isFinite(v) {
			continue
		}
		d := it.diverged(wrongLoss(v))
		d.phase, d.repeat, d.minibatch = u.phase, u.repeat, u.minibatch
		if b := it.shards[u.minibatch-1].batch; b != nil && !u.fresh {
			d.takeBatch(*b)
		}
		return fmt.Errorf("phase %s: %w", u.phase, d)
	}
	return nil
}

// checkNorm looks at the norm of a network's gradients where there is one. An infinite one is let through: clipping may
// still help, and if it does not the next loss tells.
func (s *Step) checkNorm(n *network, norm torch.Tensor) error {
	if !s.it.check || norm.T == nil || !math.IsNaN(torchx.Item(norm)) {
		return nil
	}
	d := s.diverged(fmt.Sprintf("gradients of %s are NaN, expected finite numbers", n.Name))
	d.network, d.gradients = n.Name, []Metric{{n.Name, math.NaN()}}
	return d
}

// diverged gathers what goes with the iteration's tensors.
func (s *Step) diverged(reason string) *divergence {
	d := s.it.diverged(reason)
	d.phase, d.repeat = s.phase.Name, s.repeat
	if s.shard == nil {
		return d
	}
	d.minibatch = s.shard.index + 1
	if s.t.dir == nil {
		return d
	}
	if b := s.batch; b != nil {
		d.takeBatch(*b)
	} else if b := s.shard.batch; b != nil {
		d.takeBatch(*b)
	}
	return d
}

func (it *iteration) diverged(reason string) *divergence {
	d := &divergence{reason: reason, iteration: it.number, losses: it.losses}
	if metrics, err := it.metrics(); err == nil {
		d.metrics = metrics
	}
	return d
}

// normsOf are those of a loss's gradients, as far as they can be had.
func (s *Step) normsOf(loss torch.Tensor) (norms []Metric) {
	err := torchx.Try(func() {
		grads := torchx.Gradients(loss, s.phase.params, false)
		for _, n := range s.phase.networks {
			if norm := torchx.GradNorm(grads[:n.params]); norm.T != nil {
				norms = append(norms, Metric{n.Name, torchx.Item(norm)})
			}
			grads = grads[n.params:]
		}
	})
	if err != nil {
		return nil // it has no graph, or no memory
	}
	return norms
}

// diagnosisImages is how many of a batch's images the picture shows at most.
const diagnosisImages = 64

// takeBatch copies out what the iteration will free.
func (d *divergence) takeBatch(b Batch) {
	d.batch = torchx.StateTensors(batchState(b))
	var pictures []picture
	for _, e := range batchState(b).State() {
		s := torchx.Shape(e.Tensor)
		if len(s) != 4 || s[1] != 1 && s[1] != 3 {
			continue
		}
		n := min(s[0], diagnosisImages)
		torchx.Scoped(func() {
			values := torchx.Float32s(torchx.Narrow(e.Tensor, 0, 0, n))
			pictures = append(pictures, picture{e.Name, s, rundir.Grid(values, int(n), int(s[1]), int(s[2]), int(s[3]), 0)})
		})
	}
	d.picture = stack(pictures)
}

// batchState names a batch's tensors.
type batchState Batch

func (b batchState) State() (state []torchx.Entry) {
	for _, e := range []torchx.Entry{
		{Name: "images", Tensor: b.Images}, {Name: "targets", Tensor: b.Targets}, {Name: "labels", Tensor: b.Labels},
	} {
		if e.Tensor.T != nil {
			state = append(state, e)
		}
	}
	return state
}

// checkWeights is an ErrDiverged if a network that trains has weights or buffers that are not finite, or its optimiser an
// average: a huge gradient, once, makes that of its square infinite, and the weight never moves again. It looks at every
// value: the norm of weights that are merely huge is infinite as well.
func (t *Trainer) checkWeights() (err error) {
	tensorErr := torchx.Try(func() {
		torchx.NoGrad(func() {
			for _, n := range t.networks {
				if n.optimizer == nil {
					continue
				}
				if reason := n.notFinite(); reason != "" {
					err = &divergence{reason: reason, iteration: t.iteration, network: n.Name}
					return
				}
			}
		})
	})
	return errors.Join(err, tensorErr)
}

// notFinite says which of a network's values are not finite; "" if all are.
func (n *network) notFinite() (found string) {
	for _, e := range n.Module.State() {
		if !allFinite(e.Tensor) {
			return fmt.Sprintf("weights of %s are not finite numbers any more: %s", n.Name, e.Name)
		}
	}
	n.optimizer.EachState(func(name string, average torch.Tensor) {
		if found == "" && !allFinite(average) {
			found = fmt.Sprintf("the optimiser's averages for %s are not finite numbers any more: %s", n.Name, name)
		}
	})
	return found
}

// allFinite tells whether no value of a tensor is NaN or infinite: 0 times such a one is NaN, and so is any sum with it.
func allFinite(t torch.Tensor) (finite bool) {
	torchx.Scoped(func() { finite = isFinite(torchx.Item(torchx.Sum(torchx.MulScalar(t, 0)))) })
	return finite
}
