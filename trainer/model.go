package trainer

import (
	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// Network is a part of a model that is saved, and has an optimiser, by itself.
type Network struct {
	Name     string // letters, digits, _ - .: it names the file of the weights
	Module   torchx.Module
	Averaged bool // what generates: with Config.EMA its weights are averaged, and previews run the averages
}

// A Model owns its networks and says what one training iteration does.
type Model interface {
	Networks() []Network      // the same ones, in the same order, at every call
	Phases() []Phase          // the alternating updates of one iteration, in order
	Preview(p *Preview) error // the pictures a person looks at: samples, pairs, class grids
}

// A Phase is one update rule: which networks move, how often, by which loss.
type Phase struct {
	Name    string                     // "critic"; names its metrics, so not train, test, lr or timing
	Updates []string                   // networks stepped; gradients are computed for these alone
	Repeat  int                        // times in an iteration; 0 means 1
	Fresh   bool                       // a new minibatch for every repeat; otherwise the iteration's, shared by its phases
	Loss    func(s *Step) torch.Tensor // a tensor of one element; its graph is used once
	After   func()                     // called after each step, without gradients: weight clipping; may be nil
}

func (p Phase) repeats() int { return max(p.Repeat, 1) }
