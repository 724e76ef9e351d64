package trainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/imori-ml/imori/trainer/rundir"
)

// ErrInterrupted is what Run returns when its context has ended. The run's folder then has a checkpoint to go on from.
var ErrInterrupted = errors.New("training was interrupted")

// errNoPreview is what broke a trainer whose preview panicked.
var errNoPreview = errors.New("a preview did not end")

// frameDelay is how long the animation shows each picture.
const frameDelay = 200 * time.Millisecond

// Run trains up to Config.Iterations, writing metrics, pictures and checkpoints to the run's folder as it goes. When ctx
// ends it finishes the iteration, saves a checkpoint and returns ErrInterrupted; a preview that measures is left for later. After another error the newest checkpoint
// is the one to go on from: that of the last iteration, if the error came between two, or from its preview, and the disk takes
// it. A run that goes on from a checkpoint whose preview or picture failed begins with these.
func (t *Trainer) Run(ctx context.Context) error {
	return t.do(forBatches, func() error {
		began := time.Now()
		t.stopped = func() bool { return ctx.Err() != nil }
		defer func() { t.stopped = never }()
		t.observer.Started(t.info)
		err := t.told(func() error {
			err := t.saveAtTheEnd(t.try(forBatches, func() error { return t.train(began) }))
			if err == nil {
				err = t.finish()
			}
			return err
		})
		t.observer.Finished(Summary{t.iteration, time.Since(began), err})
		return err
	})
}

func never() bool { return false }

func (t *Trainer) train(began time.Time) error {
	if err := t.whole(); err != nil {
		return err
	}
	pace := newPace(t.consumed())
	t.savedTime = began
	if err := t.resumeRecipe(); err != nil {
		return err
	}
	if t.lostAccepted {
		t.savedAt = -1 // the next checkpoint no longer asks for the lines
	}
	if t.owed != nil {
		t.savedAt = -1 // without what is owed a checkpoint is another one
		if err := t.conclude(t.owed.metrics(), t.saveDue(t.iteration), pace, began); err != nil {
			return err
		}
	}
	for t.iteration < t.Iterations {
		if t.stopped() {
			return ErrInterrupted
		}
		if err := t.tolerateSave(t.finishSaving(false)); err != nil {
			return err
		}
		next := t.iteration + 1
		saves := next == t.Iterations || t.saveDue(next)
		logs := next == 1 || every(t.LogEvery, next)
		if logs {
			if err := t.keepLateRecipe(); err != nil {
				return err
			}
		}
		metrics, err := t.iterate(logs, saves)
		if err != nil {
			recovered, err := t.recovers(err)
			if !recovered {
				return err
			}
			pace = newPace(t.consumed())
			continue
		}
		pace.add(t.consumed(), t.BatchSize)
		if err := t.conclude(metrics, saves, pace, began); err != nil {
			return err
		}
	}
	return nil
}

// conclude does what follows the newest iteration: its picture, its lines, its checkpoint. The metrics are nil if it is none
// that logs.
func (t *Trainer) conclude(metrics []Metric, saves bool, pace *pace, began time.Time) error {
	last := t.iteration == t.Iterations
	logs := metrics != nil
	if logs {
		t.newest = lastLogged{t.iteration, byName(metrics)}
	}
	// The picture comes first: a run that is killed in between draws it again.
	line, shown := metrics, metrics
	previews := every(t.PreviewEvery, t.iteration)
	if last || previews {
		t.owed = newOwed(metrics) // until it is there
		measured, err := t.savePreview()
		if err != nil {
			return err
		}
		shown = append(shown, measured...)
		if previews {
			line = shown
		}
	}
	t.owed = nil
	if logs { // once, however often the preview was tried
		for _, warning := range t.health.see(t.iteration, metrics) {
			t.observer.Warn(warning)
		}
	}
	// What is logged is a function of the number alone, so that a longer run has the same lines.
	if logs || previews && len(line) > 0 {
		if err := t.log(line, pace, began); err != nil {
			return err
		}
	}
	t.observer.Progress(Progress{
		Iteration: t.iteration, Total: t.Iterations, Metrics: shown, Health: t.health.figures,
		ImagesPerSecond: pace.imagesPerSecond(), Remaining: pace.remaining(t.Iterations - t.iteration),
	})
	if saves && !last { // that one is saved whatever happens, and waited for
		if err := t.saveCheckpoint(); err != nil {
			return err
		}
	}
	if (previews || saves) && !last { // they are drawn at the end anyway
		t.updateCurves()
	}
	return nil
}

// finish is also for a run whose process was killed right behind its last checkpoint.
func (t *Trainer) finish() error {
	if t.dir == nil {
		return nil
	}
	t.saveAnimation()
	err := t.dir.Prune()
	t.notes.tell(t.observer)
	return err
}

// log writes a line to each log.
func (t *Trainer) log(metrics []Metric, pace *pace, began time.Time) error {
	if t.dir == nil {
		return nil
	}
	fields := make([]rundir.Field, len(metrics))
	for i, m := range metrics {
		fields[i] = rundir.Field{Key: m.Name, Value: m.Value}
	}
	t.best.see(t.iteration, metrics)
	lateMetrics := t.metrics.Append(t.iteration, fields)
	rss, _ := ResidentMemory()
	rate := pace.imagesPerSecond()
	t.events.log(t.iteration, metrics, rate, rss)
	lateTiming := t.timing.Append(t.iteration, []rundir.Field{
		{Key: "seconds", Value: time.Since(began).Seconds()},
		{Key: "images_per_second", Value: rate},
		{Key: "rss_bytes", Value: rss},
	})
	return t.tolerateLog(lateMetrics, lateTiming)
}

// saveAnimation is an extra: the run is complete without it.
func (t *Trainer) saveAnimation() {
	pictures := t.dir.Pictures(t.iteration)
	if len(pictures) < 2 {
		return
	}
	path, err := t.dir.SaveAnimation(pictures, frameDelay)
	if err != nil {
		t.observer.Warn(err.Error())
		return
	}
	t.observer.Saved(SavedAnimation, path)
}

// Iterate runs n iterations and nothing else: no logs, pictures or checkpoints, for tests and benchmarks. With each, which
// is called after every iteration on the trainer's goroutine, all metrics are read; nil is fine.
func (t *Trainer) Iterate(n int, each func(iteration int, metrics []Metric)) error {
	return t.do(forBatches, func() error {
		for range n {
			metrics, err := t.iterate(each != nil, false)
			if err != nil {
				return err
			}
			if each != nil {
				each(t.iteration, metrics)
			}
		}
		return nil
	})
}

// DryRunReport is what one iteration and a preview came to.
type DryRunReport struct {
	Metrics    []Metric // of the iteration, then of the preview
	Pictures   []PictureInfo
	Iteration  time.Duration // the first one, which is slower than the later ones
	PeakMemory int64         // bytes that the process has held at most; without a GPU's
}

// PictureInfo describes a grid of a preview.
type PictureInfo struct {
	Name  string
	Shape []int64 // N x C x H x W
}

// DryRun runs one iteration and a preview, and writes nothing. The networks are an iteration further afterwards.
func (t *Trainer) DryRun() (DryRunReport, error) {
	var r DryRunReport
	err := t.do(forBatches, func() (err error) {
		began := time.Now()
		if r.Metrics, err = t.iterate(true, true); err != nil {
			return err
		}
		r.Iteration = time.Since(began)
		preview, err := t.preview()
		if err != nil {
			return err
		}
		r.Metrics = append(r.Metrics, preview.metrics...)
		for _, p := range preview.pictures {
			r.Pictures = append(r.Pictures, PictureInfo{p.name, p.shape})
		}
		return nil
	})
	if err != nil {
		return DryRunReport{}, fmt.Errorf("dry run: %w", err)
	}
	_, r.PeakMemory = ResidentMemory()
	return r, nil
}
