package trainer

import "math"

const (
	windowIterations = 500 // that are averaged,
	windowFigures    = 5   // and figures at least
	windowStart      = 500 // iterations that do not count: fresh weights may make anything
)

// window holds the figures of the last 500 iterations, or the last 5 where those are fewer, but none of the first 500
// iterations. The watches look at its mean, which is the same however often a run logs, but for noise.
type window []figure

type figure struct {
	iteration int
	value     float64
}

// add takes the next figure, and tells whether the window is whole: at iteration 1000 at the earliest. Figures that are
// NaN or infinite do not count.
func (w *window) add(iteration int, value float64) bool {
	if iteration <= windowStart || math.IsNaN(value) || math.IsInf(value, 0) {
		return false
	}
	*w = append(*w, figure{iteration, value})
	for len(*w) > windowFigures && (*w)[0].iteration <= iteration-windowIterations {
		*w = (*w)[1:]
	}
	return len(*w) >= windowFigures && iteration >= windowStart+windowIterations
}

func (w window) mean() (mean float64) {
	for _, f := range w {
		mean += f.value / float64(len(w))
	}
	return mean
}

const (
	collapseFlat   = 0.05 // less is a collapse,
	collapseFall   = 0.4  // and less than this part of the best
	collapseRisen  = 0.2  // that was reached, if it was at least this
	collapseHealed = 0.75 // of the best: the collapse is over
)

// collapseWatch tells from the diversity of generated images (see losses.Diversity) that a generator collapses: it makes
// the same image, or a few, of all latents. An untrained generator may do that, too, so that a low figure alone says
// nothing. Let recent be the mean of a whole window, and best the highest that it has been, but at most 1. There is a
// collapse
//
//   - when recent falls below 0.4 of a best of at least 0.2, or
//   - when recent is below 0.05: the images never began to differ, or no longer do.
//
// It is over when recent is back at 3/4 of best, and at 0.2; only then can there be another. In healthy runs of gan and
// cgan on digits and CIFAR-10 recent began at 0.17 or more and stayed above 0.9 of best; of gan on digits without spectral
// normalisation, which ends with a single image, it began at 0.04.
type collapseWatch struct {
	window
	recent, best float64
	collapsed    bool
}

// add takes the next figure, and tells whether a collapse shows with it.
func (w *collapseWatch) add(iteration int, diversity float64) bool {
	if !w.window.add(iteration, diversity) {
		return false
	}
	w.recent = w.mean()
	w.best = max(w.best, min(w.recent, 1))
	fallen := w.best >= collapseRisen && w.recent < collapseFall*w.best
	switch {
	case !w.collapsed && (fallen || w.recent < collapseFlat):
		w.collapsed = true
		return true
	case w.recent >= collapseHealed*w.best && w.recent >= collapseRisen:
		w.collapsed = false
	}
	return false
}

const (
	wonRight    = 0.99 // of images: all but one or two of a hundred
	wonVanished = 1e-3 // of the highest norm
	wonOver     = 100  // times that: it has not won
)

// wonWatch tells that a discriminator has won: the mean of a whole window of the lower of its two accuracies is at least
// 0.99, and that of the norm of the gradients of the phases that learn from it, the largest of them, is a thousandth, or
// less, of the highest mean that there was or of what fresh weights began with. Until the gradients are over a hundred times
// that, there is no other warning. A single spike on the way makes no other gradients small.
//
// The accuracies alone say nothing: with spectral normalisation they are 1 in healthy runs, too, for a thousand iterations
// and more, while the generator goes on learning from how far the discriminator is right.
type wonWatch struct {
	right, gradient window
	highest         float64 // mean of a whole window of gradients, or the first of all
	begun           bool
	won             bool
}

// add takes the next figures, and tells whether it shows with them that the discriminator has won.
func (w *wonWatch) add(iteration int, right, gradient float64) bool {
	if !w.begun && !math.IsNaN(gradient) && !math.IsInf(gradient, 0) {
		w.highest, w.begun = gradient, true
	}
	whole := w.right.add(iteration, right)
	if !w.gradient.add(iteration, gradient) || !whole {
		return false
	}
	recent := w.gradient.mean()
	w.highest = max(w.highest, recent)
	vanished := wonVanished * w.highest
	switch {
	case !w.won && w.right.mean() >= wonRight && recent <= vanished:
		w.won = true
		return true
	case recent > wonOver*vanished:
		w.won = false
	}
	return false
}
