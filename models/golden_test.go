package models

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses/formula"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// goldenRun is what PyTorch computed, of one training in one element type;
// testdata/golden/README.md says how.
type goldenRun struct {
	CriticLoss        [][]float64 `json:"critic_loss"`
	Wasserstein       [][]float64
	DiscriminatorLoss []float64 `json:"discriminator_loss"`
	GeneratorLoss     []float64 `json:"generator_loss"`
	State             map[string]map[string]struct {
		Shape     []int64
		Sum, Norm float64
	}
	Probe struct {
		Shape     []int64
		First     []float64
		Mean, Std float64
	}
}

// phaseLosses are the losses of a phase in the order of its steps, a row an iteration.
func (g *goldenRun) phaseLosses(phase string) [][]float64 {
	column := func(values []float64) (rows [][]float64) {
		for _, v := range values {
			rows = append(rows, []float64{v})
		}
		return rows
	}
	switch phase {
	case "critic":
		return g.CriticLoss
	case "discriminator":
		return column(g.DiscriminatorLoss)
	case "generator":
		return column(g.GeneratorLoss)
	}
	return nil
}

func TestGolden(t *testing.T) {
	for _, c := range []struct {
		file       string
		doubles    int     // iterations in float64; 20 are the whole, state and probe included
		singles    int     // iterations in float32
		difference float64 // of the losses, in float32: the spread of PyTorch's own
	}{
		{"wgan_3x32x32", 20, 3, 2e-4},
		{"dcgan_3x32x32", 20, 3, 4e-5},
		{"dcgan_1x28x28", 20, 3, 5e-4},
	} {
		t.Run(c.file, func(t *testing.T) {
			text, err := os.ReadFile("testdata/golden/" + c.file + ".json")
			if err != nil {
				t.Fatal(err)
			}
			var golden struct {
				Model      string
				Shape      [3]int
				Batch      int
				Iterations int
				Float32    goldenRun
				Float64    goldenRun
			}
			if err := json.Unmarshal(text, &golden); err != nil {
				t.Fatal(err)
			}
			in := images(golden.Shape[0], golden.Shape[1], golden.Shape[2])
			t.Run("float64", func(t *testing.T) {
				iterations := c.doubles
				if testing.Short() {
					iterations = 2
				}
				run := trainByFormula(t, golden.Model, in, golden.Batch, iterations, torch.Double)
				run.compareLosses(t, &golden.Float64, func(want float64) float64 { return 1e-7 * math.Abs(want) })
				if iterations == golden.Iterations {
					run.compareState(t, &golden.Float64)
				}
			})
			t.Run("float32", func(t *testing.T) {
				run := trainByFormula(t, golden.Model, in, golden.Batch, c.singles, torch.Float)
				run.compareLosses(t, &golden.Float32, func(float64) float64 { return c.difference })
			})
		})
	}
}

// formulaRun is a training that this side has done.
type formulaRun struct {
	losses map[string][][]float64 // by phase, a row an iteration
	state  map[string]map[string][]float64
	shapes map[string]map[string][]int64
	probe  []float64 // the generator's output in eval mode
}

// trainByFormula trains a model with its defaults from the formula's weights,
// on its images and noise.
func trainByFormula(t *testing.T, name string, in datasets.Info, batch, iterations int, dtype int8) *formulaRun {
	t.Helper()
	plugin, ok := Lookup(name)
	if !ok {
		t.Fatalf("there is no model %s", name)
	}
	run := &formulaRun{losses: map[string][][]float64{}, state: map[string]map[string][]float64{}, shapes: map[string]map[string][]int64{}}
	var model *recorder
	return run
}
