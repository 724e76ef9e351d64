package trainer

import (
	"fmt"
	"slices"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// iteration holds what lives from one phase to the next: outside the scopes of the phases, until end.
type iteration struct {
	number int
	logged bool // metrics are wanted
	check  bool // every loss is looked at before the networks step
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

// iterate runs one iteration and returns its metrics if they are wanted.
func (t *Trainer) iterate(logged, check bool) (metrics []Metric, err error) {
	if t.broken != nil {
		return nil, fmt.Errorf("the trainer cannot go on after an error: %w", t.broken)
	}
	t.broken = errUnfinished // should something panic
	it := newIteration(t.iteration+1, t.Accumulate, logged, check || t.info.Device == "cpu")
	err = try(func() error {
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
	return metrics, nil
}
