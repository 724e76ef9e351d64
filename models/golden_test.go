package models

import (
	"encoding/json"
	"fmt"
	"image/color"
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

// goldenCases are the files of testdata/golden.
var goldenCases = []struct {
	file     string
	options  func(Options) // what differs from the defaults; nil: nothing
	python   string        // the same for load_check.py: sizes of networks
	doubles  int           // iterations in float64; all of the file compare weights and outputs, too
	singles  int           // iterations in float32
	spread32 float64       // of the losses in float32, PyTorch against itself, relative to those above 1
	spread64 float64       // of all figures in float64, with sums in another order than PyTorch's
}{
	{"wgan_3x32x32", nil, "", 20, 3, 2e-4, 1e-7},
	{"dcgan_3x32x32", nil, "", 20, 3, 4e-5, 1e-7},
	{"dcgan_1x28x28", nil, "", 20, 3, 2e-3, 1e-7},
	{"gan_3x32x32", nil, "", 20, 3, 1e-4, 1e-7},
	{"gan_1x28x28", nil, "", 20, 3, 1e-4, 1e-7},
	{"cgan_3x32x32", nil, "", 5, 3, 5e-4, 1e-7},
	{"cgan_1x28x28", nil, "", 20, 3, 5e-4, 1e-7},
	{"ae_3x32x32", nil, "", 20, 3, 1e-5, 1e-7},
	{"convae_3x32x32", nil, "", 20, 3, 1e-5, 1e-7},
	{"vae_1x28x28", nil, "", 20, 3, 1e-5, 1e-7},
	{"vae_3x32x32", func(o Options) {
		vae := o.(*VAEOptions)
		vae.Network, vae.Reconstruction, vae.Latent.Dim = "conv", "mse", 64
	}, "kind=conv latent=64", 20, 3, 1e-4, 1e-7},
	{"pix2pix_3x64x64", func(o Options) { o.(*Pix2PixOptions).Dropout = 0 }, "", 3, 1, 1e-3, 1e-7},
	{"wgangp_3x32x32", nil, "", 2, 1, 2e-2, 1e-7},
	{"alphagan_1x28x28", func(o Options) { o.(*AlphaGANOptions).ZDim = 10 }, "latent=10", 4, 1, 2e-3, 1e-6},
	{"alphagan_3x32x32", nil, "", 4, 1, 2e-3, 1e-6},
}

// TestGolden trains each model as PyTorch did, by the real trainer, and compares.
// testdata/golden/README.md says what is compared and why in float64.
func TestGolden(t *testing.T) {
	for _, c := range goldenCases {
		t.Run(c.file, func(t *testing.T) {
			golden := readGolden(t, c.file)
			t.Run("float64", func(t *testing.T) {
				iterations := c.doubles
				if testing.Short() {
					iterations = min(iterations, 2)
				}
				m := trainByFormula(t, golden, c.options, iterations, torch.Double)
				m.compareMetrics(t, golden.Float64, func(want float64) float64 { return c.spread64 * math.Abs(want) })
				whole := iterations == golden.Iterations
				m.compareState(t, golden.Float64, whole, c.spread64)
				if whole {
					m.compareProbe(t, golden.Float64, c.spread64)
				}
			})
			t.Run("float32", func(t *testing.T) {
				m := trainByFormula(t, golden, c.options, c.singles, torch.Float)
				m.compareMetrics(t, golden.Float32, func(want float64) float64 { return c.spread32 * max(1, math.Abs(want)) })
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

// goldenRun is one training of a golden file.
type goldenRun struct {
	values map[string][]float64 // of every step, in order: "<phase>_loss" and what else was recorded
	State  map[string]map[string]struct {
		Shape     []int64
		Sum, Norm float64
	}
	Probe struct {
		Shape     []int64
		First     []float64
		Mean, Std float64
	}
}

// UnmarshalJSON also collects the lists of numbers, nested where a phase repeats.
func (g *goldenRun) UnmarshalJSON(text []byte) error {
	type known goldenRun
	if err := json.Unmarshal(text, (*known)(g)); err != nil {
		return err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	g.values = map[string][]float64{}
	for name, v := range all {
		if list, ok := v.([]any); ok {
			g.values[name] = flatten(nil, list)
		}
	}
	return nil
}

func flatten(to []float64, list []any) []float64 {
	for _, v := range list {
		switch v := v.(type) {
		case float64:
			to = append(to, v)
		case []any:
			to = flatten(to, v)
		}
	}
	return to
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

// formulaModel is a model whose minibatches are the formula's, and which records
// its losses.
type formulaModel struct {
	trainer.Model
	t       *testing.T
	name    string
	in      datasets.Info
	dtype   int8
	batches int                  // used so far
	losses  map[string][]float64 // by phase, in the order of its steps
	logged  []trainer.Metric     // of all iterations
}

func (m *formulaModel) Phases() []trainer.Phase {
	phases := m.Model.Phases()
	var last torch.Tensor
	for i, p := range phases {
		phases[i].Loss = func(s *trainer.Step) torch.Tensor {
			if i == 0 { // of all models, the phase that draws minibatches
				b := s.Batch()
				if last.T == b.Images.T {
					m.t.Errorf("phase %s got the minibatch of the step before, want a new one", p.Name)
				}
				last = b.Images
				m.fill(b)
			}
			loss := p.Loss(s)
			m.losses[p.Name] = append(m.losses[p.Name], torchx.Item(loss))
			return loss
		}
	}
	return phases
}

// fill makes b the formula's next minibatch.
func (m *formulaModel) fill(b trainer.Batch) {
	k := m.batches
	m.batches++
	pictures := func(kind string, t torch.Tensor) {
		tag := fmt.Sprintf("%s.%d", kind, k)
		torchx.SetData(t, torchx.To(fromFormula(tag, torchx.Shape(t), 1, 0), "cpu", m.dtype))
	}
	pictures("batch", b.Images)
	if b.Targets.T != nil {
		pictures("target", b.Targets)
	}
	if b.Labels.T != nil {
		classes := int64(len(m.in.Classes))
		var labels []int64
		for _, v := range formula.Values(fmt.Sprintf("label.%d", k), elements(torchx.Shape(b.Labels)), 0.5, 0.5) {
			labels = append(labels, min(int64(v*float32(classes)), classes-1))
		}
		torchx.Copy(b.Labels, torchx.FromInt64(labels, int64(len(labels))))
	}
}

// formulaNoise draws the formula's noise.
type formulaNoise struct {
	draws int
	dtype int8
}

func (n *formulaNoise) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	return n.draw((hi-lo)/2, (lo+hi)/2, shape)
}

// Normal is uniform, of mean 0 and variance 1.
func (n *formulaNoise) Normal(shape ...int64) torch.Tensor { return n.draw(math.Sqrt(3), 0, shape) }

func (n *formulaNoise) draw(scale, shift float64, shape []int64) torch.Tensor {
	n.draws++
	return torchx.To(fromFormula(fmt.Sprintf("noise.%d", n.draws-1), shape, scale, shift), "cpu", n.dtype)
}

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

// trainByFormula trains a model with the default options, but for what change
// says, in dtype. Images and noise are made as float32, and then converted.
func trainByFormula(t *testing.T, g golden, change func(Options), iterations int, dtype int8) *formulaModel {
	t.Helper()
	plugin, ok := Lookup(g.Model)
	if !ok {
		t.Fatalf("there is no model %s", g.Model)
	}
	options := plugin.Options()
	if change != nil {
		change(options)
	}
	m := &formulaModel{t: t, name: g.Model, in: allKinds(g.Shape[0], g.Shape[1], g.Shape[2]), dtype: dtype, losses: map[string][]float64{}}
	config := trainer.DefaultConfig()
	config.Iterations, config.BatchSize, config.Device, config.LogEvery = iterations, g.Batch, "cpu", 1
	runAll(t, trainer.Options{
		Config: config,
		Build: func() (trainer.Model, error) {
			model, err := options.Build(m.in)
			if err != nil {
				return nil, err
			}
			for _, n := range model.Networks() {
				fillByFormula(n)
				torchx.ToDevice(n.Module, "cpu", dtype)
			}
			m.Model = model
			return m, nil
		},
		Dataset:    formulaImages{m.in},
		Optimizers: optimizers(plugin),
		Noise:      &formulaNoise{dtype: dtype},
		Observer:   observer{progress: func(p trainer.Progress) { m.logged = append(m.logged, p.Metrics...) }},
	})
	return m
}

func optimizers(p Plugin) map[string]torchx.OptimizerOptions {
	options := map[string]torchx.OptimizerOptions{}
	for _, o := range p.Optimizers() {
		options[o.Network] = o.Options
	}
	return options
}

// allKinds describes images with everything that a model may want: ten classes,
// and targets that are maps of three.
func allKinds(channels, height, width int) datasets.Info {
	in := images(channels, height, width)
	in.Classes = strings.Split("0123456789", "")
	in.Target = &datasets.Target{
		Channels: 3, Classes: []string{"ground", "round", "square"},
		Palette: []color.RGBA{{A: 255}, {R: 255, A: 255}, {G: 255, A: 255}},
	}
	return in
}

// formulaImages is a dataset of a few images of noise.
type formulaImages struct{ info datasets.Info }

func (d formulaImages) Info() datasets.Info { return d.info }
func (d formulaImages) Len() int            { return 40 }

func (d formulaImages) Read(i int, s *datasets.Sample) error {
	formula.Fill(s.Image, "image", i*len(s.Image), 1, 0)
	if d.info.Classes != nil {
		s.Label = int64(i % len(d.info.Classes))
	}
	area := d.info.Height * d.info.Width
	for k := range s.Target { // one-hot
		s.Target[k] = -1
		if k/area == (i+k%area/5)%d.info.Target.Channels {
			s.Target[k] = 1
		}
	}
	return nil
}

func (m *formulaModel) compareMetrics(t *testing.T, want goldenRun, tolerance func(want float64) float64) {
	t.Helper()
	for _, p := range m.Model.Phases() {
		expected := want.values[p.Name+"_loss"]
		got := m.losses[p.Name]
		if len(got) == 0 || len(got) > len(expected) {
			t.Fatalf("phase %s has %d losses, the file %d", p.Name, len(got), len(expected))
		}
		for i, loss := range got {
			if !(math.Abs(loss-expected[i]) <= tolerance(expected[i])) {
				t.Fatalf("phase %s, step %d: loss %.9g, want %.9g", p.Name, i, loss, expected[i])
			}
		}
		m.compareLogged(t, p, want, tolerance)
	}
}

// compareLogged compares what a phase logged besides its loss, of which a line
// has the last repeat's. All that the file has is to be there.
func (m *formulaModel) compareLogged(t *testing.T, p trainer.Phase, want goldenRun, tolerance func(want float64) float64) {
	t.Helper()
	for name, expected := range want.values {
		if strings.HasSuffix(name, "_loss") || recordedBy[m.name][name] != p.Name {
			continue
		}
		var values []float64
		for _, metric := range m.logged {
			if metric.Name == p.Name+"/"+name {
				values = append(values, metric.Value)
			}
		}
		if len(values) == 0 {
			t.Errorf("phase %s does not log %s", p.Name, name)
		}
		repeat := max(p.Repeat, 1)
		for i, v := range values {
			if last := expected[(i+1)*repeat-1]; !(math.Abs(v-last) <= tolerance(last)) {
				t.Fatalf("iteration %d: %s/%s is %.9g, want %.9g", i+1, p.Name, name, v, last)
			}
		}
	}
}

// recordedBy says which phase logs what the files record besides losses.
var recordedBy = map[string]map[string]string{
	"wgan":    {"wasserstein": "critic"},
	"wgangp":  {"wasserstein": "critic", "gradient_penalty": "critic"},
	"vae":     {"reconstruction": "vae", "kl": "vae"},
	"pix2pix": {"l1": "generator"},
}

// compareState compares names and shapes and, of a whole run, values.
func (m *formulaModel) compareState(t *testing.T, want goldenRun, values bool, tolerance float64) {
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
			if !values {
				continue
			}
			sum, square := 0.0, 0.0
			for _, v := range torchx.Float64s(e.Tensor) {
				sum += v
				square += v * v
			}
			norm := math.Sqrt(square)
			within := tolerance * max(expected.Norm, math.Abs(expected.Sum))
			if !(math.Abs(sum-expected.Sum) <= within && math.Abs(norm-expected.Norm) <= within) {
				t.Errorf("%s.%s: sum %.9g and norm %.9g, want %.9g and %.9g", n.Name, e.Name, sum, norm, expected.Sum, expected.Norm)
			}
		}
	}
}

func (m *formulaModel) compareProbe(t *testing.T, want goldenRun, tolerance float64) {
	t.Helper()
	var shape []int64
	var values []float64
	torchx.Scoped(func() {
		n := m.Model.Networks()[0]
		if m.name == "alphagan" {
			n = m.Model.Networks()[1]
		}
		n.Module.Train(false)
		torchx.NoGrad(func() {
			output := n.Module.Forward(probe(m.name, n, m.in, 2))
			shape, values = torchx.Shape(output), torchx.Float64s(output)
		})
	})
	if !slices.Equal(shape, want.Probe.Shape) {
		t.Fatalf("the probe's output has shape %v, want %v", shape, want.Probe.Shape)
	}
	mean, std := moments(values)
	got := append(slices.Clone(values[:len(want.Probe.First)]), mean, std)
	for i, expected := range append(slices.Clone(want.Probe.First), want.Probe.Mean, want.Probe.Std) {
		if math.Abs(got[i]-expected) > tolerance*max(1, math.Abs(expected)) {
			t.Errorf("the probe's value %d (the last two: mean and deviation) is %.9g, want %.9g", i, got[i], expected)
		}
	}
}

// probe is an input of a network: the formula's images for what begins with a
// convolution or takes all pixels, else its latents. Class labels, where a
// network wants them, are the sample's number modulo 10.
func probe(model string, n trainer.Network, in datasets.Info, batch int64) torch.Tensor {
	first := torchx.Parameters(n.Module)[0]
	for _, p := range torchx.NamedParameters(n.Module) {
		if len(torchx.Shape(p.Tensor)) > 1 { // not the bias of a layer with spectral norm
			first = p.Tensor
			break
		}
	}
	width := torchx.Shape(first)[1]
	classes := int64(0)
	if model == "cgan" {
		classes = int64(len(in.Classes))
	}
	shape := []int64{batch, width - classes}
	switch {
	case len(torchx.Shape(first)) == 4:
		shape = append(shape, int64(in.Height), int64(in.Width))
	case width == pixels(in):
		shape = []int64{batch, int64(in.Channels), int64(in.Height), int64(in.Width)}
	}
	x := torchx.To(fromFormula("probe", shape, 1, 0), "cpu", first.Dtype())
	if classes == 0 {
		return x
	}
	var labels []int64
	for i := range batch {
		labels = append(labels, i%10)
	}
	hot := torchx.OneHot(torchx.FromInt64(labels, batch), classes, first.Dtype())
	if len(shape) == 4 {
		hot = torchx.Expand(torchx.Reshape(hot, batch, classes, 1, 1), batch, classes, shape[2], shape[3])
	}
	return torchx.Cat(1, x, hot)
}
