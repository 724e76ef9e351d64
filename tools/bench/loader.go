package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/trainer"
)

// What a model of a recipe for CIFAR-10 trains on, for -data.
const (
	dataRead = "read" // the recipe's images, read and augmented beside training
	dataHeld = "held" // one batch of them
)

func loaderRecipe(model string) string { return model + "_cifar10" }

// loaderModels are those with a recipe for CIFAR-10.
func loaderModels() []string {
	var all []string
	for _, name := range models.Names() {
		if slices.Contains(recipes.BuiltinNames(), loaderRecipe(name)) {
			all = append(all, name)
		}
	}
	return all
}

// loaderRow is a model's step with and without the work of the loader.
type loaderRow struct {
	Model    string    `json:"model"`
	Percent  float64   `json:"percent"` // that a step is longer with the loader: median of the pairs
	ReadMs   float64   `json:"read_ms"` // an iteration: medians of the pairs
	HeldMs   float64   `json:"held_ms"`
	Percents []float64 `json:"percents"`
	Read     []result  `json:"read"`
	Held     []result  `json:"held"`
}

// compareLoader compares, in turns, the steps of recipes on images that are read and augmented with those on one batch.
func compareLoader(ctx context.Context, s settings, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r := struct {
		Machine machine     `json:"machine"`
		Threads int         `json:"threads"`
		Busy    int         `json:"busy_neighbours"`
		Rows    []loaderRow `json:"models"`
	}{newMachine(), threads, s.busy, nil}
	run := runner{ctx: ctx, out: out, busy: s.busy > 0}
	fmt.Fprintln(out, r.Machine)
	for _, model := range s.models {
		row := loaderRow{Model: model}
		for range s.pairs {
			var both [2]result
			for i, data := range []string{dataRead, dataHeld} {
				both[i], err = run.result(self, "-loader", "-child", model, "-data", data, "-root", s.root,
					"-iterations", strconv.Itoa(s.iterations), "-precision", s.precisions[0])
				if err != nil {
					return fmt.Errorf("%s: %w", loaderRecipe(model), err)
				}
			}
			row.Read, row.Held = append(row.Read, both[0]), append(row.Held, both[1])
			row.Percents = append(row.Percents, 100*(both[0].MsPerIteration/both[1].MsPerIteration-1))
		}
		ms := func(r result) float64 { return r.MsPerIteration }
		row.Percent = median(row.Percents, func(v float64) float64 { return v })
		row.ReadMs, row.HeldMs = median(row.Read, ms), median(row.Held, ms)
		r.Rows = append(r.Rows, row)
		fmt.Fprintf(out, "%s: a step takes %.2f ms with images read and augmented, %.2f ms with one batch held in memory: %+.1f %% (%+.1f..%+.1f)\n",
			loaderRecipe(model), row.ReadMs, row.HeldMs, row.Percent, slices.Min(row.Percents), slices.Max(row.Percents))
	}
	return saveJSON(s.output, r)
}

// loaderIterations is enough for what was read ahead before to matter little.
const loaderIterations = 100

// measureLoader is a run of a recipe for one side of compareLoader.
func measureLoader(s settings, out io.Writer) error {
	recipe, err := recipes.Builtin(loaderRecipe(s.child), []string{
		"dataset.root=" + strconv.Quote(s.root), "dataset.download=false", "train.device=cpu", "train.threads=" + strconv.Itoa(threads),
	})
	if err != nil {
		return err
	}
	options, err := recipe.TrainerOptions(context.Background(), datasets.Env{})
	if err != nil {
		return err
	}
	if err := setPrecision(&options.Config, s.precisions[0]); err != nil {
		return err
	}
	switch s.data {
	case dataRead:
	case dataHeld:
		if options.Dataset, err = hold(options.Dataset, options.BatchSize); err != nil {
			return err
		}
		options.Augment, options.Test = nil, nil
	default:
		return fmt.Errorf("-data is %q, expected %s or %s", s.data, dataRead, dataHeld)
	}
	t, err := trainer.New(options)
	if err != nil {
		return err
	}
	defer t.Close()
	iterations := loaderIterations
	if s.iterations > 0 {
		iterations = s.iterations
	}
	r, err := timed(t, iterations)
	if err != nil {
		return err
	}
	r.Model, r.Precision = s.child, s.precisions[0]
	return json.NewEncoder(out).Encode(r)
}

// held is one batch of a dataset: what is left of reading is a copy.
type held struct {
	info    datasets.Info
	samples []datasets.Sample
}

func hold(d datasets.Dataset, n int) (*held, error) {
	info := d.Info()
	h := &held{info: info, samples: make([]datasets.Sample, n)}
	for i := range h.samples {
		h.samples[i].Image = make([]float32, info.Channels*info.Height*info.Width)
		if err := d.Read(i%d.Len(), &h.samples[i]); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *held) Info() datasets.Info { return h.info }

func (h *held) Len() int { return len(h.samples) }

func (h *held) Read(i int, s *datasets.Sample) error {
	copy(s.Image, h.samples[i].Image)
	s.Label = h.samples[i].Label
	return nil
}
