package trainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/imori-ml/imori/trainer/rundir"
)

// What Config.OnSaveError can be.
const (
	saveErrorStop     = "stop"
	saveErrorContinue = "continue"
)

// saving is a checkpoint that is being written beside training.
type saving struct {
	iteration int
	done      chan error
	before    best // what it was before this checkpoint
}

// saveDue tells whether there is to be a checkpoint of the next iteration, by its number or by the clock.
func (t *Trainer) saveDue(next int) bool {
	if every(t.CheckpointEvery, next) {
		return true
	}
	return t.dir != nil && t.CheckpointMinutes > 0 && time.Since(t.savedTime).Minutes() >= t.CheckpointMinutes
}

// saveCheckpoint copies the state between two iterations and has it written beside training, unless it is saved already.
// One checkpoint is written at a time: where the disk is slower than training, training waits for it here.
func (t *Trainer) saveCheckpoint() error {
	if t.dir == nil || t.savedAt == t.iteration {
		return nil
	}
	if err := t.tolerateSave(t.finishSaving(true)); err != nil {
		return err
	}
	t.savedTime = time.Now()
	s := &saving{t.iteration, make(chan error, 1), t.best}
	isBest := t.owed == nil && t.considerBest() // what is logged last it may not know yet
	var c *rundir.Checkpoint
	err := t.try(forOthers, func() (err error) {
		c, err = t.snapshot()
		return err
	})
	if err != nil {
		t.best.goBack(s.before)
		return err
	}
	c.Best = isBest
	t.saving, t.savedAt = s, t.iteration
	go func() { s.done <- t.dir.SaveCheckpoint(c) }()
	return nil
}

// finishSaving tells the observer of a checkpoint that has been written, and returns why one could not be. With wait it
// lets the writing come to its end.
func (t *Trainer) finishSaving(wait bool) error {
	s := t.saving
	if s == nil {
		return nil
	}
	var err error
	if wait {
		err = <-s.done
	} else {
		select {
		case err = <-s.done:
		default:
			return nil
		}
	}
	t.saving = nil
	t.notes.tell(t.observer)
	if err != nil {
		t.savedAt = -1
		t.best.goBack(s.before)
		return err
	}
	t.observer.Saved(SavedCheckpoint, t.dir.CheckpointPath(s.iteration))
	return nil
}

// saveLast saves the state and waits until that is done. There is no next time, so an error is one whatever on_save_error
// says. Weights that are not finite are never saved.
func (t *Trainer) saveLast() error {
	if t.dir == nil {
		return nil
	}
	if t.savedAt != t.iteration {
		if err := t.tolerateSave(t.finishSaving(true)); err != nil {
			return err
		}
		if err := t.checkWeights(); err != nil {
			return fmt.Errorf("after iteration %d: %w", t.iteration, err)
		}
		if err := t.saveCheckpoint(); err != nil {
			return err
		}
	}
	return t.finishSaving(true)
}

// saveAtTheEnd saves what a run has come to, whatever ended it, and returns how it ended.
func (t *Trainer) saveAtTheEnd(reason error) error {
	switch {
	case reason == nil:
		return t.saveLast()
	case errors.Is(reason, ErrInterrupted):
		if err := t.saveLast(); err != nil { // the caller of Run is told that there is a checkpoint, or why not
			return fmt.Errorf("training was interrupted, but its state is not saved: %w", err)
		}
		return reason
	case t.broken != nil: // the state is of no iteration
		t.warn(t.finishSaving(true))
		return reason
	}
	if err := t.try(forOthers, t.saveLast); err != nil {
		t.observer.Warn(fmt.Sprintf("the state of iteration %d is lost: %v", t.iteration, err))
	}
	return reason
}

// tolerateSave applies on_save_error to a checkpoint that could not be saved.
func (t *Trainer) tolerateSave(err error) error {
	if err != nil && t.toleratesDisk(err) {
		t.observer.Warn(fmt.Sprintf("%v; training goes on, and tries again when the next checkpoint is due", err))
		return nil
	}
	return err
}

// tolerateLog applies it to lines that could not be written: they are written later, and before the next checkpoint. Of a
// disk that stays full it warns once.
func (t *Trainer) tolerateLog(errs ...error) error {
	var late error
	for _, err := range errs {
		switch {
		case err == nil:
		case !isOfDisk(err):
			t.broken = err // a line is lost, without which a checkpoint is not to be
			return err
		case late == nil:
			late = err
		}
	}
	if late != nil && t.OnSaveError != saveErrorContinue {
		return late
	}
	if late != nil && !t.logLate {
		t.observer.Warn(fmt.Sprintf("%v; training goes on, and keeps the lines until they can be written", late))
	}
	t.logLate = late != nil
	return nil
}

// toleratePicture applies it to a picture.
func (t *Trainer) toleratePicture(err error) error {
	if err != nil && t.toleratesDisk(err) {
		t.observer.Warn(fmt.Sprintf("%v; training goes on without this picture", err))
		return nil
	}
	return err
}

// toleratesDisk tells whether the error is one of the disk, and not to end the run.
func (t *Trainer) toleratesDisk(err error) bool {
	return t.OnSaveError == saveErrorContinue && isOfDisk(err)
}

func isOfDisk(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}
