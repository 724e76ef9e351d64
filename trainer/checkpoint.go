package trainer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
	"github.com/imori-ml/imori/trainer/rundir"
)

// settingsKey is where in a checkpoint's State.Extra the trainer keeps the settings of the run.
const settingsKey = "trainer"

// datasetKey is where it keeps what the samples are like: enough to build the model again without them.
const datasetKey = "dataset"

// ErrNoDatasetInfo is the error of DatasetInfo for checkpoints that do not say what their samples were like.
var ErrNoDatasetInfo = errors.New("the checkpoint does not say what its model was trained on: it was saved by an older version")

// DatasetInfo returns what the samples were like that the checkpoint's model was trained on, checked as datasets.Info.Check
// does, so that a model can be built for them.
func DatasetInfo(c *rundir.Checkpoint) (datasets.Info, error) {
	var info datasets.Info
	raw := c.State.Extra[datasetKey]
	if raw == nil {
		return info, ErrNoDatasetInfo
	}
	if err := json.Unmarshal(raw, &info); err != nil {
		return info, fmt.Errorf("what the checkpoint says of the data is damaged: %w", err)
	}
	if err := info.Check(); err != nil {
		return info, fmt.Errorf("the checkpoint says of the data that its %w", err)
	}
	return info, nil
}

// settings are what a resumed run must have in common with the one before it, and what it should.
type settings struct {
	Seed      int64  `json:"seed"`
	BatchSize int    `json:"batch_size"`
	Samples   int    `json:"samples"`
	Device    string `json:"device"`
	Threads   int    `json:"threads"`
	Precision string `json:"precision,omitempty"` // absent: fp32
}

func (s settings) precision() string { return cmp.Or(s.Precision, precisionFP32) }

func (t *Trainer) settings() settings {
	return settings{t.Seed, t.BatchSize, t.Dataset.Len(), t.info.Device, t.info.Threads, t.info.Precision}
}

// optimizerSeparator stands between network and parameter in the names of the optimisers' state. Names of networks have
// no slash, as files are called after them.
const optimizerSeparator = "/"

// openRun opens the folder to go on with. The checkpoint is nil when the run had none yet: it then begins anew.
func (t *Trainer) openRun() (*rundir.Checkpoint, error) {
	dir, err := rundir.Open(t.Dir)
	if err != nil {
		return nil, err
	}
	t.setDir(dir)
	if err := dir.Lock(); err != nil {
		return nil, err
	}
	c, err := dir.LatestCheckpoint()
	t.notes.tell(t.observer)
	if errors.Is(err, fs.ErrNotExist) {
		t.observer.Warn(fmt.Sprintf("%s has no checkpoint yet: the run begins anew", t.Dir))
		return nil, nil
	}
	if damaged := (*rundir.DamagedError)(nil); errors.As(err, &damaged) {
		var others []string
		for _, n := range damaged.Others {
			others = append(others, filepath.Base(dir.CheckpointPath(n)))
		}
		return nil, fmt.Errorf("%w; to go on from another one, point %s to it: %s", err, damaged.Link, strings.Join(others, ", "))
	}
	return c, err
}

func (t *Trainer) setDir(dir *rundir.Dir) {
	t.dir = dir
	dir.Keep = t.KeepCheckpoints
	if t.OnDivergence == divergenceRollback {
		dir.KeepEvery = t.CheckpointEvery // see rollbackPoint
	}
	dir.Logf = t.notes.add
}

// openLogs makes the folder of a new run, and drops the lines of a resumed one that it will write again.
func (t *Trainer) openLogs() error {
	if t.Dir == "" {
		return nil
	}
	if t.dir == nil {
		dir, err := rundir.Create(t.Dir)
		if err != nil {
			return err
		}
		t.setDir(dir)
		if t.Recipe != nil {
			if err := dir.WriteRecipe(t.Recipe); err != nil {
				return err
			}
		}
	}
	if err := t.checkLog(); err != nil {
		return err
	}
	if err := t.giveUpLater(); err != nil {
		return err
	}
	t.openEvents()
	var err error
	if t.metrics, err = t.dir.Metrics(); err != nil {
		return err
	}
	if t.timing, err = t.dir.Timing(); err != nil {
		return err
	}
	return t.cutLogs()
}

// cutLogs drops the lines that are later than the state, or that it owes.
func (t *Trainer) cutLogs() error {
	if err := errors.Join(t.metrics.TruncateAfter(t.logged()), t.timing.TruncateAfter(t.logged())); err != nil {
		return err
	}
	t.recallHealth()
	return nil
}

// snapshot copies everything that training depends on.
func (t *Trainer) snapshot() (*rundir.Checkpoint, error) {
	c := &rundir.Checkpoint{State: rundir.State{
		Iteration: t.iteration,
		Batches:   t.consumed(),
		Libtorch:  torchx.NewReport().Libtorch,
	}}
	extra, err := json.Marshal(t.settings())
	if err != nil {
		return nil, err
	}
	dataset, err := json.Marshal(t.Dataset.Info())
	if err != nil {
		return nil, err
	}
	c.State.Extra = map[string]json.RawMessage{settingsKey: extra, datasetKey: dataset}
	if t.Recipe != nil {
		if c.State.Extra[recipeKey], err = json.Marshal(string(t.Recipe)); err != nil {
			return nil, err
		}
	}
	t.noteLogged(c)
	if t.rollbacks > 0 {
		c.State.Extra[rollbacksKey] = json.RawMessage(strconv.Itoa(t.rollbacks))
	}
	if t.owed != nil {
		if c.State.Extra[owedKey], err = json.Marshal(t.owed); err != nil {
			return nil, err
		}
	}
	if t.best.Metric != "" {
		if c.State.Extra[bestKey], err = json.Marshal(t.best); err != nil {
			return nil, err
		}
	}
	torchx.Scoped(func() {
		c.State.Generators = t.generatorStates()
		for _, n := range t.networks {
			c.Networks = append(c.Networks, rundir.NamedTensors{Name: n.Name, Tensors: torchx.StateTensors(n.Module)})
			if n.average != nil && n.average.Begun() {
				c.Networks = append(c.Networks, rundir.NamedTensors{Name: n.Name + averageSuffix, Tensors: torchx.StateTensors(n.average)})
			}
			if n.optimizer == nil {
				continue
			}
			for _, s := range n.optimizer.State() {
				s.Name = n.Name + optimizerSeparator + s.Name
				c.Optimizers = append(c.Optimizers, s)
			}
		}
	})
	return c, nil
}

// restore makes the trainer what it was at the checkpoint, but for the loader.
func (t *Trainer) restore(c *rundir.Checkpoint) error {
	if c.State.Iteration > t.Iterations {
		return fmt.Errorf("iterations is %d, expected at least as many as are done", t.Iterations)
	}
	if err := t.compare(c); err != nil {
		return err
	}
	if err := errors.Join(t.restoreRollbacks(c), t.restoreBest(c), t.restoreOwed(c), t.restoreLogged(c)); err != nil {
		return err
	}
	return t.load(c)
}

// load copies a checkpoint of these networks into them and what trains them.
func (t *Trainer) load(c *rundir.Checkpoint) error {
	if err := LoadWeights(t.model, c); err != nil {
		return fmt.Errorf("%w; take back what has changed of the model, or begin a new run", err)
	}
	if err := t.restoreAverages(c); err != nil {
		return err
	}
	if err := t.restoreOptimizers(c.Optimizers); err != nil {
		return err
	}
	for _, device := range t.generatorDevices() {
		if c.State.Generators[device] == nil {
			t.observer.Warn(fmt.Sprintf("the checkpoint has no random state of %s: random numbers go on as others", device))
			delete(c.State.Generators, device)
		}
	}
	for device := range c.State.Generators {
		if !slices.Contains(t.generatorDevices(), device) {
			delete(c.State.Generators, device) // of a device that is not used any more
		}
	}
	setGeneratorStates(c.State.Generators)
	t.iteration, t.savedAt = c.State.Iteration, c.State.Iteration
	return nil
}

// compare refuses settings with which the saved data position means nothing, and warns of those that change the last bits.
func (t *Trainer) compare(c *rundir.Checkpoint) error {
	raw := c.State.Extra[settingsKey]
	if raw == nil {
		return errors.New("it was not saved by a trainer: its state has no settings")
	}
	var was settings
	if err := json.Unmarshal(raw, &was); err != nil {
		return fmt.Errorf("its settings are damaged: %w", err)
	}
	is := t.settings()
	var errs []error
	for _, s := range []struct {
		name    string
		was, is int64
	}{
		{"the seed", was.Seed, is.Seed},
		{"the batch size", int64(was.BatchSize), int64(is.BatchSize)},
		{"the number of samples in the dataset", int64(was.Samples), int64(is.Samples)},
	} {
		if s.was != s.is {
			errs = append(errs, fmt.Errorf("%s is %d, expected %d as before", s.name, s.is, s.was))
		}
	}
	if was.Device != is.Device || was.Threads != is.Threads {
		t.observer.Warn(fmt.Sprintf("the run goes on on %s with %d threads after %s with %d: results will differ in the last digits",
			is.Device, is.Threads, was.Device, was.Threads))
	}
	if was.precision() != is.Precision {
		t.observer.Warn(fmt.Sprintf("the run goes on in %s after %s: results will differ", is.Precision, was.precision()))
	}
	if libtorch := torchx.NewReport().Libtorch; c.State.Libtorch != libtorch {
		t.observer.Warn(fmt.Sprintf("the run goes on with libtorch %s after %s: results may differ", libtorch, c.State.Libtorch))
	}
	if errs != nil {
		return fmt.Errorf("%w; take that back, or begin a new run: its place in its data depends on it", errors.Join(errs...))
	}
	return nil
}

func (t *Trainer) restoreOptimizers(saved []safetensors.Tensor) error {
	byNetwork := map[string][]safetensors.Tensor{}
	for _, s := range saved {
		name, rest, _ := strings.Cut(s.Name, optimizerSeparator)
		if n := t.network(name); n == nil || n.optimizer == nil {
			return fmt.Errorf("it has the optimiser state %q, expected state of the networks that train: %s", s.Name, t.networkNames())
		}
		s.Name = rest
		byNetwork[name] = append(byNetwork[name], s)
	}
	for _, n := range t.networks {
		if n.optimizer == nil {
			continue
		}
		if err := n.optimizer.LoadState(byNetwork[n.Name]); err != nil {
			return fmt.Errorf("optimiser of %s: %w", n.Name, err)
		}
	}
	return nil
}

// generatorDevices lists the devices whose default generators training may draw from.
func (t *Trainer) generatorDevices() []string {
	if t.info.Device == "cpu" {
		return []string{"cpu"}
	}
	return []string{"cpu", t.info.Device}
}

func (t *Trainer) generatorStates() map[string][]byte {
	states := map[string][]byte{}
	t.readGenerators(states)
	return states
}

// readGenerators puts the states into those of an earlier time.
func (t *Trainer) readGenerators(states map[string][]byte) {
	for _, device := range t.generatorDevices() {
		states[device] = torchx.AppendGeneratorState(states[device][:0], device)
	}
}

func setGeneratorStates(states map[string][]byte) {
	for device, state := range states {
		torchx.SetGeneratorState(device, state)
	}
}
