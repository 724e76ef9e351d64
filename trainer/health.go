package trainer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/imori-ml/imori/trainer/rundir"
)

// The names of the figures by which the health of training is seen. GradNorm is logged of every network that a phase
// updates; the others are for models of two networks that play against each other to report with Step.Observe.
const (
	GradNorm          = "grad_norm"          // the norm of the gradients, before clipping
	Diversity         = "diversity"          // how much generated images vary, in units of how much real ones do
	AccuracyReal      = "accuracy_real"      // the share of real images that the discriminator takes for real
	AccuracyGenerated = "accuracy_generated" // the share of generated images that it takes for generated
)

// IsHealth tells the figures by which the health of training is seen from the other metrics: those that are called so in
// any phase, and the norms of gradients. They say little about how good the results are.
func IsHealth(metric string) bool {
	_, name, _ := strings.Cut(metric, "/")
	switch name {
	case Diversity, AccuracyReal, AccuracyGenerated:
		return true
	}
	return strings.HasPrefix(name, GradNorm)
}

// health follows these figures through a run. Its warnings are a function of what is logged alone.
type health struct {
	figures  []Metric                  // of the newest logged iteration
	collapse map[string]*collapseWatch // by phase
	won      map[string]*wonWatch      // by phase
}

// see takes what is logged of an iteration. It returns a warning for each thing that shows now to go wrong.
func (h *health) see(iteration int, metrics []Metric) (warnings []string) {
	var figures []Metric
	values := map[string]float64{}
	for _, m := range metrics {
		if IsHealth(m.Name) {
			figures = append(figures, m)
			values[m.Name] = m.Value
		}
	}
	if len(figures) == 0 {
		return nil // a picture's line
	}
	h.figures = figures
	for _, m := range figures {
		switch phase, name, _ := strings.Cut(m.Name, "/"); name {
		case Diversity:
			if w := watchOf(&h.collapse, phase); w.add(iteration, m.Value) {
				warnings = append(warnings, fmt.Sprintf("iteration %d: the generator seems to collapse: its images differ %.2f times as much as the data's "+
					"(%s, mean of the last %d figures; the best was %.2f); look at the pictures: if they are alike, %s",
					iteration, w.recent, m.Name, len(w.window), w.best, startAgain))
			}
		case AccuracyReal:
			generated, ok := values[phase+"/"+AccuracyGenerated]
			if w := watchOf(&h.won, phase); ok && w.add(iteration, min(m.Value, generated), h.othersGradient(phase)) {
				warnings = append(warnings, fmt.Sprintf("iteration %d: the %s has won: it is right about all images, and gradients that others "+
					"learn from have vanished (norm %.2g, was %.2g); %s",
					iteration, phase, w.gradient.mean(), w.highest, startAgain))
			}
		}
	}
	return warnings
}

const startAgain = "start again with lower learning rates, spectral_norm if the model has it, or another seed"

// othersGradient is the largest norm of a gradient in the other phases.
func (h *health) othersGradient(phase string) (norm float64) {
	for _, m := range h.figures {
		if other, name, _ := strings.Cut(m.Name, "/"); other != phase && strings.HasPrefix(name, GradNorm) {
			norm = max(norm, m.Value)
		}
	}
	return norm
}

// watchOf finds a phase's watch, or makes it.
func watchOf[W any](watches *map[string]*W, phase string) *W {
	if *watches == nil {
		*watches = map[string]*W{}
	}
	if (*watches)[phase] == nil {
		(*watches)[phase] = new(W)
	}
	return (*watches)[phase]
}

// recallHealth lets a run that goes on be watched, and be diagnosed, as if it had not been interrupted. It does not fail for
// that.
func (t *Trainer) recallHealth() {
	logged, err := rundir.ReadRunMetrics(t.Dir)
	if err != nil {
		t.observer.Warn(fmt.Sprintf("the health of training is watched from here on, not from the beginning: %v", err))
	}
	lines := map[int][]Metric{}
	for _, series := range logged {
		for _, p := range series.Points {
			lines[p.Iteration] = append(lines[p.Iteration], Metric{series.Name, p.Value})
		}
	}
	for _, iteration := range slices.Sorted(maps.Keys(lines)) {
		t.health.see(iteration, lines[iteration]) // what it warned of then is no news
		losses := slices.DeleteFunc(lines[iteration], func(m Metric) bool { return IsMeasured(m.Name) })
		if len(losses) > 0 {
			t.newest = lastLogged{iteration, byName(losses)}
		}
	}
}
