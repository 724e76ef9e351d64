package trainer

import (
	"errors"
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

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
		s := &Step{t: t, it: it, phase: p, repeat: repeat + 1}
		if it.logged && repeat == p.repeats()-1 {
			s.log = &it.values
		}
		err := t.try(forBatches, func() error {
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

// repeatPhase is one update: loss and gradients of every shard, step.
func (t *Trainer) repeatPhase(s *Step) error {
	p := s.phase
	update := t.stepAlong
	if len(s.it.shards) == 1 && !s.needsGradients() {
		update = t.minimize
	}
	if err := update(s); err != nil {
		return err
	}
	for _, sh := range s.it.shards {
		sh.stepped(p.Updates)
	}
	if p.After != nil {
		torchx.NoGrad(p.After)
	}
	return nil
}

// minimize is stepAlong where nobody looks at the gradients.
func (t *Trainer) minimize(s *Step) error {
	s.shard = s.it.shards[0]
	loss, err := t.shardLoss(s)
	if err != nil {
		return err
	}
	var optimizers []*torchx.Optimizer
	for _, n := range s.phase.networks {
		optimizers = append(optimizers, n.optimizer)
	}
	torchx.Minimize(loss, optimizers...)
	return nil
}

// stepAlong steps along the gradients, clipped.
func (t *Trainer) stepAlong(s *Step) error {
	grads, err := t.gradients(s)
	if err != nil {
		return err
	}
	for _, n := range s.phase.networks {
		if err := s.clip(n, grads[:n.params]); err != nil {
			return err
		}
		n.optimizer.Step(grads[:n.params])
		grads = grads[n.params:]
	}
	return nil
}

// gradients averages those of the shards.
func (t *Trainer) gradients(s *Step) (sum []torch.Tensor, err error) {
	shards := s.it.shards
	if len(shards) == 1 {
		s.shard = shards[0]
		return t.shardGradients(s)
	}
	for _, sh := range shards {
		s.shard, s.batch = sh, nil
		torchx.Scoped(func() { // a shard's graph goes before the next one's comes
			var grads []torch.Tensor
			if grads, err = t.shardGradients(s); err == nil {
				sum = addGradients(sum, grads)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return sum, nil
}

// addGradients adds a shard's gradients to the sum, which is in the enclosing scope; nil is no sum yet. Either may lack
// the gradients of some parameters.
func addGradients(sum, grads []torch.Tensor) []torch.Tensor {
	if sum == nil {
		sum = make([]torch.Tensor, len(grads))
	}
	for i, g := range grads {
		if g.T == nil {
			continue
		}
		if old := sum[i]; old.T != nil {
			g = torchx.Add(old, g)
			torchx.Free(old)
		}
		sum[i] = torchx.Keep(g)
	}
	return sum
}

// shardGradients are a shard's, as parts of the average.
func (t *Trainer) shardGradients(s *Step) ([]torch.Tensor, error) {
	loss, err := t.shardLoss(s)
	if err != nil {
		return nil, err
	}
	return torchx.Gradients(loss, s.phase.params, false), nil
}

// shardLoss is a shard's, as a part of the average.
func (t *Trainer) shardLoss(s *Step) (torch.Tensor, error) {
	at := len(s.it.values)
	loss := t.loss(s)
	if loss.T == nil {
		return loss, errors.New("its Loss returned no tensor")
	}
	if s.log != nil {
		s.record(lossName, loss)
		values := s.it.values // the loss comes first
		last := values[len(values)-1]
		copy(values[at+1:], values[at:])
		values[at] = last
	}
	if err := s.checkLoss(loss); err != nil {
		return loss, err
	}
	if n := len(s.it.shards); n > 1 {
		loss = torchx.MulScalar(loss, 1/float64(n))
	}
	return loss, nil
}
