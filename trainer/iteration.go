package trainer

import (
	"errors"
	"fmt"
	"slices"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// iteration holds what lives from one phase to the next: outside the scopes of the phases, until end.
type iteration struct {
	number int
	logged bool // metrics are wanted
	check  bool // every loss is looked at before the networks step, not when all is done
	saved  bool // there is to be a checkpoint of it
	losses []lossFigure
	unread []unreadLoss // to be looked at when all is done
	shards []*shard
	values []value // of the finished phases, in order
}

// shard is one of the minibatches of an iteration, over which gradients are averaged, and what is made from it.
type shard struct {
	index int
	batch *Batch // of all phases that are not fresh
	once  []*shared
}

// value is a metric of a shard that has not been read from the device yet.
type value struct {
	name  string
	shard int
	t     torch.Tensor
}

func newIteration(number, shards int, logged, check bool) *iteration {
	it := &iteration{number: number, logged: logged, check: check}
	for i := range shards {
		it.shards = append(it.shards, &shard{index: i})
	}
	return it
}

// shared returns the minibatch of all phases that are not fresh.
func (sh *shard) shared(t *Trainer) Batch {
	if sh.batch == nil {
		b, err := t.nextBatch()
		if err != nil {
			fail(err)
		}
		torchx.KeepAll(b.tensors()...)
		sh.batch = &b
	}
	return *sh.batch
}

// end frees everything, after errors too.
func (it *iteration) end() {
	for _, sh := range it.shards {
		if sh.batch != nil {
			sh.batch.Free()
		}
		for _, o := range sh.once {
			o.free()
		}
	}
	for _, v := range it.values {
		torchx.Free(v.t)
	}
	for _, u := range it.unread {
		torchx.Free(u.loss)
	}
}

// metrics reads the logged values, each the mean over its shards; nil when none are wanted.
func (it *iteration) metrics() ([]Metric, error) {
	if !it.logged {
		return nil, nil
	}
	var metrics []Metric
	counts := map[string]int{}
	for _, v := range it.values {
		var item float64
		if err := torchx.Try(func() { item = torchx.Item(v.t) }); err != nil {
			return nil, fmt.Errorf("metric %s: %w", v.name, err)
		}
		at := slices.IndexFunc(metrics, func(m Metric) bool { return m.Name == v.name })
		counts[v.name]++
		if at < 0 {
			metrics = append(metrics, Metric{v.name, item})
		} else {
			metrics[at].Value += item
		}
	}
	for i, m := range metrics {
		metrics[i].Value /= float64(counts[m.Name])
	}
	return metrics, nil
}

// iterate runs one iteration and returns its metrics if they are wanted. One that is saved has finite weights.
func (t *Trainer) iterate(logged, saved bool) (metrics []Metric, err error) {
	if err := t.whole(); err != nil {
		return nil, err
	}
	it := newIteration(t.iteration+1, t.Accumulate, logged, logged || saved || !t.runsAhead)
	it.saved = saved
	if err := t.begin(); err != nil {
		return nil, fmt.Errorf("iteration %d: %w", it.number, err)
	}
	t.broken = errUnfinished // should something panic
	err = t.try(forBatches, func() error {
		var err error
		torchx.Scoped(func() {
			defer it.end()
			t.setLearningRates(it.number)
			for i := range t.phases {
				if err = t.runPhase(it, i); err != nil {
					return
				}
			}
			t.updateAverages()
			if err = it.checkUnread(); err != nil {
				return
			}
			if it.saved {
				if err = t.checkWeights(); err != nil {
					err = it.completed(err)
					return
				}
			}
			if metrics, err = it.metrics(); err == nil && logged {
				metrics = append(metrics, t.learningRates()...)
			}
		})
		return err
	})
	if err != nil {
		err = fmt.Errorf("iteration %d: %w", it.number, err)
		t.broken = err
		return nil, err
	}
	t.broken = nil
	t.iteration++
	t.owed = nil
	t.takes = t.consumed() > t.start.batches
	return metrics, nil
}

// whole is an error if the state is none that an iteration ends in.
func (t *Trainer) whole() error {
	if t.broken == nil {
		return nil
	}
	return fmt.Errorf("the trainer cannot go on after an error: %w", t.broken)
}

// begin gets ready for an iteration. An error leaves the state as it was: that a sample cannot be read shows here already,
// if it is one of the iteration's first minibatch.
func (t *Trainer) begin() error {
	t.start.batches = t.consumed()
	if t.dir != nil { // for a diagnosis
		if t.start.generators == nil {
			t.start.generators = map[string][]byte{}
		}
		t.readGenerators(t.start.generators)
	}
	if t.takes {
		return t.readFirst()
	}
	return nil
}

// completed adds to an error of the weights what else is known of the iteration.
func (it *iteration) completed(err error) error {
	var d *divergence
	if !errors.As(err, &d) {
		return err
	}
	found := it.diverged(d.reason)
	found.network = d.network
	if sh := it.shards[0]; sh.batch != nil {
		found.takeBatch(*sh.batch)
	}
	return found
}
