package trainer

import (
	"fmt"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// iteration holds what lives from one phase to the next: outside the scopes of the phases, until end.
type iteration struct {
	number int
	logged bool // metrics are wanted
	check  bool // every loss is looked at before the networks step
	shared *Batch
	once   []*shared
	values []value // of the finished phases, in order
}

// value is a metric that has not been read from the device yet.
type value struct {
	name string
	t    torch.Tensor
}

// batch is the minibatch of all phases that are not fresh.
func (it *iteration) batch(t *Trainer) Batch {
	if it.shared == nil {
		b, err := t.nextBatch()
		if err != nil {
			fail(err)
		}
		torchx.KeepAll(b.tensors()...)
		it.shared = &b
	}
	return *it.shared
}

// end frees everything, after errors too.
func (it *iteration) end() {
	if it.shared != nil {
		torchx.Free(it.shared.tensors()...)
	}
	for _, o := range it.once {
		o.free()
	}
	freeValues(it.values)
}

func freeValues(vs []value) {
	for _, v := range vs {
		torchx.Free(v.t)
	}
}

// metrics reads the logged values; nil when none are wanted.
func (it *iteration) metrics() ([]Metric, error) {
	if !it.logged {
		return nil, nil
	}
	metrics := make([]Metric, len(it.values))
	for i, v := range it.values {
		err := torchx.Try(func() { metrics[i] = Metric{v.name, torchx.Item(v.t)} })
		if err != nil {
			return nil, fmt.Errorf("metric %s: %w", v.name, err)
		}
	}
	return metrics, nil
}

// iterate runs one iteration and returns its metrics if they are wanted.
func (t *Trainer) iterate(logged, check bool) (metrics []Metric, err error) {
	if t.broken != nil {
		return nil, fmt.Errorf("the trainer cannot go on after an error: %w", t.broken)
	}
	t.broken = errUnfinished // should something panic
	it := &iteration{number: t.iteration + 1, logged: logged, check: check || t.info.Device == "cpu"}
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
