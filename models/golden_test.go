package models

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/losses/formula"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer"
)

// TestGolden trains each model as PyTorch did, by the real trainer, and compares.
// testdata/golden/README.md says what is compared and why in float64.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		file     string
		doubles  int     // iterations in float64; all 20 compare weights and pictures, too
		spread32 float64 // of the losses in float32, PyTorch against itself
	}{
		{"wgan_3x32x32", 20, 2e-4},
		{"dcgan_3x32x32", 20, 4e-5},
		{"dcgan_1x28x28", 20, 5e-4},
	} {
		t.Run(c.file, func(t *testing.T) {
			golden := readGolden(t, c.file)
			t.Run("float64", func(t *testing.T) {
				iterations := c.doubles
				if testing.Short() {
					iterations = 2
				}
				m := trainByFormula(t, golden, iterations, torch.Double)
				m.compareMetrics(t, golden.Float64, func(want float64) float64 { return 1e-7 * math.Abs(want) })
				if iterations == golden.Iterations {
					m.compareState(t, golden.Float64)
					m.compareProbe(t, golden.Float64)
				}
			})
			t.Run("float32", func(t *testing.T) {
				m := trainByFormula(t, golden, 3, torch.Float)
				m.compareMetrics(t, golden.Float32, func(float64) float64 { return c.spread32 })
			})
		})
	}
}

// golden is one file of testdata/golden.
type golden struct {
	Model             string
	Shape             [3]int
	Batch, Iterations int
	Float32, Float64  goldenRun
}

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

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/golden/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// losses are those of a phase, in the order of its steps over the whole run.
func (g goldenRun) losses(phase string) []float64 {
	return map[string][]float64{
		"critic":        slices.Concat(g.CriticLoss...),
		"discriminator": g.DiscriminatorLoss,
		"generator":     g.GeneratorLoss,
	}[phase]
}

// formulaModel is a model whose minibatches are the formula's, and which records
// its losses.
type formulaModel struct {
	trainer.Model
	t       *testing.T
	batches int                  // used so far
	batch   []float32            // the last one
	losses  map[string][]float64 // by phase, in the order of its steps
	logged  []trainer.Metric     // of all iterations
}

func (m *formulaModel) Phases() []trainer.Phase {
	phases := m.Model.Phases()
	for i, p := range phases {
		phases[i].Loss = func(s *trainer.Step) torch.Tensor {
			if i == 0 { // of both models, the phase that draws minibatches
				images := s.Batch().Images
				if slices.Equal(torchx.Float32s(images), m.batch) {
					m.t.Errorf("phase %s got the minibatch of the step before, want a new one", p.Name)
				}
				shape := torchx.Shape(images)
				m.batch = formula.Values(fmt.Sprintf("batch.%d", m.batches), elements(shape), 1, 0)
				m.batches++
				torchx.Copy(images, torchx.FromFloat32(m.batch, shape...))
			}
			loss := p.Loss(s)
			m.losses[p.Name] = append(m.losses[p.Name], torchx.Item(loss))
			return loss
		}
	}
	return phases
}

// formulaNoise draws the formula's noise.
type formulaNoise struct{ draws int }

func (n *formulaNoise) Uniform(_, _ float64, shape ...int64) torch.Tensor {
	n.draws++
	return fromFormula(fmt.Sprintf("noise.%d", n.draws-1), shape, 1, 0)
}

func (n *formulaNoise) Normal(...int64) torch.Tensor { panic("the goldens have no normal noise") }

func fromFormula(tag string, shape []int64, scale, shift float64) torch.Tensor {
	return torchx.FromFloat32(formula.Values(tag, elements(shape), scale, shift), shape...)
}

func elements(shape []int64) int {
	n := 1
	for _, size := range shape {
		n *= int(size)
	}
	return n
}

// fillByFormula overwrites the parameters of a network; buffers stay at their
// initial values, which are the formula's.
func fillByFormula(network trainer.Network) {
	for _, p := range torchx.NamedParameters(network.Module) {
		shape := torchx.Shape(p.Tensor)
		scale, shift := 0.1, 0.0
		switch {
		case !strings.HasSuffix(p.Name, "weight"):
		case len(shape) > 1:
			scale = math.Sqrt(1 / float64(elements(shape[1:])))
		default:
			shift = 1
		}
		torchx.Copy(p.Tensor, fromFormula(network.Name+"."+p.Name, shape, scale, shift))
	}
}

// inDtype is a first layer whose input is converted.
type inDtype struct {
	torchx.Module
	dtype int8
}

func (l inDtype) Forward(x torch.Tensor) torch.Tensor {
	return l.Module.Forward(torchx.To(x, torchx.Device(x), l.dtype))
}

// trainByFormula trains a model with the default options in dtype. Images and
// noise are float32, and converted at the door of each network.
func trainByFormula(t *testing.T, g golden, iterations int, dtype int8) *formulaModel {
	t.Helper()
	plugin, ok := Lookup(g.Model)
	if !ok {
		t.Fatalf("there is no model %s", g.Model)
	}
	in := images(g.Shape[0], g.Shape[1], g.Shape[2])
	m := &formulaModel{t: t, losses: map[string][]float64{}}
	config := trainer.DefaultConfig()
	config.Iterations, config.BatchSize, config.Device, config.LogEvery = iterations, g.Batch, "cpu", 1
	run, err := trainer.New(trainer.Options{
		Config: config,
		Build: func() (trainer.Model, error) {
			model, err := plugin.Options().Build(in)
			if err != nil {
				return nil, err
			}
			for _, n := range model.Networks() {
				fillByFormula(n)
				torchx.ToDevice(n.Module, "cpu", dtype)
				layers := n.Module.(*torchx.Sequential).Layers
				layers[0] = inDtype{layers[0], dtype}
			}
			m.Model = model
			return m, nil
		},
		Dataset:    formulaImages{in},
		Optimizers: optimizers(plugin),
		Noise:      &formulaNoise{},
		Observer:   observer{progress: func(p trainer.Progress) { m.logged = append(m.logged, p.Metrics...) }},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if err := run.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return m
}

func optimizers(p Plugin) map[string]torchx.OptimizerOptions {
	options := map[string]torchx.OptimizerOptions{}
	for _, o := range p.Optimizers() {
		options[o.Network] = o.Options
	}
	return options
}

// formulaImages is a dataset of a few images of noise.
type formulaImages struct{ info datasets.Info }

func (d formulaImages) Info() datasets.Info { return d.info }
func (d formulaImages) Len() int            { return 40 }

func (d formulaImages) Read(i int, s *datasets.Sample) error {
	formula.Fill(s.Image, "image", i*len(s.Image), 1, 0)
	return nil
}

func (m *formulaModel) compareMetrics(t *testing.T, want goldenRun, tolerance func(want float64) float64) {
	t.Helper()
	for _, p := range m.Model.Phases() {
		expected := want.losses(p.Name)
		got := m.losses[p.Name]
		if len(got) == 0 || len(got) > len(expected) {
			t.Fatalf("phase %s has %d losses, the file %d", p.Name, len(got), len(expected))
		}
		for i, loss := range got {
			if !(math.Abs(loss-expected[i]) <= tolerance(expected[i])) {
				t.Fatalf("phase %s, step %d: loss %.9g, want %.9g", p.Name, i, loss, expected[i])
			}
		}
	}
	var estimates []float64 // of the last repeat of each iteration
	for _, metric := range m.logged {
		if metric.Name == "critic/wasserstein" {
			estimates = append(estimates, metric.Value)
		}
	}
	if len(want.Wasserstein) > 0 && len(estimates) == 0 {
		t.Fatal("no Wasserstein estimate was logged")
	}
	for i, estimate := range estimates {
		if last := want.Wasserstein[i][len(want.Wasserstein[i])-1]; !(math.Abs(estimate-last) <= tolerance(last)) {
			t.Fatalf("iteration %d: Wasserstein estimate %.9g, want %.9g", i+1, estimate, last)
		}
	}
}

func (m *formulaModel) compareState(t *testing.T, want goldenRun) {
	t.Helper()
	networks := m.Model.Networks()
	if len(networks) != len(want.State) {
		t.Errorf("there are %d networks, want %d", len(networks), len(want.State))
	}
	for _, n := range networks {
		entries := n.Module.State()
		if len(entries) != len(want.State[n.Name]) {
			t.Errorf("%s has %d entries, want %d", n.Name, len(entries), len(want.State[n.Name]))
		}
		for _, e := range entries {
			expected, ok := want.State[n.Name][e.Name]
			if !ok {
				t.Errorf("%s has %s, which PyTorch's has not", n.Name, e.Name)
				continue
			}
			if shape := torchx.Shape(e.Tensor); !slices.Equal(shape, expected.Shape) {
				t.Errorf("%s.%s has shape %v, want %v", n.Name, e.Name, shape, expected.Shape)
			}
			sum, square := 0.0, 0.0
			for _, v := range torchx.Float64s(e.Tensor) {
				sum += v
				square += v * v
			}
			norm := math.Sqrt(square)
			within := 1e-7 * max(expected.Norm, math.Abs(expected.Sum))
			if !(math.Abs(sum-expected.Sum) <= within && math.Abs(norm-expected.Norm) <= within) {
				t.Errorf("%s.%s: sum %.9g and norm %.9g, want %.9g and %.9g", n.Name, e.Name, sum, norm, expected.Sum, expected.Norm)
			}
		}
	}
}

func (m *formulaModel) compareProbe(t *testing.T, want goldenRun) {
	t.Helper()
	var shape []int64
	var values []float64
	torchx.Scoped(func() {
		generator := m.Model.Networks()[0].Module
		generator.Train(false)
		var output torch.Tensor
		torchx.NoGrad(func() { output = generator.Forward(fromFormula("probe", []int64{2, 100}, 1, 0)) })
		shape, values = torchx.Shape(output), torchx.Float64s(output)
	})
	if !slices.Equal(shape, want.Probe.Shape) {
		t.Fatalf("the probe's output has shape %v, want %v", shape, want.Probe.Shape)
	}
	mean, std := moments(values)
	got := append(slices.Clone(values[:len(want.Probe.First)]), mean, std)
	for i, expected := range append(slices.Clone(want.Probe.First), want.Probe.Mean, want.Probe.Std) {
		if math.Abs(got[i]-expected) > 1e-7 {
			t.Errorf("the probe's value %d (the last two: mean and deviation) is %.9g, want %.9g", i, got[i], expected)
		}
	}
}
