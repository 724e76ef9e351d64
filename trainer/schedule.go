package trainer

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// schedules are the values of Config.Schedule.
var schedules = []string{"constant", "linear", "cosine"}

// lrFactor is what every network's learning rate is multiplied by in an iteration, the first of which is 1: a function of
// the number alone, so that a resumed run needs no other state. It follows torch.optim.lr_scheduler with a step after
// each iteration: LinearLR up to warmup, and then LinearLR or CosineAnnealingLR.
func lrFactor(c Config, iteration int) float64 {
	if iteration < c.Warmup {
		return float64(iteration) / float64(c.Warmup)
	}
	done, from, until := iteration-1, c.decayFrom(), c.decayUntil()
	if !c.decays() || done <= from {
		return 1
	}
	share := 1.0
	if done < until {
		share = float64(done-from) / float64(until-from)
	}
	if c.Schedule == "cosine" {
		share = (1 - math.Cos(math.Pi*share)) / 2
	}
	return 1 + (c.FinalLR-1)*share
}

func (c Config) decays() bool { return c.Schedule != "constant" }

// scheduled tells whether learning rates change at all.
func (c Config) scheduled() bool { return c.decays() || c.Warmup > 0 }

func (c Config) decayFrom() int {
	if c.DecayFrom > 0 {
		return c.DecayFrom
	}
	return c.Warmup
}

func (c Config) decayUntil() int {
	if c.DecayUntil > 0 {
		return c.DecayUntil
	}
	return c.Iterations
}

// checkSchedule reports what does not fit together. That a run ends before its decay begins is no error: it is a short one
// of a recipe for longer ones.
func (c Config) checkSchedule() (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !slices.Contains(schedules, c.Schedule) {
		wrong("schedule is %q, expected %s", c.Schedule, strings.Join(schedules, ", "))
		return errs
	}
	if !(c.FinalLR >= 0 && c.FinalLR <= 1) {
		wrong("final_lr is %g, expected 0 to 1, a factor", c.FinalLR)
	}
	if !c.decays() {
		if c.DecayFrom != 0 || c.DecayUntil != 0 || c.FinalLR != 0 {
			wrong("decay_from is %d, decay_until %d and final_lr %g, expected 0 each with a constant schedule: there is no decay",
				c.DecayFrom, c.DecayUntil, c.FinalLR)
		}
		return errs
	}
	if c.DecayFrom > 0 && c.DecayFrom < c.Warmup {
		wrong("decay_from is %d, expected at least warmup, %d, or 0 for that", c.DecayFrom, c.Warmup)
	}
	if c.DecayUntil > 0 && c.DecayUntil <= c.decayFrom() {
		wrong("decay_until is %d, expected more than %d, after which the decay begins, or 0 for the last iteration", c.DecayUntil, c.decayFrom())
	}
	return errs
}

// setLearningRates makes the optimisers step at an iteration's rates.
func (t *Trainer) setLearningRates(iteration int) {
	if !t.scheduled() {
		return
	}
	factor := lrFactor(t.Config, iteration)
	for _, n := range t.networks {
		if n.optimizer != nil {
			n.optimizer.SetLR(n.lr * factor)
		}
	}
}

// ratePrefix is what the names of learning rates begin with.
const ratePrefix = "lr/"

// learningRates lists them as metrics, if they change.
func (t *Trainer) learningRates() []Metric {
	if !t.scheduled() {
		return nil
	}
	var rates []Metric
	for _, n := range t.networks {
		if n.optimizer != nil {
			rates = append(rates, Metric{ratePrefix + n.Name, n.optimizer.LR()})
		}
	}
	return rates
}
