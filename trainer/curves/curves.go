// Package curves draws the metrics of training runs as curves: a picture with a panel for each phase of the model, one for
// what was measured on images, and one each for accuracies, gradient norms and learning rates, as far as a run has them.
package curves

import (
	"errors"
	"fmt"
	"image"

	"github.com/imori-ml/imori/trainer/rundir"
)

// Run is what is drawn of a run.
type Run struct {
	Name   string // in the legend, where there are several runs
	Series []rundir.Series
}

// MaxRuns is how many runs a picture takes: each needs a colour that can be told from the others.
const MaxRuns = 7

// Draw draws one run, or several in the same panels to compare them. Metrics with a dot in their names are details and
// left out. What is NaN is a gap. Without anything to draw the picture says so.
func Draw(title string, runs ...Run) (img image.Image, err error) {
	if len(runs) == 0 || len(runs) > MaxRuns {
		return nil, fmt.Errorf("%d runs, expected 1 to %d", len(runs), MaxRuns)
	}
	// The library panics where it cannot draw, and a picture is not worth a training run.
	defer func() {
		if r := recover(); r != nil {
			img, err = nil, errors.Join(errors.New("the plotting library failed"), fmt.Errorf("%v", r))
		}
	}()
	return drawPage(title, runs), nil
}
