// Package rundir keeps the folder of one training run: recipe, metrics, pictures and checkpoints.
//
//	recipe.yaml            the resolved recipe;  recipe-00000500.yaml: with which the run went on from that iteration, if changed
//	metrics.jsonl          one object a logged iteration, reproducible;  timing.jsonl: wall-clock figures
//	events.out.tfevents.*  both for TensorBoard, written by the trainer itself
//	status.json            running, finished, interrupted or failed, and since when
//	curves.png             the metrics as curves, drawn by package curves
//	samples/00000500.png   pictures of an iteration;  samples/training.gif at the end
//	checkpoints/00000500/  <network>.safetensors ..., optimizers.safetensors, state.json
//	checkpoints/latest     a link to the newest one;  checkpoints/best: to the best one, where somebody says which it is
//	checkpoints/.undone-*  given up by a run that went back; the next checkpoint removes them
//	diagnosis/00000512/    what an iteration worked on that went wrong
//	.lock                  held by the process that writes
//
// Nothing here is ever half written: whatever is unfinished has a name that begins with ".tmp-" and is removed by the
// next process that opens the run for writing. Names of iterations are padded with zeros so that they sort.
package rundir

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/imori-ml/imori/internal/regular"
)

const (
	recipeFile       = "recipe.yaml"
	metricsFile      = "metrics.jsonl"
	timingFile       = "timing.jsonl"
	samplesFolder    = "samples"
	checkpointFolder = "checkpoints"
)

// Dir is the folder of a run. Its methods may be called from several goroutines at once.
type Dir struct {
	// Keep is how many checkpoints SaveCheckpoint leaves: the newest ones, 0 for all. What a link points to stays besides.
	Keep int
	// KeepEvery makes the newest checkpoint stay whose iteration is a multiple of it; 0: none.
	KeepEvery int
	// Logf takes notes that are no errors, such as a fallback to an older checkpoint; nil drops them.
	Logf func(format string, args ...any)

	path string

	mu              sync.Mutex
	lock            *os.File // nil: only for reading
	metrics, timing *Log
	status          Status // as Begin wrote it

	saving   sync.Mutex // one checkpoint at a time, beside everything else
	madeRoom bool       // a kept checkpoint has gone for one that is not saved yet; belongs to saving
}

// Create makes the folder of a new run, with its parents, and opens it for writing.
// It fails when path holds a run already, is a file or cannot be written, or when another process is making a run there.
func Create(path string) (*Dir, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("run folder %s is a file: choose another path", path)
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, fmt.Errorf("cannot make run folder %s: %w", path, err)
	}
	d := &Dir{path: path}
	// The lock comes first, for a look at what the folder holds is true only as long as nobody else writes there.
	if err := d.Lock(); err != nil {
		return nil, err
	}
	if found := d.holdsRun(); found != "" {
		err := fmt.Errorf("run folder %s already holds a run (%s): resume it or choose another folder", path, found)
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// holdsRun names something that only a run leaves behind; "" if there is nothing of the kind.
// Empty folders do not count: they are what is left of a run that failed before it began.
func (d *Dir) holdsRun() string {
	for _, name := range []string{recipeFile, metricsFile, timingFile, statusFile} {
		if _, err := os.Lstat(filepath.Join(d.path, name)); err == nil {
			return name
		}
	}
	if iterations, err := d.Checkpoints(); err != nil || len(iterations) > 0 {
		return checkpointFolder
	}
	return ""
}

// Open opens the folder of a run for reading, beside a process that writes there. Lock makes it one for writing.
func Open(path string) (*Dir, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot open run folder: %w; `imori runs` lists the runs that there are", err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open run folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is a file, expected the folder of a run", path)
	}
	if info, err := os.Stat(filepath.Join(path, checkpointFolder)); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is not the folder of a run: it has no folder %q", path, checkpointFolder)
	}
	return &Dir{path: path}, nil
}

// Path returns the folder as it was given to Create or Open.
func (d *Dir) Path() string { return d.path }

// Close closes the logs and gives up the lock, behind a checkpoint that is being saved. It may be called twice.
func (d *Dir) Close() error {
	d.saving.Lock()
	defer d.saving.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, l := range []*Log{d.metrics, d.timing} {
		if l != nil {
			errs = append(errs, l.close())
		}
	}
	d.metrics, d.timing = nil, nil
	if d.lock != nil {
		errs = append(errs, d.lock.Close()) // the kernel drops the lock with the file
		d.lock = nil
	}
	return errors.Join(errs...)
}

// WriteRecipe writes recipe.yaml, once: the same bytes again are fine, others are an error.
func (d *Dir) WriteRecipe(yaml []byte) error {
	if err := d.Writable(); err != nil {
		return err
	}
	switch old, err := d.Recipe(); {
	case err == nil && bytes.Equal(old, yaml):
		return nil
	case err == nil:
		return fmt.Errorf("run folder %s already has another %s, which is written once", d.path, recipeFile)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.writeRecipe(recipeFile, yaml); err != nil {
		return fmt.Errorf("cannot write the recipe of run %s: %w", d.path, err)
	}
	return nil
}

// Recipe returns recipe.yaml. A run of a program that has no recipe has none: fs.ErrNotExist.
func (d *Dir) Recipe() ([]byte, error) {
	b, err := regular.Read(filepath.Join(d.path, recipeFile), maxRecipe)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("run folder %s has no %s: %w", d.path, recipeFile, fs.ErrNotExist)
	}
	return b, err
}

func (d *Dir) logf(format string, args ...any) {
	if d.Logf != nil {
		d.Logf(format, args...)
	}
}
