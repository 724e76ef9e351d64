package trainer

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
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
	names := map[string]bool{"optimizers": true} // the file of that name holds the optimisers' state
	for _, n := range t.networks {
		checkName("network", n.Name, names, &errs)
		if n.Module == nil {
			wrong("network %s has no module", n.Name)
		}
	}
	averaged := false
	for _, n := range t.networks {
		if t.averages(n) {
			averaged = true
			checkName("averages'", n.Name+averageSuffix, names, &errs)
		}
	}
	if t.EMA > 0 && !averaged {
		wrong("ema is %g, expected 0: the model marks no network that it updates as one to average", t.EMA)
	}
	names = map[string]bool{}
	for _, p := range t.phases {
		checkName("phase", p.Name, names, &errs)
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

var validName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}$`)

// checkName wants a name that can be that of a file, also where A and a are the same.
func checkName(kind, name string, taken map[string]bool, errs *[]error) {
	if !validName.MatchString(name) {
		*errs = append(*errs, fmt.Errorf("%s name %.100q: expected letters, digits, _ - . and no . at the front", kind, name))
	}
	folded := strings.ToLower(name)
	if taken[folded] {
		*errs = append(*errs, fmt.Errorf("%s name %q is taken, expected one of its own for each", kind, name))
	}
	taken[folded] = true
}

// ownPrefixes are what the names of metrics begin with that are not a phase's.
var ownPrefixes = []string{testPrefix, trainPrefix, ratePrefix, timingPrefix}

func (t *Trainer) checkPhase(p *phase) (errs []error) {
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("phase %s: "+format, append([]any{p.Name}, args...)...))
	}
	if slices.Contains(ownPrefixes, p.Name+"/") {
		wrong("its metrics would be called like the trainer's own, expected a name other than those before the slashes in %s", strings.Join(ownPrefixes, " "))
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
