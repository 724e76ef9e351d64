package trainer

import (
	"fmt"
	"slices"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// shared is a value that phases of an iteration share.
type shared struct {
	key      string
	behind   []string
	value    torch.Tensor
	detached torch.Tensor // zero until a phase needs it
}

func (o *shared) free() { torchx.Free(o.value, o.detached) }

// Once returns the value of f, which runs once an iteration, and once for each of its minibatches if gradients are
// accumulated: later calls with the same key, of this and other phases, share it. behind names the networks that f runs.
// A phase that updates none of them gets the value detached, so that its gradients stop there. Once the optimiser of one
// of them has stepped, the value is void and f runs again when asked.
//
// f must return a tensor that it made itself, and call Once with another key only.
func (s *Step) Once(key string, f func() torch.Tensor, behind ...string) torch.Tensor {
	o := s.shard.find(key)
	if o == nil {
		for _, name := range behind {
			if s.t.network(name) == nil {
				fail(fmt.Errorf("the value %q names an unknown network %q, expected %s", key, name, s.t.networkNames()))
			}
		}
		o = &shared{key: key, behind: behind}
		if s.t.wanted(s.phase, behind) {
			o.value = f()
		} else {
			torchx.NoGrad(func() { o.value = f() })
		}
		torchx.KeepAll(o.value)
		s.shard.once = append(s.shard.once, o)
	}
	if intersect(s.phase.Updates, o.behind) {
		return o.value
	}
	if o.detached.T == nil {
		o.detached = torchx.Detach(o.value)
		torchx.KeepAll(o.detached)
	}
	return o.detached
}

// wanted tells whether this phase or a later one asks for gradients of the networks. If none does, none are recorded.
func (t *Trainer) wanted(from *phase, networks []string) bool {
	return slices.ContainsFunc(t.phases[from.index:], func(p *phase) bool { return intersect(p.Updates, networks) })
}

func (sh *shard) find(key string) *shared {
	for _, o := range sh.once {
		if o.key == key {
			return o
		}
	}
	return nil
}

// stepped drops the values that the networks were behind.
func (sh *shard) stepped(networks []string) {
	sh.once = slices.DeleteFunc(sh.once, func(o *shared) bool {
		void := intersect(o.behind, networks)
		if void {
			o.free()
		}
		return void
	})
}

func intersect(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
