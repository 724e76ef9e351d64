package trainer

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/imori-ml/imori/trainer/curves"
	"github.com/imori-ml/imori/trainer/rundir"
)

// errPanicked is what status.json says of a run that a panic ended.
var errPanicked = errors.New("the program panicked: see what it printed")

// told trains, with status.json saying that it does and how it ended. Neither that file nor the curves are worth a run:
// where they cannot be written there is a warning.
func (t *Trainer) told(train func() error) error {
	if t.dir == nil {
		return train()
	}
	t.warn(t.dir.Begin(t.iteration, t.Iterations))
	err, ended := errPanicked, false
	end := func() {
		if ended {
			return
		}
		ended = true
		state, reason := rundir.Failed, err
		switch {
		case err == nil:
			state = rundir.Finished
		case errors.Is(err, ErrInterrupted):
			state, reason = rundir.Interrupted, nil
		}
		t.warn(t.dir.End(state, t.iteration, reason))
	}
	defer end()
	t.notes.tell(t.observer)
	err = t.try(forBatches, train)
	if err != nil {
		end() // the process may be killed soon; a run that is finished has its curves first
	}
	if !errors.Is(err, ErrInterrupted) || t.curves.quick() {
		t.warn(t.drawCurves())
	}
	return err
}

func (t *Trainer) warn(err error) {
	if err != nil {
		t.observer.Warn(err.Error())
	}
}

// curvesClock bounds what drawing takes of a run's time.
type curvesClock struct {
	drawn time.Time
	took  time.Duration
}

// curvesShare is how much of a run's time goes into its curves at most.
const curvesShare = 0.01

// quickCurves is what curves may take between a signal and the end of the process.
const quickCurves = 300 * time.Millisecond

// quick tells whether drawing does not take long, as far as this process knows: metrics.jsonl may be huge.
func (c *curvesClock) quick() bool { return !c.drawn.IsZero() && c.took < quickCurves }

// updateCurves draws what is logged so far, if the last time is long enough ago.
func (t *Trainer) updateCurves() {
	c := &t.curves
	if t.dir == nil || !c.drawn.IsZero() && time.Since(c.drawn).Seconds()*curvesShare < c.took.Seconds() {
		return
	}
	began := time.Now()
	if err := t.drawCurves(); err != nil && c.drawn.IsZero() {
		t.warn(err) // once; at the end it is tried again
	}
	c.drawn, c.took = time.Now(), time.Since(began)
}

func (t *Trainer) drawCurves() error {
	if t.dir.Writable() != nil {
		return nil // another run may be there by now: what writes next says so, and ends this one
	}
	series, err := rundir.ReadRunMetrics(t.Dir)
	if err != nil {
		return fmt.Errorf("cannot draw the curves: %w", err)
	}
	img, err := curves.Draw(runTitle(t.Dir), curves.Run{Series: series})
	if err != nil {
		return fmt.Errorf("cannot draw the curves: %w", err)
	}
	return t.dir.SaveCurves(img)
}

// runTitle is the end of a folder's path, which for a run names its recipe and when it began.
func runTitle(folder string) string {
	if absolute, err := filepath.Abs(folder); err == nil {
		folder = absolute
	}
	return filepath.Join(filepath.Base(filepath.Dir(folder)), filepath.Base(folder))
}
