package trainer

import (
	"errors"
	"fmt"
	"math"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// ErrDiverged is wrapped by the error of a loss that is NaN or infinite. The networks have not stepped on it.
var ErrDiverged = errors.New("training diverged")

var errUnfinished = errors.New("an iteration was not finished")

// phase is a Phase with its networks.
type phase struct {
	Phase
	index    int
	networks []*network
	params   []torch.Tensor // of the networks, in order
}

// runPhase runs all repeats of a phase.
func (t *Trainer) runPhase(it *iteration, index int) error {
	p := t.phases[index]
	for repeat := range p.repeats() {
		s := &Step{t: t, it: it, phase: p}
		if it.logged && repeat == p.repeats()-1 {
			s.log = &it.values
		}
		err := try(func() error {
			var err error
			torchx.Scoped(func() { err = t.repeatPhase(s) })
			return err
		})
		if err != nil {
			return fmt.Errorf("phase %s: %w", p.Name, err)
		}
	}
	return nil
}

// repeatPhase is one update: loss, gradients, step.
func (t *Trainer) repeatPhase(s *Step) error {
	p := s.phase
	at := len(s.it.values)
	loss := p.Loss(s)
	if loss.T == nil {
		return errors.New("its Loss returned no tensor")
	}
	if s.log != nil {
		s.record(lossName, loss)
		values := s.it.values // the loss comes first
		last := values[len(values)-1]
		copy(values[at+1:], values[at:])
		values[at] = last
	}
	if s.it.check {
		if v := torchx.Item(loss); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%w: the loss is %g, expected a finite number; a lower learning rate may help", ErrDiverged, v)
		}
	}
	grads := torchx.Gradients(loss, p.params, false)
	for _, n := range p.networks {
		s.clip(n, grads[:n.params])
		n.optimizer.Step(grads[:n.params])
		grads = grads[n.params:]
	}
	s.it.stepped(p.Updates)
	if p.After != nil {
		torchx.NoGrad(p.After)
	}
	return nil
}
