package trainer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
	"github.com/imori-ml/imori/trainer/rundir"
)

// averageSuffix is what a checkpoint adds to a network's name for its averaged weights.
const averageSuffix = "_ema"

func (c Config) checkAverages() (errs []error) {
	if !(c.EMA >= 0 && c.EMA < 1) {
		errs = append(errs, fmt.Errorf("ema is %g, expected at least 0 and below 1, such as 0.999", c.EMA))
	}
	return errs
}

// averages tells whether the run averages the network's weights.
func (t *Trainer) averages(n *network) bool { return t.EMA > 0 && n.Averaged && t.updated(n.Name) }

// updateAverages ends an iteration.
func (t *Trainer) updateAverages() {
	for _, n := range t.networks {
		if n.average != nil {
			n.average.Update()
		}
	}
}

// swapAverages makes the networks run as their averages until the function that it returns is called.
func (t *Trainer) swapAverages() (back func()) {
	var swapped []*torchx.Average
	for _, n := range t.networks {
		if n.average != nil && n.average.Begun() {
			n.average.Swap()
			swapped = append(swapped, n.average)
		}
	}
	return func() {
		for _, a := range swapped {
			a.Swap()
		}
	}
}

// restoreAverages goes on from the checkpoint's averages; without any they begin with the next iteration.
func (t *Trainer) restoreAverages(c *rundir.Checkpoint) error {
	for _, n := range t.networks {
		saved, found := averagesOf(n.Name, c)
		switch {
		case n.average == nil && found:
			t.observer.Warn(fmt.Sprintf("the checkpoint's averages of %s are dropped: the run goes on without (ema is %g)", n.Name, t.EMA))
		case n.average != nil && !found && c.State.Iteration > 0:
			t.observer.Warn(fmt.Sprintf("the checkpoint has no averages of %s: they begin with the next iteration", n.Name))
		case n.average != nil && found:
			if err := n.average.LoadState(saved); err != nil {
				return fmt.Errorf("averages of %s: %w", n.Name, err)
			}
		}
	}
	return nil
}

// averagesOf finds the averages of a network in a checkpoint.
func averagesOf(network string, c *rundir.Checkpoint) ([]safetensors.Tensor, bool) {
	i := slices.IndexFunc(c.Networks, func(n rundir.NamedTensors) bool { return n.Name == network+averageSuffix })
	if i < 0 {
		return nil, false
	}
	return c.Networks[i].Tensors, true
}

// HasAverages tells whether the checkpoint has averaged weights of any of the model's networks.
func HasAverages(m Model, c *rundir.Checkpoint) bool {
	return slices.ContainsFunc(m.Networks(), func(n Network) bool {
		_, found := averagesOf(n.Name, c)
		return found
	})
}

// LoadWeights copies a checkpoint's weights into the networks of a model, which must be those that it was saved from.
// After an error some networks may have changed.
func LoadWeights(m Model, c *rundir.Checkpoint) error {
	saved := map[string][]safetensors.Tensor{}
	var names []string
	for _, n := range c.Networks {
		saved[n.Name] = n.Tensors
		names = append(names, n.Name)
	}
	networks := m.Networks()
	has := func(name string) bool {
		return slices.ContainsFunc(networks, func(n Network) bool { return n.Name == name })
	}
	for _, n := range networks {
		if !slices.Contains(names, n.Name) {
			return fmt.Errorf("network %s is not in the checkpoint, which has %s", n.Name, strings.Join(names, ", "))
		}
	}
	for _, name := range names {
		if of, isAverage := strings.CutSuffix(name, averageSuffix); !has(name) && !(isAverage && has(of)) {
			return fmt.Errorf("the checkpoint has a network %s that the model lacks", name)
		}
	}
	for _, n := range networks {
		if err := torchx.LoadState(n.Module, saved[n.Name]); err != nil {
			return fmt.Errorf("network %s: %w", n.Name, err)
		}
	}
	return nil
}

// LoadAverages is LoadWeights but for the networks whose averaged weights the checkpoint has too, as of a run with
// Config.EMA: these get the averages, with which the run's previews were drawn.
func LoadAverages(m Model, c *rundir.Checkpoint) error {
	if err := LoadWeights(m, c); err != nil {
		return err
	}
	for _, n := range m.Networks() {
		if averages, found := averagesOf(n.Name, c); found {
			if err := torchx.LoadState(n.Module, averages); err != nil {
				return fmt.Errorf("averages of %s: %w", n.Name, err)
			}
		}
	}
	return nil
}
