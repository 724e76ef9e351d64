package trainer

import (
	"fmt"
	"math"
	"slices"
	"strings"
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

// health follows the figures of health through a run.
//
// It watches for collapse alone, see collapseWatch. That the discriminator is right about nearly every image is no
// warning: with spectral normalisation it is in healthy runs, too, for a thousand iterations and more, while the generator
// goes on learning from how far it is right. Where a discriminator has won for good, the images soon become one.
type health struct {
	figures  []Metric                  // of the newest logged iteration
	collapse map[string]*collapseWatch // by metric
}

// see takes what is logged of an iteration. It returns a warning for each collapse that shows now.
func (h *health) see(iteration int, metrics []Metric) (warnings []string) {
	if figures := slices.DeleteFunc(slices.Clone(metrics), func(m Metric) bool { return !IsHealth(m.Name) }); len(figures) > 0 {
		h.figures = figures
	}
	for _, m := range metrics {
		if w := h.watch(iteration, m); w != nil {
			warnings = append(warnings, fmt.Sprintf("iteration %d: the generator seems to collapse: its images vary %.2g times as much as the data "+
				"(%s, mean of the last %d figures), after %.2g at best; look at the pictures: if they are all alike, start again "+
				"with lower learning rates, spectral_norm if the model has it, or another seed",
				iteration, w.recent, m.Name, len(w.window), w.best))
		}
	}
	return warnings
}

// watch shows a metric to its collapseWatch, which it returns if a collapse shows now.
func (h *health) watch(iteration int, m Metric) *collapseWatch {
	if _, name, _ := strings.Cut(m.Name, "/"); name != Diversity {
		return nil
	}
	w := h.collapse[m.Name]
	if w == nil {
		w = &collapseWatch{}
		if h.collapse == nil {
			h.collapse = map[string]*collapseWatch{}
		}
		h.collapse[m.Name] = w
	}
	if !w.add(iteration, m.Value) {
		return nil
	}
	return w
}

// recall takes a line of the log of a run that goes on. What it warned of then is no news.
func (h *health) recall(iteration int, figures map[string]float64) {
	for name, v := range figures {
		h.watch(iteration, Metric{name, v})
	}
}

const (
	collapseWindow  = 500  // iterations that are averaged,
	collapseFigures = 5    // and figures at least
	collapseFall    = 0.5  // of the best that was reached: less is a collapse
	collapseRisen   = 0.2  // below this nothing was reached that could be lost
	collapseStart   = 2000 // iterations after which a generator should have begun to vary,
	collapseFlat    = 0.1  // more than this
	collapseHealed  = 0.75 // of the best: the collapse is over
)

// collapseWatch tells from the diversity of generated images (see losses.Diversity) that a generator collapses: it makes
// the same image, or a few, of all latents. An untrained generator does that, too, and a slow one for many iterations, so
// that a low figure alone says nothing. Let "recent" be the mean over the last 500 iterations, or over the last 5 figures
// where they are fewer, and "best" the highest that recent was, but at most 1. Then there is a collapse
//
//   - when recent falls below half of best, which was at least 0.2, or
//   - when recent is below 0.1 from iteration 2000 on: it never rose, or has fallen to nothing.
//
// It is over when recent is back at 3/4 of best and at 0.2 at least; only then can there be another. Nothing is said
// before recent is of a whole window. The rule is a function of the logged figures and their iterations alone.
type collapseWatch struct {
	window       []diversityAt
	recent, best float64
	collapsed    bool
}

type diversityAt struct {
	iteration int
	value     float64
}

// add takes the next figure, and tells whether a collapse shows with it.
func (w *collapseWatch) add(iteration int, diversity float64) bool {
	if math.IsNaN(diversity) || math.IsInf(diversity, 0) {
		return false
	}
	w.window = append(w.window, diversityAt{iteration, diversity})
	for len(w.window) > collapseFigures && w.window[0].iteration <= iteration-collapseWindow {
		w.window = w.window[1:]
	}
	if len(w.window) < collapseFigures || iteration < collapseWindow {
		return false
	}
	w.recent = 0
	for _, d := range w.window {
		w.recent += d.value / float64(len(w.window))
	}
	w.best = max(w.best, min(w.recent, 1))
	fallen := w.best >= collapseRisen && w.recent < collapseFall*w.best
	flat := iteration >= collapseStart && w.recent < collapseFlat
	switch {
	case !w.collapsed && (fallen || flat):
		w.collapsed = true
		return true
	case w.recent >= collapseHealed*w.best && w.recent >= collapseRisen:
		w.collapsed = false
	}
	return false
}
