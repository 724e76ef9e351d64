package trainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// What Config.OnDivergence can be.
const (
	divergenceStop     = "stop"
	divergenceRollback = "rollback"
)

// rollbacksKey is where in a checkpoint's State.Extra the trainer keeps how often the run went back.
const rollbacksKey = "rollbacks"

func (c Config) checkFailures() (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.OnSaveError != saveErrorStop && c.OnSaveError != saveErrorContinue {
		wrong("on_save_error is %q, expected %s or %s", c.OnSaveError, saveErrorStop, saveErrorContinue)
	}
	if c.OnDivergence != divergenceStop && c.OnDivergence != divergenceRollback {
		wrong("on_divergence is %q, expected %s or %s", c.OnDivergence, divergenceStop, divergenceRollback)
	}
	if c.OnDivergence == divergenceRollback && c.CheckpointEvery == 0 && c.CheckpointMinutes == 0 {
		wrong("checkpoint_every and checkpoint_minutes are 0, expected one above 0 with on_divergence %s: it goes back to a checkpoint", divergenceRollback)
	}
	return errs
}

// recovers tells whether training can go on after an error of an iteration, because the run has gone back. Otherwise it
// returns the error to stop with.
func (t *Trainer) recovers(err error) (bool, error) {
	var d *divergence
	if !errors.As(err, &d) {
		return false, err
	}
	err = t.explain(d, err)
	switch {
	case t.OnDivergence != divergenceRollback:
		return false, fmt.Errorf("%w; a run with on_divergence %s goes back to a checkpoint and tries again", err, divergenceRollback)
	case t.rollbacks >= t.MaxRollbacks:
		return false, fmt.Errorf("%w; the run went back %d times, as often as max_rollbacks allows", err, t.rollbacks)
	}
	if failed := t.tolerateSave(t.finishSaving(true)); failed != nil {
		return false, errors.Join(err, failed)
	}
	if failed := t.rollBack(); failed != nil {
		return false, fmt.Errorf("%w; and going back failed: %w", err, failed)
	}
	t.observer.Warn(fmt.Sprintf("%v; the run goes on from iteration %d with other noise and another order (rollback %d of %d)",
		err, t.iteration, t.rollbacks, t.MaxRollbacks))
	return true, nil
}

// rollBack makes the state that of a checkpoint, or a fresh one where the run has no checkpoint at all, but for random numbers
// and the order of the samples: these are a function of the seed and the number of rollbacks.
func (t *Trainer) rollBack() error {
	c, err := t.rollbackPoint()
	if err != nil {
		return err
	}
	t.rollbacks++
	t.broken = errUnfinished
	if err := t.try(forOthers, func() error { return t.loadOrRestart(c) }); err != nil {
		return err
	}
	torchx.ManualSeed(rollbackSeed(t.Seed, t.rollbacks))
	batches := int64(0)
	if c != nil {
		batches = c.State.Batches
	}
	if err := t.openLoader(batches); err != nil {
		return err
	}
	if err := t.restoreBest(c); err != nil {
		return err
	}
	if err := t.forgetLater(c); err != nil {
		return err
	}
	t.broken = nil
	return nil
}

// loadOrRestart gives the networks the state of a checkpoint, or a fresh one without.
func (t *Trainer) loadOrRestart(c *rundir.Checkpoint) error {
	t.renew()
	if c == nil {
		return t.restart()
	}
	return t.load(c)
}

// rollbackSeed is that of the noise and the order after a rollback.
func rollbackSeed(seed int64, rollbacks int) int64 {
	return int64(rand.NewPCG(uint64(seed), uint64(rollbacks)).Uint64())
}

// orderSeed is the seed of the order and the augmentation of the samples.
func (t *Trainer) orderSeed() int64 {
	if t.rollbacks == 0 {
		return t.Seed
	}
	return rollbackSeed(t.Seed, t.rollbacks)
}

func (t *Trainer) openLoader(batches int64) (err error) {
	if t.loader != nil {
		t.loader.Close()
	}
	t.first, t.loader = nil, nil // the new one needs their memory
	t.loader, err = datasets.NewLoader(t.Dataset, datasets.LoaderOptions{
		BatchSize: t.BatchSize, Seed: t.orderSeed(), Augment: t.Augment, Start: batches,
	})
	if errors.Is(err, datasets.ErrMemory) {
		err = fmt.Errorf("%w; %s", err, smallerBatches)
	}
	return err
}

// rollbackPoint reads the checkpoint to go back to; nil if the run has none. It is the newest that can be read of those of
// checkpoint_every, so that a run that was interrupted, or slow, goes back to where any other does; setDir makes one of them
// stay. Where there is none it is the newest of the others: what was trained counts for more than that a run can be repeated.
// Where the run has some and none of them can be read it is an error: they are more than fresh weights to whoever can mend
// the disk.
func (t *Trainer) rollbackPoint() (*rundir.Checkpoint, error) {
	if t.dir == nil {
		return nil, nil
	}
	iterations, err := t.dir.Checkpoints()
	if err != nil || len(iterations) == 0 {
		return nil, err
	}
	for _, regular := range []bool{true, false} {
		for _, n := range slices.Backward(iterations) {
			if n > t.iteration || every(t.CheckpointEvery, n) != regular {
				continue // later ones are left of a run that somebody made go back
			}
			c, err := rundir.OpenCheckpoint(t.dir.CheckpointPath(n))
			if err == nil {
				return c, nil
			}
			t.observer.Warn(fmt.Sprintf("going back to another checkpoint: %v", err))
		}
	}
	return nil, fmt.Errorf("none of the %d checkpoints can be read, expected one of an iteration up to %d", len(iterations), t.iteration)
}

// renew gives the networks optimisers and averages that know of nothing.
func (t *Trainer) renew() {
	for _, n := range t.networks {
		if n.optimizer != nil {
			n.optimizer.Close()
			n.optimizer = torchx.NewOptimizer(t.Optimizers[n.Name], torchx.NamedParameters(n.Module))
		}
		if n.average != nil {
			n.average.Close()
			n.average = torchx.NewAverage(n.Module, t.EMA)
		}
	}
	t.iteration, t.savedAt, t.owed = 0, -1, nil
}

// restart gives the networks fresh weights: those of a model that is built with another seed.
func (t *Trainer) restart() error {
	torchx.ManualSeed(rollbackSeed(t.Seed, t.rollbacks))
	model, err := t.Build()
	if err != nil {
		return fmt.Errorf("cannot build the model again: %w", err)
	}
	fresh := model.Networks()
	for i, n := range t.networks {
		if i >= len(fresh) || fresh[i].Name != n.Name {
			return fmt.Errorf("the model, built again, has other networks than %s", t.networkNames())
		}
		if err := torchx.LoadState(n.Module, torchx.StateTensors(fresh[i].Module)); err != nil {
			return fmt.Errorf("network %s, built again: %w", n.Name, err)
		}
	}
	return nil
}

// forgetLater takes out of the run's folder what it trained since the iteration that it has gone back to. Pictures stay:
// those of the same iterations replace them, and the animation ends with the run. The recipe stays, too: it may have changed
// since.
func (t *Trainer) forgetLater(c *rundir.Checkpoint) error {
	t.health, t.newest = health{}, lastLogged{}
	if t.dir == nil {
		return nil
	}
	var state rundir.State
	if c != nil {
		state = c.State
	}
	if err := t.keepRecipeGoingBack(state); err != nil {
		return err
	}
	if err := t.dir.GoBack(t.savedAt); err != nil {
		return err
	}
	if _, err := t.dir.ForgetRecipesAfter(t.iteration); err != nil {
		return err
	}
	if err := t.cutLogs(); err != nil {
		return err
	}
	t.events.close()
	t.openEvents()
	return nil
}

// restoreRollbacks goes on from the checkpoint's number.
func (t *Trainer) restoreRollbacks(c *rundir.Checkpoint) error {
	raw := c.State.Extra[rollbacksKey]
	if raw == nil {
		return nil
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil {
		return fmt.Errorf("what it says of rollbacks is damaged: %w", err)
	}
	if n < 0 {
		return fmt.Errorf("what it says of rollbacks is damaged: found %d, expected 0 or more", n)
	}
	t.rollbacks = n
	return nil
}
