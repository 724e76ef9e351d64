package trainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
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
		err = t.await(s)
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

// slowSave is how long a run waits for a checkpoint without a word.
const slowSave = 3 * time.Second

// await waits until a checkpoint is written, and says so where that takes long: the run seems to hang.
func (t *Trainer) await(s *saving) error {
	select {
	case err := <-s.done:
		return err
	case <-time.After(t.slowSave):
	}
	t.observer.Warn(fmt.Sprintf("the run has been waiting %.2g seconds for %s to be written, and goes on when it is: the disk is slow",
		t.slowSave.Seconds(), t.dir.CheckpointPath(s.iteration)))
	return <-s.done
}

// What saveLast does about a full disk: somebody may be about to make room. But who sends a signal may wait for some seconds
// only before the process is killed.
const (
	lastSaveTries       = 3
	lastSaveWait        = 2 * time.Second
	interruptedSaveWait = 300 * time.Millisecond
)

// saveLast saves the state and waits until that is done. There is no next time, so that failing is an error whatever
// on_save_error says. But where that is continue, a disk that is full is tried again first, twice. Weights that are not
// finite are never saved.
func (t *Trainer) saveLast(wait time.Duration) error {
	err := t.trySaveLast()
	for n := 1; n < lastSaveTries && err != nil && t.toleratesDisk(err); n++ {
		t.observer.Warn(fmt.Sprintf("%v; it is tried again in %s", err, wait))
		time.Sleep(wait)
		err = t.trySaveLast()
	}
	return err
}

func (t *Trainer) trySaveLast() error {
	if t.dir == nil {
		return nil
	}
	if t.savedAt != t.iteration {
		if err := t.finishSaving(true); err != nil { // of an earlier one
			t.observer.Warn(fmt.Sprintf("%v; the state of iteration %d is saved instead", err, t.iteration))
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
		if err := t.saveLast(t.lastWait); err != nil {
			return fmt.Errorf("training came to its end, but its state is not saved: %w", err)
		}
		return nil
	case errors.Is(reason, ErrInterrupted):
		if err := t.saveLast(min(t.lastWait, interruptedSaveWait)); err != nil { // the caller of Run is told that there is a checkpoint, or why not
			return fmt.Errorf("training was interrupted, but its state is not saved: %w", err)
		}
		return ErrInterrupted // without where it was
	case t.broken != nil: // the state is of no iteration
		t.warn(t.finishSaving(true))
		return reason
	}
	if err := t.try(forOthers, func() error { return t.saveLast(t.lastWait) }); err != nil {
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
		case late == nil || !rundir.IsFull(err):
			late = err
		}
	}
	if late != nil && !t.toleratesDisk(late) {
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

// toleratesDisk tells whether the error is not to end the run: the disk is full, which may pass. A folder that is gone or
// read-only, or a disk that fails, stays so, and training on would be for nothing.
func (t *Trainer) toleratesDisk(err error) bool {
	return t.OnSaveError == saveErrorContinue && rundir.IsFull(err)
}

// isOfDisk tells whether a log has kept the line that it could not write.
func isOfDisk(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) || errors.As(err, &link)
}

// giveUpLater lets checkpoints step aside that are later than the one that a resumed run goes on from: those of a rollback or
// a save that a crash cut short, or of a run that somebody made go back. The logs are cut in the same way. Then `latest`
// points to that one, whatever a crash has left of the link: a run with all its iterations saves none that would set it.
func (t *Trainer) giveUpLater() error {
	if t.savedAt < 0 {
		return nil
	}
	before, err := t.dir.Checkpoints()
	if err != nil || len(before) == 0 {
		return err
	}
	if before[len(before)-1] <= t.savedAt && !slices.Contains(before, t.savedAt) {
		return nil // `latest` points to a folder with a name of its own
	}
	if err := t.dir.GoBack(t.savedAt); err != nil {
		return err
	}
	after, err := t.dir.Checkpoints()
	if n := len(before) - len(after); n > 0 {
		t.observer.Warn(fmt.Sprintf("the run goes on from iteration %d: %d later checkpoints are now checkpoints/.undone-*, and are removed when the next one is saved",
			t.savedAt, n))
	}
	return err
}
