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
	grads, err := t.gradients(s)
	if err != nil {
		return err
	}
	for _, n := range p.networks {
		if err := s.clip(n, grads[:n.params]); err != nil {
			return err
		}
		n.optimizer.Step(grads[:n.params])
		grads = grads[n.params:]
	}
	for _, sh := range s.it.shards {
		sh.stepped(p.Updates)
	}
	if p.After != nil {
		torchx.NoGrad(p.After)
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
	p := s.phase
	at := len(s.it.values)
	loss := p.Loss(s)
	if loss.T == nil {
		return nil, errors.New("its Loss returned no tensor")
	}
	if s.log != nil {
		s.record(lossName, loss)
		values := s.it.values // the loss comes first
		last := values[len(values)-1]
		copy(values[at+1:], values[at:])
		values[at] = last
	}
	if err := s.checkLoss(loss); err != nil {
		return nil, err
	}
	if n := len(s.it.shards); n > 1 {
		loss = torchx.MulScalar(loss, 1/float64(n))
	}
	return torchx.Gradients(loss, p.params, false), nil
}
