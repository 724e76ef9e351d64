// Package trained opens the model of a run: it finds a checkpoint and the recipe that made it, builds the model again and loads
// its weights, the averaged ones where there are any.
//
//	run, err := trained.Open(ctx, "runs/vae_mnist/20261123-101500", trained.Options{})
//	if err != nil { ... }
//	err = run.Do(func() error {
//		sampler, err := run.Sampler()
//		if err != nil {
//			return err
//		}
//		images := sampler.Generate(run.Latents(sampler, []int64{0, 1, 2}, 0), torch.Tensor{})
//		...
//	})
package trained

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
	"github.com/imori-ml/imori/trainer/rundir"
)

// Options say which model of a run is opened, and where. The zero value is the newest checkpoint with averaged weights, on
// the device of the recipe.
type Options struct {
	Checkpoint  int    // the iteration; 0: the newest one
	LastWeights bool   // those of the last step, even where there are averaged ones
	Device      string // auto, cpu, cuda or cuda:N; "": the recipe's
	Threads     int    // of the CPU; 0: OMP_NUM_THREADS, or all cores
	Env         datasets.Env
}

// Run is a trained model with what it was made from. Its networks are in evaluation mode.
type Run struct {
	Path      string // the run's folder
	Recipe    *recipes.Recipe
	Model     trainer.Model
	Info      datasets.Info // what it was trained on
	Iteration int           // of the checkpoint
	Averaged  bool          // whether the weights are averages (trainer.Config.EMA)
	Device    string        // where the networks are: "cpu", "cuda:0"

	threads int
	env     datasets.Env
}

// Open opens the model of a run. path is the run's folder, or that of one of its checkpoints. The data are needed only for
// checkpoints of versions that did not keep their sizes; they are then opened as the recipe says. Nothing is written.
func Open(ctx context.Context, path string, o Options) (*Run, error) {
	folder, checkpointFolder, err := locate(path)
	if err != nil {
		return nil, err
	}
	dir, err := rundir.Open(folder)
	if err != nil {
		return nil, err
	}
	r := &Run{Path: folder, threads: o.Threads, env: o.Env}
	if r.threads == 0 {
		r.threads = torchx.DefaultThreads()
	}
	if _, err := readRecipe(dir, rundir.State{}); err != nil { // what has none is no run of train
		return nil, err
	}
	c, err := readCheckpoint(dir, checkpointFolder, o)
	if err != nil {
		return nil, err
	}
	if r.Recipe, err = readRecipe(dir, c.State); err != nil {
		return nil, err
	}
	r.Iteration = c.State.Iteration
	r.Info, err = trainer.DatasetInfo(c)
	switch {
	case errors.Is(err, trainer.ErrNoDatasetInfo):
		data, openErr := r.Recipe.Dataset.Options.Open(ctx, o.Env)
		if openErr != nil {
			return nil, fmt.Errorf("run %s: %w, so that its data are needed: %w", folder, err, openErr)
		}
		r.Info = data.Info()
	case err != nil:
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir.CheckpointPath(r.Iteration), "state.json"), err)
	}
	device := o.Device
	if device == "" {
		device = r.Recipe.Train.Device
	}
	if r.Device, _, err = torchx.ResolveDevice(device); err != nil {
		return nil, err
	}
	if err := r.Do(func() error { return r.load(c, o.LastWeights) }); err != nil {
		return nil, fmt.Errorf("run %s, checkpoint of iteration %d: %w", folder, r.Iteration, err)
	}
	return r, nil
}

// locate finds the run's folder, and the checkpoint's if it is one that path names.
func locate(path string) (run, checkpoint string, err error) {
	if _, err := os.Lstat(filepath.Join(path, "state.json")); err != nil {
		return path, "", CheckRun(path)
	}
	real, err := filepath.EvalSymlinks(path) // checkpoints/latest is a link
	if err != nil {
		return "", "", err
	}
	run = filepath.Join(real, "..", "..") // not Dir, as real may be "."
	if _, err := os.Stat(filepath.Join(run, "recipe.yaml")); err != nil {
		return "", "", fmt.Errorf("checkpoint %s is not in the folder of a run: its recipe was expected at %s", path, filepath.Join(run, "recipe.yaml"))
	}
	return run, real, nil
}

// CheckRun looks what may be meant by a folder that is not that of a run. What is none at all is left to rundir.Open.
func CheckRun(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() || rundir.IsRun(path) {
		return nil // or what rundir.Open says
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	parent, grand := filepath.Join(real, ".."), filepath.Join(real, "..", "..")
	switch {
	case rundir.IsRun(grand) && filepath.Base(parent) == "checkpoints":
		if _, err := os.Lstat(filepath.Join(real, "state.json")); err == nil {
			return fmt.Errorf("%s is a checkpoint, expected the folder of a run; did you mean %s? It goes on from the checkpoint that checkpoints/latest points to",
				path, grand)
		}
		return fmt.Errorf("checkpoint %s is not whole: it has no state.json%s", path, others(grand, filepath.Base(real)))
	case rundir.IsRun(grand):
		return fmt.Errorf("%s lies in the folder of a run, %s; did you mean that?", path, grand)
	case rundir.IsRun(parent):
		return fmt.Errorf("%s lies in the folder of a run, %s; did you mean that?", path, parent)
	}
	runs, _ := rundir.Find(path, 3)
	if len(runs) == 0 {
		return nil
	}
	slices.Reverse(runs) // the newest first, as they are called after the time
	text := strings.Join(runs[:min(len(runs), 3)], ", ")
	if more := len(runs) - 3; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Errorf("%s is not the folder of a run, but holds runs: %s", path, text)
}

// others names the checkpoints of a run beside one, in the end of a sentence.
func others(run, one string) string {
	dir, err := rundir.Open(run)
	if err != nil {
		return ""
	}
	iterations, err := dir.Checkpoints()
	if err != nil {
		return ""
	}
	iterations = slices.DeleteFunc(iterations, func(n int) bool { return filepath.Base(dir.CheckpointPath(n)) == one })
	slices.Reverse(iterations)
	return anotherOne(iterations)
}

func anotherOne(iterations []int) string {
	if len(iterations) == 0 {
		return ""
	}
	return "; another one is " + strings.Trim(strings.ReplaceAll(fmt.Sprint(iterations), " ", ", "), "[]")
}

// readRecipe reads the one with which the checkpoint was trained. Those of older versions have only that of the run's beginning.
func readRecipe(dir *rundir.Dir, of rundir.State) (*recipes.Recipe, error) {
	file := filepath.Join(dir.CheckpointPath(of.Iteration), "state.json")
	data, err := trainer.SavedRecipe(of)
	if data == nil && err == nil {
		file = filepath.Join(dir.Path(), "recipe.yaml")
		data, err = dir.Recipe()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: its model cannot be built without; it was not made by train", err)
	}
	if err != nil {
		return nil, err
	}
	return recipes.Parse(file, data, nil)
}

func readCheckpoint(dir *rundir.Dir, folder string, o Options) (*rundir.Checkpoint, error) {
	if folder != "" && o.Checkpoint != 0 {
		return nil, fmt.Errorf("%s is a checkpoint, expected the folder of a run where another one, %d, is asked for", folder, o.Checkpoint)
	}
	if folder == "" && o.Checkpoint == 0 {
		c, err := dir.LatestCheckpoint()
		if damaged := (*rundir.DamagedError)(nil); errors.As(err, &damaged) {
			err = fmt.Errorf("%w%s", err, anotherOne(damaged.Others))
		}
		return c, err
	}
	if folder == "" {
		folder = dir.CheckpointPath(o.Checkpoint)
		if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
			iterations, err := dir.Checkpoints()
			if err != nil {
				return nil, err
			}
			return nil, fmt.Errorf("run %s has no checkpoint of iteration %d, expected one of %d", dir.Path(), o.Checkpoint, iterations)
		}
	}
	c, err := rundir.OpenCheckpoint(folder)
	if err != nil {
		err = fmt.Errorf("%w%s", err, others(dir.Path(), filepath.Base(folder)))
	}
	return c, err
}

// load builds the model and gives it the checkpoint's weights.
func (r *Run) load(c *rundir.Checkpoint, last bool) error {
	// Building draws from the generator of whatever else this process trains.
	state := torchx.GeneratorState("cpu")
	defer torchx.SetGeneratorState("cpu", state)
	model, err := r.Recipe.Model.Options.Build(r.Info)
	if err != nil {
		return err
	}
	load := trainer.LoadAverages
	if last {
		load = trainer.LoadWeights
	}
	if err := load(model, c); err != nil {
		return err
	}
	r.Averaged = !last && trainer.HasAverages(model, c)
	for _, n := range model.Networks() {
		if r.Device != "cpu" {
			torchx.ToDevice(n.Module, r.Device, -1)
		}
		n.Module.Train(false)
	}
	r.Model = model
	return nil
}
