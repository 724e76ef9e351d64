package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

const batchSize = 64

// realImages are those that pass the critic or discriminator in an iteration, as in the Python scripts.
var realImages = map[string]int{"wgan": 5 * batchSize, "dcgan": batchSize}

// measure is our side: it trains a model with its defaults and prints the same figures as the Python script.
func measure(model string, iterations int, out io.Writer) error {
	torchx.TuneAllocator()
	plugin, ok := models.Lookup(model)
	if !ok {
		return fmt.Errorf("there is no model %q", model)
	}
	data := newNoise(10_000)
	config := trainer.DefaultConfig()
	config.BatchSize, config.Threads, config.Device = batchSize, threads, "cpu"
	options := trainer.Options{
		Config:     config,
		Build:      func() (trainer.Model, error) { return plugin.Options().Build(data.Info()) },
		Dataset:    data,
		Optimizers: map[string]torchx.OptimizerOptions{},
	}
	for _, o := range plugin.Optimizers() {
		options.Optimizers[o.Network] = o.Options
	}
	t, err := trainer.New(options)
	if err != nil {
		return err
	}
	defer t.Close()

	var first time.Duration
	var times []time.Duration
	for i := range warmup + iterations {
		began := time.Now()
		if err := t.Iterate(1, nil); err != nil {
			return err
		}
		if i >= warmup {
			times = append(times, time.Since(began))
		}
		if i == 0 {
			if first, err = sinceProcessStart(); err != nil {
				return err
			}
		}
	}
	seconds := median(times, time.Duration.Seconds)
	_, peak := trainer.ResidentMemory()
	return json.NewEncoder(out).Encode(result{
		Model:            model,
		Torch:            torchx.NewReport().Libtorch,
		Threads:          t.Info().Threads,
		Batch:            batchSize,
		Iterations:       len(times),
		ImagesPerSecond:  float64(realImages[model]) / seconds,
		MsPerIteration:   seconds * 1000,
		TimeToFirstStepS: first.Seconds(),
		PeakRSSBytes:     peak,
	})
}

// noise is a dataset of random images of CIFAR-10's shape, held in memory as the Python scripts hold theirs.
type noise struct{ pixels []float32 }

const pixelsPerImage = 3 * 32 * 32

func newNoise(n int) noise {
	rng := rand.New(rand.NewPCG(1, 2))
	d := noise{make([]float32, n*pixelsPerImage)}
	for i := range d.pixels {
		d.pixels[i] = float32(rng.Uint32()>>24)/127.5 - 1
	}
	return d
}

func (d noise) Info() datasets.Info {
	return datasets.Info{Name: "noise", Channels: 3, Height: 32, Width: 32}
}

func (d noise) Len() int { return len(d.pixels) / pixelsPerImage }

func (d noise) Read(i int, s *datasets.Sample) error {
	copy(s.Image, d.pixels[i*pixelsPerImage:])
	return nil
}
