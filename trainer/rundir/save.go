package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

const (
	latestLink = "latest"
	bestLink   = "best"
	// undonePrefix begins the name of a checkpoint that a run gave up when it went back.
	undonePrefix = ".undone-"
)

// IterationName is how an iteration is written in the names of files and folders: padded with zeros to eight digits, so that
// they sort.
func IterationName(iteration int) string { return fmt.Sprintf("%08d", iteration) }

// iterationIn is the inverse of IterationName.
func iterationIn(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n >= 0 && IterationName(n) == name
}

// CheckpointPath returns the folder of the checkpoint of an iteration, which need not exist.
func (d *Dir) CheckpointPath(iteration int) string {
	return filepath.Join(d.path, checkpointFolder, IterationName(iteration))
}

// SaveCheckpoint saves checkpoints/<iteration>, points `latest` to it, and `best` if it is, and removes the oldest ones
// beyond Keep.
// It sets the fields of State that say so; c itself stays as it is.
//
// The checkpoint is whole and on the disk, with the logs up to it, before it gets its name. So there is room needed for one
// more than Keep. Where the disk is full, what the run gave up goes first, and, if Keep is not 0, the oldest one that no link
// points to, with a note to Logf; but only if the new one has room then, and two others stay, and at most one until a
// checkpoint is saved. When it cannot be saved even so, the others stay and nothing half written does.
func (d *Dir) SaveCheckpoint(c *Checkpoint) error {
	if err := d.Writable(); err != nil {
		return err
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	err := d.saveCheckpoint(c)
	if IsFull(err) && d.Writable() == nil && d.makeRoom(c) {
		err = d.saveCheckpoint(c)
	}
	if err != nil {
		err = fmt.Errorf("cannot save checkpoint %s: %w", d.CheckpointPath(c.State.Iteration), d.reason(err))
		if d.Writable() != nil {
			return err // what is there now is another run's
		}
		if last, linkErr := os.Readlink(filepath.Join(d.path, checkpointFolder, latestLink)); linkErr == nil {
			err = fmt.Errorf("%w; the last good one is %s", err, last)
		} else if errors.Is(linkErr, fs.ErrNotExist) {
			err = fmt.Errorf("%w; the run has no other", err)
		}
		return err
	}
	d.madeRoom = false
	if c.Best {
		if err := d.point(bestLink, IterationName(c.State.Iteration)); err != nil {
			d.logf("checkpoints/%s does not point to the best checkpoint, %s: %v", bestLink, IterationName(c.State.Iteration), err)
		}
	}
	d.forgetUndone()
	d.prune()
	return nil
}

func (d *Dir) saveCheckpoint(c *Checkpoint) error {
	if c.State.Iteration < 0 || c.State.Batches < 0 {
		return fmt.Errorf("iteration %d and batches %d, expected none below 0", c.State.Iteration, c.State.Batches)
	}
	if err := d.syncLogs(); err != nil {
		return err
	}
	folder := d.CheckpointPath(c.State.Iteration)
	temp := atomicfile.TempName(folder)
	err := writeCheckpoint(temp, c)
	if err == nil {
		err = d.Writable() // still: that took its time
	}
	if err != nil {
		os.RemoveAll(temp)
		return err
	}
	if err := d.place(temp, c.State.Iteration); err != nil {
		return err
	}
	return d.point(latestLink, IterationName(c.State.Iteration))
}

// syncLogs puts the logs on the disk: a run that goes on from a checkpoint needs every line before it.
func (d *Dir) syncLogs() error {
	d.mu.Lock()
	logs := []*Log{d.metrics, d.timing}
	d.mu.Unlock() // training goes on while the disk works
	for _, l := range logs {
		if l == nil {
			continue
		}
		if err := l.sync(); err != nil {
			return err
		}
	}
	return nil
}

// place gives a finished checkpoint its name, also where a resumed run has saved this iteration before. If it cannot, the
// unfinished folder goes.
func (d *Dir) place(temp string, iteration int) error {
	folder := d.CheckpointPath(iteration)
	former, err := replaceFolder(temp, folder)
	if err != nil {
		os.RemoveAll(temp)
		return err
	}
	if err := atomicfile.SyncDir(filepath.Dir(folder)); err != nil {
		return err // the former one stays, for the new one may not
	}
	if former != "" {
		if err := d.discard(former); err != nil {
			d.logf("the former checkpoint %s stays: %v", IterationName(iteration), err)
		}
	}
	return nil
}

// point replaces a link at once. It is relative, so that a run's folder can be moved.
func (d *Dir) point(name, target string) error {
	link := filepath.Join(d.path, checkpointFolder, name)
	temp := atomicfile.TempName(link)
	err := os.Symlink(target, temp)
	if err == nil {
		err = d.Writable()
	}
	if err == nil {
		err = os.Rename(temp, link)
	}
	if err != nil {
		os.Remove(temp)
		return d.reason(err)
	}
	return atomicfile.SyncDir(filepath.Dir(link))
}

// Checkpoints returns the iterations that have a checkpoint, rising. A name is given to whole ones only.
func (d *Dir) Checkpoints() ([]int, error) {
	entries, err := os.ReadDir(filepath.Join(d.path, checkpointFolder))
	if err != nil {
		return nil, err
	}
	var iterations []int
	for _, e := range entries {
		if n, ok := iterationIn(e.Name()); ok && e.IsDir() {
			iterations = append(iterations, n)
		}
	}
	slices.Sort(iterations)
	return iterations, nil
}

// Prune removes the oldest checkpoints beyond Keep. SaveCheckpoint has done so, unless its process was killed first.
func (d *Dir) Prune() error {
	if err := d.Writable(); err != nil {
		return err
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	d.prune()
	return nil
}

// prune removes old checkpoints. The new one is saved by then, so a failure is a note.
func (d *Dir) prune() {
	if d.Keep <= 0 {
		return
	}
	unlinked, beyond, err := d.unlinked()
	if err != nil {
		d.logf("old checkpoints stay: %v", err)
		return
	}
	for _, n := range unlinked[:beyond] {
		if err := d.discard(d.CheckpointPath(n)); err != nil {
			d.logf("old checkpoint %s stays: %v", IterationName(n), err)
		}
	}
}

// unlinked returns the iterations of the checkpoints that no link points to, in the order in which they are to go; the
// first so many of them are beyond Keep. Those that are later than `latest` are the first: they are left of a run that went
// back or was killed, and must not count as the newest ones.
func (d *Dir) unlinked() (order []int, beyond int, err error) {
	iterations, err := d.Checkpoints()
	if err != nil {
		return nil, 0, err
	}
	latest, best := d.current(iterations), d.linked(bestLink)
	later := slices.IndexFunc(iterations, func(n int) bool { return n > latest })
	if later < 0 {
		later = len(iterations)
	}
	regular := d.regular(iterations[:later])
	add := func(n int) {
		if n >= 0 && n != latest && n != best {
			order = append(order, n)
		}
	}
	for _, n := range iterations[later:] {
		add(n)
	}
	beyond = len(order)
	for i, n := range iterations[:later] {
		if n != regular {
			add(n)
		}
		if i < later-d.Keep {
			beyond = len(order)
		}
	}
	add(regular)
	return order, beyond, nil
}

// regular is the newest of the iterations that is a multiple of KeepEvery; -1: there is none.
func (d *Dir) regular(iterations []int) int {
	for _, n := range slices.Backward(iterations) {
		if d.KeepEvery > 0 && n%d.KeepEvery == 0 {
			return n
		}
	}
	return -1
}

// current is the iteration of the checkpoint that a run goes on from: that of `latest`, or the newest one where the link is
// missing or points to nothing; -1: there is none.
func (d *Dir) current(iterations []int) int {
	if n := d.linked(latestLink); n >= 0 {
		if _, err := resolve(d.CheckpointPath(n)); err == nil {
			return n
		}
	}
	if len(iterations) == 0 {
		return -1
	}
	return iterations[len(iterations)-1]
}

// linked is the iteration of the checkpoint that a link points to; -1: there is none.
func (d *Dir) linked(link string) int {
	target, err := os.Readlink(filepath.Join(d.path, checkpointFolder, link))
	if err != nil {
		return -1
	}
	n, ok := iterationIn(target)
	if !ok {
		return -1
	}
	return n
}

// PointBest makes `best` point to the checkpoint of an iteration, which must be there.
func (d *Dir) PointBest(iteration int) error {
	if err := d.Writable(); err != nil {
		return err
	}
	if _, err := os.Stat(d.CheckpointPath(iteration)); err != nil {
		return fmt.Errorf("the best checkpoint is gone: %w", err)
	}
	if d.linked(bestLink) == iteration {
		return nil
	}
	return d.point(bestLink, IterationName(iteration))
}

// GoBack makes the checkpoint of an iteration, which must be there, the latest one; -1 is none. It is what a run does that
// gives up what it trained since. Later checkpoints step aside as checkpoints/.undone-<iteration>, where nothing looks for
// them; the next checkpoint that is saved removes them. What `best` points to stays where it is.
func (d *Dir) GoBack(iteration int) error {
	if err := d.Writable(); err != nil {
		return err
	}
	d.saving.Lock()
	defer d.saving.Unlock()
	if err := d.goBack(iteration); err != nil {
		return fmt.Errorf("run folder %s: cannot go back to iteration %d: %w", d.path, max(iteration, 0), err)
	}
	return nil
}

// goBack moves the link before what it points to goes, so that a crash leaves a run that can go on.
func (d *Dir) goBack(iteration int) error {
	if iteration >= 0 {
		_, err := os.Stat(d.CheckpointPath(iteration))
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("its checkpoint is not at %s, beside the later ones: give its folder that name (%w)", d.CheckpointPath(iteration), err)
		}
		if err != nil {
			return err
		}
		if d.linked(latestLink) != iteration {
			if err := d.point(latestLink, IterationName(iteration)); err != nil {
				return err
			}
		}
	} else if d.linked(latestLink) >= 0 {
		if err := d.discard(filepath.Join(d.path, checkpointFolder, latestLink)); err != nil {
			return err
		}
	}
	iterations, err := d.Checkpoints()
	if err != nil {
		return err
	}
	best := d.linked(bestLink)
	for _, n := range slices.Backward(iterations) {
		if n > iteration && n != best {
			if err := d.undo(n); err != nil {
				return err
			}
		}
	}
	return atomicfile.SyncDir(filepath.Join(d.path, checkpointFolder))
}

// undo gives a checkpoint a name that none has yet: one may be left that could not be removed.
func (d *Dir) undo(iteration int) error {
	aside := filepath.Join(d.path, checkpointFolder, undonePrefix+IterationName(iteration))
	for free, i := aside, 2; ; free, i = fmt.Sprintf("%s-%d", aside, i), i+1 {
		switch _, err := os.Lstat(free); {
		case errors.Is(err, fs.ErrNotExist):
			return d.rename(d.CheckpointPath(iteration), free)
		case err != nil:
			return err
		}
	}
}

// forgetUndone removes the checkpoints that were given up, and counts them. The new one is saved by then, or needs the room,
// so a failure is a note.
func (d *Dir) forgetUndone() (removed int) {
	undone, err := d.undone()
	if err != nil {
		d.logf("checkpoints that the run gave up stay: %v", err)
		return 0
	}
	for _, folder := range undone {
		if err := d.discard(folder); err != nil {
			d.logf("checkpoint %s, which the run gave up, stays: %v", filepath.Base(folder), err)
		} else {
			removed++
		}
	}
	return removed
}

// undone returns the folders of the checkpoints that the run gave up.
func (d *Dir) undone() (folders []string, err error) {
	parent := filepath.Join(d.path, checkpointFolder)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), undonePrefix) {
			folders = append(folders, filepath.Join(parent, e.Name()))
		}
	}
	return folders, nil
}

// LatestCheckpoint reads the checkpoint that `latest` points to. When the link is missing or points to nothing, it takes
// the newest one, with a note to Logf. A damaged one is an error, a DamagedError where there are others, never passed over;
// none at all is fs.ErrNotExist.
func (d *Dir) LatestCheckpoint() (*Checkpoint, error) {
	folder := filepath.Join(d.path, checkpointFolder)
	iterations, err := d.Checkpoints()
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", d.path, err)
	}
	link := filepath.Join(folder, latestLink)
	target, err := resolve(link)
	if errors.Is(err, fs.ErrNotExist) {
		if len(iterations) == 0 {
			return nil, fmt.Errorf("run folder %s has no checkpoint yet: %w", d.path, fs.ErrNotExist)
		}
		newest := iterations[len(iterations)-1]
		d.logf("%s is missing or points to nothing: taking the newest checkpoint, %s", link, IterationName(newest))
		target, err = d.CheckpointPath(newest), nil
	}
	if err != nil {
		return nil, fmt.Errorf("run folder %s: %w", d.path, err)
	}
	c, err := openFolder(target) // never the latest one of a run again, should the link lead to that
	if err == nil {
		return c, nil
	}
	var others []int
	for _, n := range slices.Backward(iterations) {
		if IterationName(n) != filepath.Base(target) {
			others = append(others, n)
		}
	}
	switch {
	case len(others) > 0:
		err = &DamagedError{err, link, others}
	case !errors.Is(err, errOtherVersion):
		err = fmt.Errorf("%w; the run has no other checkpoint: put it back as it was, from a copy, or begin a new run with its recipe", err)
	}
	return nil, err
}
