package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// result is what a run prints as one line of JSON, on either side; tools/bench/peer.py says what the figures mean.
type result struct {
	Model            string           `json:"model"`
	Precision        string           `json:"precision"`
	Torch            string           `json:"torch"`
	Threads          int              `json:"threads"`
	Batch            int              `json:"batch"`
	Parameters       map[string]int64 `json:"parameters"`
	Iterations       int              `json:"iterations"`
	ImagesPerSecond  float64          `json:"images_per_second"`
	MsPerIteration   float64          `json:"ms_per_iteration"`
	MedianMs         float64          `json:"median_ms"`
	TimeToFirstStepS float64          `json:"time_to_first_step_s"`
	PeakRSSBytes     int64            `json:"peak_rss_bytes"`

	// Ours alone.
	FlopsPerIteration float64 `json:"flops_per_iteration,omitempty"`
	OutsideShare      float64 `json:"outside_libtorch,omitempty"` // see outside
	Calls             float64 `json:"c_calls_per_iteration,omitempty"`

	// Added by the parent.
	ForeignCPU float64 `json:"foreign_cpu,omitempty"` // share of the machine that others used
	Apart      bool    `json:"apart,omitempty"`       // torchx.Apart, before or after
}

// runChild is what the program does when it is its own child.
func (s settings) runChild(in io.Reader, out io.Writer) error {
	switch {
	case s.child == childSpin:
		spin(in)
		return nil
	case s.child == childGEMM:
		return measureGEMM(s.precisions[0], out)
	case s.data != "":
		return measureLoader(s, out)
	}
	names, err := pick("-child", s.child, contestNames())
	if err != nil {
		return err
	}
	c := lookUp(names[0])
	if s.iterations > 0 {
		c.iterations = s.iterations
	}
	return measure(c, s.precisions[0], out)
}

// options are a trainer's with all defaults but those of the contest.
func (c contest) options(precision string) (trainer.Options, error) {
	plugin, ok := models.Lookup(c.model)
	if !ok {
		return trainer.Options{}, fmt.Errorf("there is no model %q", c.model)
	}
	data := newNoise(c.data, c.samples)
	config := trainer.DefaultConfig()
	config.BatchSize, config.Threads, config.Device = c.batch, threads, "cpu"
	if err := setPrecision(&config, precision); err != nil {
		return trainer.Options{}, err
	}
	model := plugin.Options()
	if c.adapt != nil {
		c.adapt(model)
	}
	options := trainer.Options{
		Config:     config,
		Build:      func() (trainer.Model, error) { return model.Build(c.data) },
		Dataset:    data,
		Optimizers: map[string]torchx.OptimizerOptions{},
	}
	for _, o := range plugin.Optimizers() {
		options.Optimizers[o.Network] = o.Options
	}
	return options, nil
}

// measure is our side of a contest: it prints the same figures as the Python script, and a few more.
func measure(c contest, precision string, out io.Writer) error {
	options, err := c.options(precision)
	if err != nil {
		return err
	}
	t, err := trainer.New(options)
	if err != nil {
		return err
	}
	defer t.Close()
	flops, err := c.flops(t.Info().Networks)
	if err != nil {
		return err
	}
	r, err := timed(t, c.iterations)
	if err != nil {
		return err
	}
	r.Model, r.Precision, r.FlopsPerIteration = c.model, precision, flops
	r.ImagesPerSecond = float64(c.minibatches*c.batch) / r.MsPerIteration * 1000
	_, r.PeakRSSBytes = trainer.ResidentMemory()
	if r.OutsideShare, r.Calls, err = outside(t, tracedIterations(r.MsPerIteration)); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// timed runs the iterations and fills in what does not depend on the contest.
func timed(t *trainer.Trainer, iterations int) (result, error) {
	info := t.Info()
	r := result{Torch: torchx.NewReport().Libtorch, Threads: info.Threads, Batch: info.BatchSize, Iterations: iterations, Parameters: map[string]int64{}}
	for _, n := range info.Networks {
		r.Parameters[n.Name] = n.Parameters
	}
	var times []time.Duration
	var total time.Duration
	for i := range warmup + iterations {
		began := time.Now()
		if err := t.Iterate(1, nil); err != nil {
			return result{}, err
		}
		if took := time.Since(began); i >= warmup {
			times = append(times, took)
			total += took
		}
		if i == 0 {
			first, err := sinceProcessStart()
			if err != nil {
				return result{}, err
			}
			r.TimeToFirstStepS = first.Seconds()
		}
	}
	r.MsPerIteration = total.Seconds() * 1000 / float64(iterations)
	r.MedianMs = median(times, time.Duration.Seconds) * 1000
	return r, nil
}
