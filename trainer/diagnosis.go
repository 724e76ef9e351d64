package trainer

import (
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"math"
	"path/filepath"
	"strconv"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
	"github.com/imori-ml/imori/trainer/rundir"
)

// start is what an iteration begins with, so that its noise and batches can be drawn again.
type start struct {
	generators map[string][]byte
	batches    int64
}

// figure64 is a float64 whose JSON is a number, or "NaN", "+Inf", "-Inf", for which JSON has none.
type figure64 float64

// MarshalJSON never fails.
func (f figure64) MarshalJSON() ([]byte, error) {
	if isFinite(float64(f)) {
		return json.Marshal(float64(f))
	}
	return strconv.AppendQuote(nil, strconv.FormatFloat(float64(f), 'g', -1, 64)), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (f *figure64) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) != nil {
		return json.Unmarshal(b, (*float64)(f))
	}
	v, err := strconv.ParseFloat(text, 64)
	*f = figure64(v)
	return err
}

// report is report.json of a diagnosis.
type report struct {
	Iteration int    `json:"iteration"`
	Reason    string `json:"reason"`
	Phase     string `json:"phase,omitempty"`     // none: found after the iteration
	Repeat    int    `json:"repeat,omitempty"`    // of the phase, from 1
	Minibatch int    `json:"minibatch,omitempty"` // of those whose gradients are averaged, from 1
	Network   string `json:"network,omitempty"`   // whose gradients or weights they are
	// Losses are those of the iteration that were looked at, Metrics what it logged, if it is one that logs.
	Losses        []lossFigure            `json:"losses,omitempty"`
	Metrics       map[string]figure64     `json:"metrics,omitempty"`
	GradientNorms map[string]figure64     `json:"gradient_norms,omitempty"` // of the loss that is not finite, by network
	LearningRates map[string]figure64     `json:"learning_rates"`           // by network
	Weights       map[string]weightReport `json:"weights"`                  // by network
	LastLogged    lastLogged              `json:"last_logged"`              // the newest line of losses before
	// The rest is what the iteration began with: the state of each device's generator, in base64, and the batches taken.
	Generators map[string][]byte `json:"generators"`
	Batches    int64             `json:"batches"`
	BatchSize  int               `json:"batch_size"`
	Seed       int64             `json:"seed"`
	OrderSeed  int64             `json:"order_seed"` // of the samples: another one than Seed after a rollback
	Rollbacks  int               `json:"rollbacks"`
	Device     string            `json:"device"`
	Threads    int               `json:"threads"`
	Libtorch   string            `json:"libtorch"`
}

// weightReport describes the parameters of a network.
type weightReport struct {
	Largest   figure64 `json:"largest"` // of the absolute values that are finite
	Parameter string   `json:"parameter"`
	NotFinite int      `json:"not_finite"` // values
}

type lastLogged struct {
	Iteration int                 `json:"iteration"`
	Metrics   map[string]figure64 `json:"metrics"`
}

// diagnose writes diagnosis/<iteration>: batch.safetensors and batch.png, if there is a batch, and report.json. It returns
// the folder. A divergence that comes after a rollback has it in its name, so that none replaces that of another.
func (t *Trainer) diagnose(d *divergence) (string, error) {
	name := rundir.IterationName(d.iteration)
	if t.rollbacks > 0 {
		name += fmt.Sprintf("-rollback%d", t.rollbacks)
	}
	b, err := json.MarshalIndent(t.report(d), "", "  ")
	if err != nil {
		return "", err
	}
	return t.dir.SaveDiagnosis(name, func(folder string) error {
		write := func(name string, fill func(io.Writer) error) error {
			return atomicfile.WriteNew(filepath.Join(folder, name), fill)
		}
		if d.batch != nil {
			err := write("batch.safetensors", func(w io.Writer) error {
				return safetensors.Write(w, d.batch, map[string]string{"format": "pt"})
			})
			if err != nil {
				return err
			}
		}
		if d.picture != nil {
			if err := write("batch.png", func(w io.Writer) error { return png.Encode(w, d.picture) }); err != nil {
				return err
			}
		}
		return write("report.json", func(w io.Writer) error {
			_, err := w.Write(append(b, '\n'))
			return err
		})
	})
}

func (t *Trainer) report(d *divergence) report {
	r := report{
		Iteration: d.iteration, Reason: d.reason, Phase: d.phase, Repeat: d.repeat, Minibatch: d.minibatch, Network: d.network,
		Losses: d.losses, Metrics: byName(d.metrics), GradientNorms: byName(d.gradients),
		LearningRates: map[string]figure64{}, Weights: map[string]weightReport{},
		LastLogged: t.newest,
		Generators: t.start.generators, Batches: t.start.batches,
		BatchSize: t.BatchSize, Seed: t.Seed, OrderSeed: t.orderSeed(), Rollbacks: t.rollbacks,
		Device: t.info.Device, Threads: t.info.Threads, Libtorch: torchx.NewReport().Libtorch,
	}
	for _, n := range t.networks {
		if n.optimizer != nil {
			r.LearningRates[n.Name] = figure64(n.optimizer.LR())
		}
		r.Weights[n.Name] = weightsOf(n)
	}
	return r
}

func byName(metrics []Metric) map[string]figure64 {
	if metrics == nil {
		return nil
	}
	all := map[string]figure64{}
	for _, m := range metrics {
		all[m.Name] = figure64(m.Value)
	}
	return all
}

func weightsOf(n *network) (r weightReport) {
	for _, p := range torchx.NamedParameters(n.Module) {
		for _, v := range torchx.Float32s(p.Tensor) {
			size := figure64(math.Abs(float64(v)))
			switch {
			case !isFinite(float64(v)):
				r.NotFinite++
			case size > r.Largest || r.Parameter == "":
				r.Largest, r.Parameter = size, p.Name
			}
		}
	}
	return r
}

// explain adds to the error of a divergence where its diagnosis is. The diagnosis is an extra: without it the divergence
// is what it is.
func (t *Trainer) explain(d *divergence, err error) error {
	if t.dir == nil {
		return err
	}
	var path string
	failed := t.try(forOthers, func() (err error) {
		path, err = t.diagnose(d)
		return err
	})
	if failed != nil {
		t.observer.Warn(fmt.Sprintf("there is no diagnosis of the divergence: %v", failed))
		return err
	}
	return fmt.Errorf("%w; what it worked on is in %s", err, path)
}
