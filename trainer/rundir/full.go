package rundir

import (
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
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

// fewest is how many checkpoints stay on a full disk: that of `latest`, and one to go back to should that be damaged.
const fewest = 2

// makeRoom removes from a full disk what is worth least, so that a checkpoint can be saved: what the run gave up, and if
// that is not enough one of the kept checkpoints, but none that a link points to, nor that of KeepEvery. It does so only
// where the new one has room then, and takes a kept one only once until one is saved: who fills the disk may be another. It
// tells whether there was anything.
func (d *Dir) makeRoom(c *Checkpoint) bool {
	if iterations, err := d.Checkpoints(); err != nil || d.current(iterations) < 0 {
		return false // there is nothing to go on from but what would go
	}
	free, err := freeSpace(d.path)
	if err != nil {
		d.logf("the disk is full, and no old checkpoint makes room, for it does not say how much there is: %v", err)
		return false
	}
	name, needed := IterationName(c.State.Iteration), sizeOf(c)
	undone, err := d.undone()
	if err != nil {
		return false
	}
	room := free
	for _, folder := range undone {
		room += sizeOfFolder(folder)
	}
	oldest := -1
	if room < needed || len(undone) == 0 {
		if oldest = d.expendable(c.State.Iteration); oldest < 0 || room+sizeOfFolder(d.CheckpointPath(oldest)) < needed {
			return false
		}
	}
	if d.forgetUndone() > 0 {
		d.logf("the disk is full: what the run gave up makes room for checkpoint %s", name)
	}
	if oldest < 0 {
		return true
	}
	d.madeRoom = true
	if err := d.discard(d.CheckpointPath(oldest)); err != nil {
		d.logf("old checkpoint %s stays: %v", IterationName(oldest), err)
		return false
	}
	d.logf("the disk is full: old checkpoint %s makes room for %s", IterationName(oldest), name)
	return true
}

// expendable is the iteration of the kept checkpoint that may go for the one of an iteration; -1: there is none.
func (d *Dir) expendable(iteration int) int {
	if d.Keep <= 0 || d.madeRoom {
		return -1 // all are to be kept, or one has gone already
	}
	iterations, err := d.Checkpoints()
	if err != nil {
		return -1
	}
	latest := d.current(iterations)
	unlinked, _, err := d.unlinked()
	if err != nil {
		return -1
	}
	upTo := slices.DeleteFunc(iterations, func(n int) bool { return n > latest }) // the later ones count for nothing
	regular := d.regular(upTo)
	for _, n := range unlinked {
		switch {
		case n == iteration: // it is there, and whole, where only the link to it could not be made
		case n > latest:
			return n
		case n != regular && len(upTo) > fewest:
			return n
		}
	}
	return -1
}

// sizeOf is about how many bytes a checkpoint has: what a folder of it says, but for some kilobytes.
func sizeOf(c *Checkpoint) (n int64) {
	for _, t := range c.Optimizers {
		n += int64(len(t.Data))
	}
	for _, network := range c.Networks {
		for _, t := range network.Tensors {
			n += int64(len(t.Data))
		}
	}
	return n
}

// sizeOfFolder adds up the files of a checkpoint; what cannot be read counts for nothing.
func sizeOfFolder(folder string) (n int64) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
	}
	return n
}

// freeSpace is how many bytes a disk still takes.
func freeSpace(folder string) (int64, error) {
	var s unix.Statfs_t
	for {
		err := unix.Statfs(folder, &s)
		if err == nil {
			return int64(s.Bavail) * int64(s.Bsize), nil //nolint:unconvert // their types are those of the system
		}
		if err != unix.EINTR {
			return 0, &fs.PathError{Op: "statfs", Path: folder, Err: err}
		}
	}
}
