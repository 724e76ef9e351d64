package runs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/imori-ml/imori/internal/regular"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

// depth is how far below the folder that was named a run is found: runs/<recipe>/<start time>, and a folder around them.
const depth = 3

// damaged is the state of a run that has a file which cannot be read, beside those of rundir.
const damaged rundir.RunState = "damaged"

// run is what is known of a run.
type run struct {
	path   string
	recipe *recipes.Recipe // with which it was trained last; nil: it has none, or a damaged one
	seen   rundir.Seen
	series []rundir.Series // the last points, or whole ones to compare
	damage error           // what cannot be read
}

// find looks for runs in a folder, which may be one itself, newest first. Problems are folders that cannot be read.
func find(folder string) (runs []*run, problems []error, err error) {
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("the folder %s does not exist; %s", folder, makeOne)
	case err != nil:
		return nil, nil, fmt.Errorf("cannot look for runs: %w", err)
	case !info.IsDir():
		return nil, nil, fmt.Errorf("%s is a file, expected a folder of runs, or the folder of a run", folder)
	}
	paths, problems := rundir.Find(filepath.Clean(folder), depth)
	for _, path := range paths {
		runs = append(runs, open(path))
	}
	if len(runs) == 0 {
		return nil, nil, errors.Join(append([]error{fmt.Errorf("no runs in %s; %s", folder, makeOne)}, problems...)...)
	}
	slices.SortStableFunc(runs, func(a, b *run) int { return b.seen.Started.Compare(a.seen.Started) })
	return runs, problems, nil
}

const makeOne = "`imori train -recipe NAME` makes a run in the folder runs"

// open reads what a run has. Whatever is damaged leaves the rest to be seen.
func open(path string) *run {
	r := &run{path: path}
	note := func(err error) {
		if r.damage == nil {
			r.damage = err
		}
	}
	iterations := 0
	switch data, file, err := readRecipe(path); {
	case errors.Is(err, fs.ErrNotExist): // of a program that has no recipes
	case err != nil:
		note(err)
	default:
		if r.recipe, err = recipes.Parse(file, data, nil); err != nil {
			note(err)
			break
		}
		iterations = r.recipe.Train.Iterations
	}
	var err error
	if r.seen, err = rundir.Look(path, iterations); err != nil {
		note(err)
	}
	if r.series, err = rundir.ReadLastMetrics(path); err != nil {
		note(err)
	}
	return r
}

// readRecipe returns the recipe and the file that has it.
func readRecipe(path string) (data []byte, file string, err error) {
	dir, err := rundir.Open(path)
	if err != nil { // it has not come to its first checkpoint
		file = filepath.Join(path, "recipe.yaml")
		data, err = regular.Read(file, strict.MaxSize)
		return data, file, err
	}
	return trainer.RunRecipe(dir)
}

// state is how the run stands.
func (r *run) state() rundir.RunState {
	if r.damage != nil {
		return damaged
	}
	return r.seen.State
}

// recipeName and model are "" where there is no recipe.
func (r *run) recipeName() string {
	if r.recipe == nil {
		return ""
	}
	return r.recipe.Name
}

func (r *run) model() string {
	if r.recipe == nil {
		return ""
	}
	return r.recipe.Model.Type
}

// note is what a reader of the list should know beside the state, in one line.
func (r *run) note() string {
	switch {
	case r.damage != nil:
		return firstLine(r.damage.Error())
	case r.seen.State == rundir.Failed:
		return firstLine(r.seen.Error)
	case r.seen.Killed && r.seen.Checkpoint >= 0:
		return fmt.Sprintf("its process was killed; imori train -resume %s goes on from iteration %d", r.path, r.seen.Checkpoint)
	case r.seen.Killed:
		return fmt.Sprintf("its process was killed before the first checkpoint; imori train -resume %s begins anew", r.path)
	}
	return ""
}

func firstLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	switch more := len(lines) - 1; more {
	case 0:
		return lines[0]
	case 1:
		return lines[0] + " (and 1 more line)"
	default:
		return fmt.Sprintf("%s (and %d more lines)", lines[0], more)
	}
}

// took is for how long the run was trained.
func (r *run) took() time.Duration { return time.Duration(r.seen.Seconds * float64(time.Second)) }

// metric is the last value of a series.
type metric struct {
	name  string
	value float64
}

// last returns the last values of all metrics.
func (r *run) last() []metric {
	var all []metric
	for _, s := range r.series {
		all = append(all, metric{s.Name, s.Points[len(s.Points)-1].Value})
	}
	return all
}
