package trainer

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// Options say what to train, on what, and where the run is kept.
type Options struct {
	Config
	Build      func() (Model, error) // on the trainer's goroutine, in a scope, with the generators seeded; once, and for fresh weights of a rollback
	Dataset    datasets.Dataset
	Test       datasets.Dataset // what previews show and measure; nil: Dataset
	Augment    []datasets.Augmentation
	Optimizers map[string]torchx.OptimizerOptions // by network; one for each that a phase updates
	Dir        string                             // the run's folder; "" writes nothing
	Recipe     []byte                             // text that says all this: recipe.yaml of a new run, and in each checkpoint; nil: none
	Resume     bool                               // go on from Dir's latest checkpoint
	AcceptLost bool                               // with Resume: go on although metrics.jsonl lacks lines before the checkpoint
	Noise      NoiseSource                        // of Step; nil: the device's default generator. Tests fill in formulas
	Observer   Observer                           // nil: silent
}

// Trainer trains one model. Its methods may be called from any goroutine, one at a time; libtorch runs on one of its own.
type Trainer struct {
	Options
	thread       *thread
	model        Model
	networks     []*network
	phases       []*phase
	loader       *datasets.Loader
	noise        NoiseSource
	observer     Observer
	dir          *rundir.Dir // nil: nothing is written
	metrics      *rundir.Log
	timing       *rundir.Log
	events       *events // nil: none are written
	iteration    int     // completed
	savedAt      int     // iteration of the newest checkpoint, be it still being written; -1: none
	savedTime    time.Time
	saving       *saving       // nil: no checkpoint is being written
	lastWait     time.Duration // before the last save is tried again on a full disk
	slowSave     time.Duration // that a run waits for a checkpoint before it says so
	notes        notes
	mustHave     int           // iteration of a line that the log must have to go on; 0: none
	lostAccepted bool          // the log lacks it, and that was accepted
	logLate      bool          // lines of the logs are waiting for the disk
	unkept       *rundir.State // the state from which a run that is killed would forget its recipe; nil: none
	best         best
	rollbacks    int
	curves       curvesClock
	health       health
	newest       lastLogged
	start        start           // of the newest iteration
	first        *datasets.Batch // of the next iteration; nil: not taken from the loader yet
	takes        bool            // an iteration takes batches
	info         Info
	runsAhead    bool        // the device computes while its next work is being prepared, unless a value is read
	stopped      func() bool // the context of Run has ended
	owed         *owed       // the preview of the newest iteration; nil: it has what it is to have
	broken       error       // why the state is not one that an iteration ends in
	closing      sync.Once
}

// network is a Network with what trains it.
type network struct {
	Network
	optimizer *torchx.Optimizer // nil: no phase updates it
	average   *torchx.Average   // nil: its weights are not averaged
	params    int               // number of parameter tensors
	lr        float64           // learning rate before any schedule
}

// New builds the model and gets everything ready, so that what is wrong with the options, the folder or the checkpoint is
// an error before training. The folder of a new run is made last. Close the trainer.
func New(o Options) (*Trainer, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("cannot train: %w", err)
	}
	t := &Trainer{Options: o, thread: newThread(), observer: o.Observer, savedAt: -1, lastWait: lastSaveWait, slowSave: slowSave, stopped: never}
	if t.observer == nil {
		t.observer = Silent{}
	}
	if err := t.do(forOthers, t.setUp); err != nil {
		t.Close()
		return nil, fmt.Errorf("cannot train: %w", err)
	}
	return t, nil
}

// check looks at what needs no model.
func (o *Options) check() error {
	if err := o.Config.Check(); err != nil {
		return err
	}
	switch {
	case o.Build == nil:
		return errors.New("Build is nil, expected a function that makes the model")
	case o.Dataset == nil:
		return errors.New("Dataset is nil, expected one to train on")
	case o.Test != nil && !sameKind(o.Test.Info(), o.Dataset.Info()):
		return errors.New("the samples of Test are of other sizes or classes than those of Dataset, expected the same")
	case o.Resume && o.Dir == "":
		return errors.New("Resume without Dir, expected the folder of the run to go on with")
	}
	return nil
}

// sameKind tells whether a model can take samples of both kinds.
func sameKind(a, b datasets.Info) bool {
	if a.Channels != b.Channels || a.Height != b.Height || a.Width != b.Width || !slices.Equal(a.Classes, b.Classes) {
		return false
	}
	if a.Target == nil || b.Target == nil {
		return a.Target == b.Target
	}
	return a.Target.Channels == b.Target.Channels && slices.Equal(a.Target.Classes, b.Target.Classes)
}

func (t *Trainer) setUp() error {
	device, reason, err := torchx.ResolveDevice(t.Device)
	if err != nil {
		return err
	}
	threads := t.Threads
	if threads == 0 {
		threads = torchx.DefaultThreads()
	}
	if most := torchx.MaxThreads(); threads > most {
		return fmt.Errorf("train.threads is %d, expected at most %d with %d processors; set another number, or 0 for all of them",
			threads, most, runtime.NumCPU())
	}
	torchx.SetThreads(threads)
	t.info = Info{
		Device: device, DeviceReason: reason, Threads: threads,
		Iterations: t.Iterations, BatchSize: t.BatchSize, Dir: t.Dir,
	}
	t.runsAhead = device != "cpu"
	if t.noise = t.Noise; t.noise == nil {
		t.noise = deviceNoise(device)
	}
	t.best = best{Metric: t.KeepBest, Mode: t.KeepBestMode}
	var checkpoint *rundir.Checkpoint // nil: from the beginning
	if t.Resume {
		if checkpoint, err = t.openRun(); err != nil {
			return err
		}
	}
	if err := t.build(); err != nil {
		return err
	}
	if err := t.resolvePrecision(checkpoint); err != nil {
		return err
	}
	batches := int64(0)
	if checkpoint != nil {
		if err := t.restore(checkpoint); err != nil {
			return fmt.Errorf("cannot go on from the checkpoint of iteration %d: %w", checkpoint.State.Iteration, err)
		}
		batches = checkpoint.State.Batches
	}
	t.info.Iteration = t.iteration
	if err := t.openLoader(batches); err != nil {
		return err
	}
	return t.openLogs()
}

// build makes the model, checks it and gives its networks optimisers.
func (t *Trainer) build() error {
	torchx.ManualSeed(t.Seed)
	model, err := t.Build()
	if err != nil {
		return err
	}
	if model == nil {
		return errors.New("Build returned no model")
	}
	t.model = model
	for _, n := range model.Networks() {
		t.networks = append(t.networks, &network{Network: n})
	}
	for i, p := range model.Phases() {
		t.phases = append(t.phases, &phase{Phase: p, index: i})
	}
	if err := t.checkModel(); err != nil {
		return err
	}
	for _, n := range t.networks {
		if t.info.Device != "cpu" {
			torchx.ToDevice(n.Module, t.info.Device, -1)
		}
		n.Module.Train(true)
		info := describe(n.Network)
		if params := torchx.NamedParameters(n.Module); t.updated(n.Name) {
			options := t.Optimizers[n.Name]
			if err := torchx.Try(func() { n.optimizer = torchx.NewOptimizer(options, params) }); err != nil {
				return fmt.Errorf("network %s: %w", n.Name, err)
			}
			n.params, n.lr = len(params), n.optimizer.LR()
			info.Optimizer = options.TypeName()
		}
		if t.averages(n) {
			n.average = torchx.NewAverage(n.Module, t.EMA)
		}
		t.info.Networks = append(t.info.Networks, info)
	}
	for _, p := range t.phases {
		for _, name := range p.Updates {
			n := t.network(name)
			p.networks = append(p.networks, n)
			p.params = append(p.params, torchx.Parameters(n.Module)...)
		}
	}
	return nil
}

func describe(n Network) NetworkInfo {
	info := NetworkInfo{Name: n.Name, Parameters: torchx.CountParameters(n.Module)}
	for _, e := range n.Module.State() {
		info.Tensors = append(info.Tensors, TensorInfo{e.Name, torchx.Shape(e.Tensor), e.Buffer})
	}
	return info
}

// updated tells whether a phase steps the network.
func (t *Trainer) updated(name string) bool {
	return slices.ContainsFunc(t.phases, func(p *phase) bool { return slices.Contains(p.Updates, name) })
}

// network finds a network; nil if there is none of that name.
func (t *Trainer) network(name string) *network {
	i := slices.IndexFunc(t.networks, func(n *network) bool { return n.Name == name })
	if i < 0 {
		return nil
	}
	return t.networks[i]
}

// networkNames lists the networks for an error.
func (t *Trainer) networkNames() string {
	var names []string
	for _, n := range t.networks {
		names = append(names, n.Name)
	}
	return strings.Join(names, ", ")
}

// nextBatch takes a minibatch from the loader to the device.
func (t *Trainer) nextBatch() (Batch, error) {
	if err := t.readFirst(); err != nil {
		return Batch{}, err
	}
	b := t.first
	t.first = nil
	defer t.loader.Recycle(b)
	return toDevice(b, t.Dataset.Info(), t.info.Device), nil
}

// readFirst takes the next minibatch from the loader, unless it is there already.
func (t *Trainer) readFirst() (err error) {
	if t.first == nil {
		t.first, err = t.loader.Next()
	}
	return err
}

// consumed counts the minibatches that training has had.
func (t *Trainer) consumed() int64 {
	n := t.loader.Consumed()
	if t.first != nil {
		n--
	}
	return n
}

// Info describes the trainer. It does not wait for a running iteration.
func (t *Trainer) Info() Info { return t.info }

// Networks returns the model's networks. Use their tensors within Do, or when the trainer is closed.
func (t *Trainer) Networks() []Network {
	networks := make([]Network, len(t.networks))
	for i, n := range t.networks {
		networks[i] = n.Network
	}
	return networks
}

// Do runs f on the trainer's goroutine, in a scope, when no iteration is running. The panics of tensor functions in it are
// returned as errors.
func (t *Trainer) Do(f func() error) error { return t.do(forOthers, f) }

// Close ends the trainer's goroutines and closes the run's folder, which another process may then go on with. The model's
// networks stay usable. It is not for a trainer whose Run is on: end its context first. A second call does nothing.
func (t *Trainer) Close() {
	t.closing.Do(func() {
		defer t.thread.close()
		err := t.thread.do(t.release)
		if errors.Is(err, errEnded) {
			err = try(t.release) // on this goroutine, as the trainer's is gone
		}
		t.warn(err)
	})
}

// release gives back what lasts longer than a call, all of it even if a part cannot be.
func (t *Trainer) release() error {
	if t.dir != nil {
		defer func() { t.warn(t.dir.Close()) }()
	}
	defer t.events.close()
	if t.loader != nil {
		defer t.loader.Close()
	}
	t.warn(t.finishSaving(true)) // after a panic
	for _, n := range t.networks {
		if n.optimizer != nil {
			n.optimizer.Close()
		}
		if n.average != nil {
			n.average.Close()
		}
	}
	return nil
}
