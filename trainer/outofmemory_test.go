package trainer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
)

// grow asks for more than any machine has.
func grow() { torchx.Full(1, torch.Float, "cpu", 1<<48) }

// growing asks for it when the state of one of its networks is read too often.
type growing struct {
	Model
	calls, most *int
}

func (m growing) Networks() (all []Network) {
	for _, n := range m.Model.Networks() {
		n.Module = growingModule{n.Module, m}
		all = append(all, n)
	}
	return all
}

type growingModule struct {
	torchx.Module
	of growing
}

func (m growingModule) State() []torchx.Entry {
	if *m.of.calls++; *m.of.calls > *m.of.most {
		grow()
	}
	return m.Module.State()
}

// TestOutOfMemoryElsewhere: whatever the memory does not suffice for, the error says what helps.
func TestOutOfMemoryElsewhere(t *testing.T) {
	const anything, batches = "that depends on no minibatch: try smaller networks, train.ema 0", "it had minibatches of 4 images of 1x8x8: try a smaller train.batch_size"
	calls, most := 0, 1<<30
	grows := func(o *Options) {
		build := o.Build
		o.Build = func() (Model, error) {
			m, err := build()
			return growing{m, &calls, &most}, err
		}
	}
	for _, test := range []struct {
		name         string
		change       func(o *Options)
		want, advice string
	}{
		{"networks", func(o *Options) { o.Build = func() (Model, error) { grow(); return nil, nil } }, "cannot train: out of memory on cpu: ", anything},
		{"networks of a model that tries", func(o *Options) {
			o.Build = func() (Model, error) { return nil, fmt.Errorf("ae: building: %w", torchx.Try(grow)) }
		}, "cannot train: out of memory on cpu: ae: building: ", anything},
		{"checkpoint that is loaded", func(o *Options) {
			run(t, *o, 3)
			grows(o)
			fresh := *o
			fresh.Dir = ""
			newTrainer(t, fresh)
			most, calls, o.Resume = calls, 0, true
		}, "cannot train: out of memory on cpu: cannot go on from the checkpoint of iteration 3: network generator: ", anything},
		{"preview", func(o *Options) {
			o.Build = func() (Model, error) {
				m := newGAN(16)
				m.draw = func(*Preview) error { grow(); return nil }
				return m, nil
			}
		}, "preview: out of memory on cpu: ", anything},
		{"weights that are looked at", func(o *Options) {
			grows(o)
			o.Observer = &recorder{progress: func(p Progress) {
				if p.Iteration == 4 {
					most = calls
				}
			}}
		}, "iteration 5: out of memory on cpu: ", batches},
		{"checkpoint that is saved", func(o *Options) {
			grows(o)
			o.PreviewEvery = 0
			o.Observer = &recorder{progress: func(p Progress) {
				if p.Iteration == 5 {
					most = calls
				}
			}}
		}, "out of memory on cpu: ", anything},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls, most = 0, 1<<30
			o := options(nil)
			o.Dir = filepath.Join(inMemory(t), "run")
			test.change(&o)
			tr, err := New(o)
			if err == nil {
				defer tr.Close()
				err = tr.Run(t.Context())
			}
			if !errors.Is(err, ErrOutOfMemory) || !strings.HasPrefix(err.Error(), test.want) ||
				!strings.Contains(err.Error(), ": it needs 1125899906842624 bytes") || !strings.Contains(err.Error(), "; "+test.advice) || strings.Count(err.Error(), "out of memory") > 1 {
				t.Errorf("error is %v, expected %s", err, test.want)
			}
		})
	}
}

// vast is a dataset whose samples fit into no memory in such numbers.
type vast struct{ stripes }

func (vast) Info() datasets.Info {
	return datasets.Info{Name: "vast", Channels: 1, Height: 60_000, Width: 60_000}
}

// TestBatchesFitIntoMemory: Go would end the program where they do not.
func TestBatchesFitIntoMemory(t *testing.T) {
	o := options(nil)
	o.Dataset, o.BatchSize, o.Dir = vast{10}, 65536, filepath.Join(inMemory(t), "run")
	tr, err := New(o)
	if err == nil {
		tr.Close()
	}
	if !errors.Is(err, datasets.ErrMemory) || !strings.Contains(err.Error(), "5 batches of 65536 samples, each of 1x60000x60000, would take 4500000006 MiB") ||
		!strings.Contains(err.Error(), "try a smaller train.batch_size") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(o.Dir); err == nil {
		t.Error("the run has a folder")
	}
}
