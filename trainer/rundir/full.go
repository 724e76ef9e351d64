package rundir

import (
	"slices"
	"syscall"
)

// IsFull tells whether an error says that the disk, or somebody's share of it, is full, and says nothing else. That may
// pass; other errors of a disk, such as a folder that is gone or read-only, do not until somebody sees to them.
func IsFull(err error) bool {
	switch e := err.(type) { //nolint:errorlint // it looks at all that is wrapped, one by one
	case syscall.Errno:
		return e == syscall.ENOSPC || e == syscall.EDQUOT
	case interface{ Unwrap() error }:
		return IsFull(e.Unwrap())
	case interface{ Unwrap() []error }:
		all := e.Unwrap()
		return len(all) > 0 && !slices.ContainsFunc(all, func(err error) bool { return !IsFull(err) })
	}
	return false
}

// makeRoom removes from a full disk what is worth least, so that the checkpoint of an iteration can be saved: what the run
// gave up, else one of the kept checkpoints, but none that a link points to. It tells whether there was anything.
func (d *Dir) makeRoom(iteration int) bool {
	name := iterationName(iteration)
	iterations, err := d.Checkpoints()
	if err != nil || d.current(iterations) < 0 {
		return false // there is nothing to go on from but what would go
	}
	if n := d.forgetUndone(); n > 0 {
		d.logf("the disk is full: what the run gave up makes room for checkpoint %s", name)
		return true
	}
	if d.Keep <= 0 {
		return false // all are to be kept
	}
	unlinked, _, err := d.unlinked()
	if err != nil {
		return false
	}
	// This one is there, and whole, where only the link to it could not be made.
	unlinked = slices.DeleteFunc(unlinked, func(n int) bool { return n == iteration })
	if len(unlinked) == 0 {
		return false
	}
	oldest := unlinked[0]
	if err := d.discard(d.CheckpointPath(oldest)); err != nil {
		d.logf("old checkpoint %s stays: %v", iterationName(oldest), err)
		return false
	}
	d.logf("the disk is full: old checkpoint %s makes room for %s", iterationName(oldest), name)
	return true
}
