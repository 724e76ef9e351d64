package trainer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// checkModel reports all that does not fit together in what the model and the options say.
func (t *Trainer) checkModel() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(t.networks) == 0 {
		wrong("the model has no networks, expected at least one")
	}
	if len(t.phases) == 0 {
		wrong("the model has no phases, expected at least one")
	}
	names := map[string]bool{}
	for _, n := range t.networks {
		if n.Name == "" || names[n.Name] {
			wrong("the network name %q is empty or there twice, expected one of its own for each", n.Name)
		}
		names[n.Name] = true
		if n.Module == nil {
			wrong("network %s has no module", n.Name)
		}
	}
	names = map[string]bool{}
	for _, p := range t.phases {
		if p.Name == "" || names[p.Name] {
			wrong("the phase name %q is empty or there twice, expected one of its own for each", p.Name)
		}
		names[p.Name] = true
		errs = append(errs, t.checkPhase(p)...)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Optimizers)) {
		if t.network(name) == nil {
			wrong("there is an optimiser for the unknown network %q, expected %s", name, t.networkNames())
		}
	}
	for _, n := range t.networks {
		if t.updated(n.Name) && t.Optimizers[n.Name] == nil {
			wrong("network %s has no optimiser, expected one for each network that a phase updates", n.Name)
		}
	}
	return errors.Join(errs...)
}

func (t *Trainer) checkPhase(p *phase) (errs []error) {
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("phase %s: "+format, append([]any{p.Name}, args...)...))
	}
	if p.Loss == nil {
		wrong("it has no Loss")
	}
	if p.Repeat < 0 {
		wrong("Repeat is %d, expected 0 or more", p.Repeat)
	}
	if len(p.Updates) == 0 {
		wrong("it updates no network, expected at least one")
	}
	for i, name := range p.Updates {
		if t.network(name) == nil {
			wrong("it updates the unknown network %q, expected %s", name, t.networkNames())
		}
		if slices.Contains(p.Updates[:i], name) {
			wrong("it updates network %s twice", name)
		}
	}
	return errs
}
