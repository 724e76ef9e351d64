package models

import (
	"bytes"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/torchx/safetensors"
	"github.com/imori-ml/imori/trainer"
)

// smallOptions makes a model quick to test; one that is not named here is tested
// at its default size.
func smallOptions(p Plugin) Options {
	switch o := p.Options().(type) {
	case *WGANOptions:
		o.ZDim, o.GeneratorChannels, o.CriticChannels, o.NCritic = 8, []int64{16, 8}, []int64{8, 16}, 2
		return o
	case *DCGANOptions:
		o.ZDim, o.GeneratorChannels, o.DiscriminatorChannels = 8, []int64{16, 8}, []int64{8, 16}
		return o
	case *CGANOptions:
		o.ZDim, o.GeneratorChannels, o.DiscriminatorChannels = 8, []int64{16, 8}, []int64{8, 16}
		return o
	case *AlphaGANOptions:
		o.ZDim, o.GeneratorChannels, o.DiscriminatorChannels, o.CodeHidden = 8, []int64{16, 8}, []int64{8, 16}, []int64{20}
		return o
	case *GANOptions:
		o.ZDim, o.GeneratorHidden, o.DiscriminatorHidden = 8, []int64{20}, []int64{20}
		return o
	case *WGANGPOptions:
		o.ZDim, o.Dim, o.NCritic = 8, 8, 2
		return o
	case *Pix2PixOptions:
		o.Channels, o.DiscriminatorChannels = []int64{4, 8, 8}, []int64{8, 8}
		return o
	case *ConvAEOptions:
		o.Channels = []int64{8, 4}
		return o
	case *VAEOptions:
		o.Hidden = []int64{20, 10}
		return o
	default:
		return o
	}
}

const conformanceBatch = 4

// trial is a short training of a small model.
type trial struct {
	iterations int
	seed       int64
	wrap       func(trainer.Model) trainer.Model // nil: as it is
	dir        string
	progress   func(trainer.Progress)
	in         datasets.Info
	options    Options // nil: the small ones
	precision  string
}

func newTrial(iterations int) trial {
	return trial{iterations: iterations, seed: 1, in: allKinds(3, 16, 16), precision: "fp32"}
}

// run trains and returns the model.
func (c trial) run(t *testing.T, p Plugin) trainer.Model {
	t.Helper()
	config := trainer.DefaultConfig()
	config.Iterations, config.BatchSize, config.Seed, config.LogEvery = c.iterations, conformanceBatch, c.seed, 1
	config.Precision = c.precision
	config.Device, config.Threads = "cpu", 1 // more would wait for each other longer than work
	var model trainer.Model
	runAll(t, trainer.Options{
		Config: config,
		Build: func() (m trainer.Model, err error) {
			options := c.options
			if options == nil {
				options = smallOptions(p)
			}
			if model, err = options.Build(c.in); err == nil && c.wrap != nil {
				return c.wrap(model), nil
			}
			return model, err
		},
		Dataset:    formulaImages{c.in},
		Optimizers: optimizers(p),
		Dir:        c.dir,
		Observer:   observer{progress: c.progress},
	})
	return model
}

// runAll makes a run and trains to its end.
func runAll(t *testing.T, o trainer.Options) {
	t.Helper()
	run, err := trainer.New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if err := run.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

type observer struct {
	trainer.Silent
	progress func(trainer.Progress)
}

func (o observer) Progress(p trainer.Progress) {
	if o.progress != nil {
		o.progress(p)
	}
}

// TestConformance holds every registered model to what the trainer and its users
// rely on.
func TestConformance(t *testing.T) {
	for _, name := range Names() {
		p, _ := Lookup(name)
		t.Run(name, func(t *testing.T) {
			t.Run("networks", func(t *testing.T) { testNetworks(t, p) })
			t.Run("images", func(t *testing.T) { testImages(t, p) })
			t.Run("phases", func(t *testing.T) { testPhases(t, p) })
			t.Run("save and load", func(t *testing.T) { testSaveAndLoad(t, p) })
			t.Run("same seed", func(t *testing.T) { testSameSeed(t, p) })
			t.Run("bf16", func(t *testing.T) { testBF16(t, p) })
			t.Run("memory", func(t *testing.T) { testMemory(t, p) })
		})
	}
}

// testNetworks: names agree between networks, optimisers and phases.
func testNetworks(t *testing.T, p Plugin) {
	model := newTrial(1).run(t, p)
	var updated, optimised []string
	for _, n := range model.Networks() {
		if slices.ContainsFunc(model.Phases(), func(p trainer.Phase) bool { return slices.Contains(p.Updates, n.Name) }) {
			updated = append(updated, n.Name)
		}
	}
	for _, o := range p.Optimizers() {
		optimised = append(optimised, o.Network)
	}
	if !slices.Equal(updated, optimised) {
		t.Errorf("phases update the networks %v, the optimisers are for %v, expected the same in the same order", updated, optimised)
	}
	_, reconstructs := model.(Reconstructor)
	_, translates := model.(Translator)
	if (reconstructs || translates) && !p.Tests {
		t.Error("it is a Reconstructor or Translator, whose pictures are to show test images: set Tests in the plugin")
	}
	if again := model.Networks(); !reflect.DeepEqual(again, model.Networks()) {
		t.Error("Networks gives others the second time")
	}
}

// testImages: what the model makes of latents, or of images, has the dataset's
// shape, and the picture is there. Images made of latents lie in [-1, 1].
func testImages(t *testing.T, p Plugin) {
	for _, in := range []datasets.Info{allKinds(3, 16, 16), allKinds(1, 32, 16)} {
		c := newTrial(2)
		c.in, c.dir = in, filepath.Join(t.TempDir(), "run")
		model := c.run(t, p)
		for _, n := range model.Networks() {
			n.Module.Train(false)
		}
		const n = 3
		shape := []int64{n, int64(in.Channels), int64(in.Height), int64(in.Width)}
		made := map[string]torch.Tensor{}
		torchx.Scoped(func() {
			torchx.NoGrad(func() {
				x := fromFormula("probe", shape, 1, 0)
				if s, ok := model.(Sampler); ok {
					made["Generate"] = s.Generate(s.Latents(&formulaNoise{dtype: torch.Float}, n), torchx.FromInt64([]int64{0, 1, 2}, n))
				}
				r, reconstructs := model.(Reconstructor)
				if reconstructs {
					made["Reconstruct"] = r.Reconstruct(x)
				}
				if e, ok := model.(Encoder); ok {
					codes := e.Codes(x)
					if got := torchx.Shape(codes); len(got) != 2 || got[0] != n {
						t.Errorf("Codes: shape %v, expected %d x the numbers of a latent", got, n)
					}
					made["Decode"] = e.Decode(codes)
					if reconstructs && !slices.Equal(torchx.Float32s(made["Decode"]), torchx.Float32s(made["Reconstruct"])) {
						t.Error("Decode(Codes(x)) is not Reconstruct(x)")
					}
				}
				if tr, ok := model.(Translator); ok {
					made["Translate"] = tr.Translate(x)
				}
			})
			if len(made) == 0 {
				t.Error("the model makes no images: it is no Sampler, Reconstructor or Translator")
			}
			for name, images := range made {
				want := slices.Clone(shape)
				if name == "Translate" {
					_, output := model.(Translator).Sides()
					want[1] = int64(output.Channels)
				}
				if got := torchx.Shape(images); !slices.Equal(got, want) {
					t.Errorf("%s makes images of shape %v, want %v", name, got, want)
				}
				values := torchx.Float32s(images)
				if low, high := slices.Min(values), slices.Max(values); !(low < high) || name != "Reconstruct" && (low < -1 || high > 1) {
					t.Errorf("%s makes images with values from %g to %g, want some of [-1, 1]", name, low, high)
				}
			}
		})
		pictures, err := filepath.Glob(filepath.Join(c.dir, "samples", "*.png"))
		if err != nil || len(pictures) != 1 {
			t.Fatalf("pictures of a run of 2 iterations: %v, %v; want one", pictures, err)
		}
		content, err := os.ReadFile(pictures[0])
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		if size := picture.Bounds().Size(); size.X < 8*in.Width || size.Y < in.Height {
			t.Errorf("the picture is %v (width, height), expected at least a row of 8 images of width %d and height %d", size, in.Width, in.Height)
		}
	}
}

func network(t *testing.T, m trainer.Model, name string) trainer.Network {
	t.Helper()
	for _, n := range m.Networks() {
		if n.Name == name {
			return n
		}
	}
	t.Fatalf("the model has no network %s", name)
	return trainer.Network{}
}

// watched is a model whose parameters are compared before and after each step.
type watched struct {
	trainer.Model
	t     *testing.T
	steps map[string]int // by phase
}

func (m *watched) Phases() []trainer.Phase {
	phases := m.Model.Phases()
	for i, p := range phases {
		var before map[string][]byte
		phases[i].Loss = func(s *trainer.Step) torch.Tensor {
			before = m.parameters()
			return p.Loss(s)
		}
		phases[i].After = func() {
			if p.After != nil {
				p.After()
			}
			m.steps[p.Name]++
			after := m.parameters()
			for _, n := range m.Networks() {
				moved := !bytes.Equal(before[n.Name], after[n.Name])
				if should := slices.Contains(p.Updates, n.Name); moved != should {
					m.t.Errorf("phase %s, which updates %v: network %s moved: %v", p.Name, p.Updates, n.Name, moved)
				}
			}
		}
	}
	return phases
}

// parameters are the bytes of each network's parameters; buffers may move in any phase.
func (m *watched) parameters() map[string][]byte {
	all := map[string][]byte{}
	for _, n := range m.Networks() {
		for _, p := range torchx.Parameters(n.Module) {
			all[n.Name] = append(all[n.Name], torchx.Bytes(p)...)
		}
	}
	return all
}

// testPhases: a phase moves the parameters of the networks it names, and no others.
func testPhases(t *testing.T, p Plugin) { testPhasesOf(t, p, newTrial(2)) }

func testPhasesOf(t *testing.T, p Plugin, c trial) {
	t.Helper()
	w := &watched{t: t, steps: map[string]int{}}
	c.wrap = func(m trainer.Model) trainer.Model {
		w.Model = m
		return w
	}
	c.run(t, p)
	for _, phase := range w.Model.Phases() {
		if want := 2 * max(phase.Repeat, 1); w.steps[phase.Name] != want {
			t.Errorf("phase %s stepped %d times in 2 iterations, want %d", phase.Name, w.steps[phase.Name], want)
		}
	}
}

// evaluate returns a network's output in eval mode.
func evaluate(model string, n trainer.Network, in datasets.Info) (output []float32) {
	n.Module.Train(false)
	torchx.Scoped(func() {
		torchx.NoGrad(func() { output = torchx.Float32s(n.Module.Forward(probe(model, n, in, 2))) })
	})
	return output
}

// testSaveAndLoad: weights that were saved make another model the same.
func testSaveAndLoad(t *testing.T, p Plugin) {
	c := newTrial(3)
	trained := c.run(t, p)
	c.iterations, c.seed = 1, 2
	other := c.run(t, p)
	for i, n := range trained.Networks() {
		path := filepath.Join(t.TempDir(), n.Name+".safetensors")
		if err := safetensors.WriteFile(path, torchx.StateTensors(n.Module), nil); err != nil {
			t.Fatal(err)
		}
		saved, _, err := safetensors.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, fresh := evaluate(p.Name, n, c.in), evaluate(p.Name, other.Networks()[i], c.in)
		if slices.Equal(want, fresh) {
			t.Errorf("%s: models of different seeds agree before loading", n.Name)
		}
		if err := torchx.LoadState(other.Networks()[i].Module, saved); err != nil {
			t.Fatal(err)
		}
		if got := evaluate(p.Name, other.Networks()[i], c.in); !slices.Equal(want, got) {
			t.Errorf("%s: the output after loading differs from the saved network's", n.Name)
		}
	}
}

// testSameSeed: a run is a function of its seed.
func testSameSeed(t *testing.T, p Plugin) {
	trace := func(seed int64) string {
		var lines []any
		c := newTrial(4)
		c.seed = seed
		c.progress = func(p trainer.Progress) { lines = append(lines, p.Iteration, p.Metrics) }
		c.run(t, p)
		return fmt.Sprint(lines...)
	}
	first := trace(1)
	if again := trace(1); again != first {
		t.Errorf("the same seed gave two runs:\n%s\n%s", first, again)
	}
	if trace(2) == first {
		t.Errorf("another seed gave the same run:\n%s", first)
	}
}

// testBF16: rounding the layers' inputs and weights changes the first losses little, and phases move the parameters that they
// name.
func testBF16(t *testing.T, p Plugin) {
	if err := torchx.CheckBF16("cpu"); err != nil {
		t.Skip(err)
	}
	first := func(precision string) (metrics []trainer.Metric) {
		c := newTrial(1)
		c.precision = precision
		c.progress = func(p trainer.Progress) { metrics = p.Metrics }
		c.run(t, p)
		return metrics
	}
	want := first("fp32")
	for i, m := range first("bf16") {
		if !strings.HasSuffix(m.Name, "/loss") {
			continue
		}
		if !(math.Abs(m.Value-want[i].Value) <= 0.05*max(1, math.Abs(want[i].Value))) {
			t.Errorf("%s is %g, in fp32 %g", m.Name, m.Value, want[i].Value)
		}
	}
	c := newTrial(2)
	c.precision = "bf16"
	testPhasesOf(t, p, c)
}

// testMemory: between iterations there is the same number of tensors and, about,
// the same memory; after a run there is no tensor.
func testMemory(t *testing.T, p Plugin) {
	noTensors(t)
	c := newTrial(200)
	if testing.Short() {
		c.iterations = 50
	}
	const settled = 10 // iterations until allocators have what they need
	live, resident, peak := 0, int64(0), int64(0)
	c.progress = func(p trainer.Progress) {
		n := torchx.LiveTensors()
		// The shells of freed tensors wait for a collection, which the small Go heap of a small model seldom needs.
		// One after every iteration would also clear up tensors that a bug left.
		if p.Iteration%settled == 0 {
			runtime.GC()
		}
		now, _ := trainer.ResidentMemory()
		switch {
		case p.Iteration == settled:
			live, resident = n, now
		case p.Iteration > settled:
			if n != live {
				t.Errorf("after iteration %d there are %d tensors, %d before", p.Iteration, n, live)
				live = n
			}
			peak = max(peak, now)
		}
	}
	c.run(t, p)
	if live == 0 {
		t.Error("no tensors were seen")
	}
	const allowed = 16 << 20 // what allocators take for themselves
	if growth := peak - resident; growth > allowed {
		t.Errorf("memory grew by %.1f MiB in %d iterations", float64(growth)/math.Exp2(20), c.iterations-settled)
	}
	noTensors(t)
}

// noTensors waits for the finalizers of parameters and fails if tensors remain.
func noTensors(t *testing.T) {
	t.Helper()
	for range 100 {
		runtime.GC()
		if torchx.LiveTensors() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d tensors are left", torchx.LiveTensors())
}

// TestAdversarialOptions: every adversarial model trains with each loss, smooth
// labels and spectral normalisation, whose vectors move.
func TestAdversarialOptions(t *testing.T) {
	for _, name := range Names() {
		p, _ := Lookup(name)
		adversarial := func(o Options) *AdversarialOptions {
			f := reflect.ValueOf(o).Elem().FieldByName("AdversarialOptions")
			if !f.IsValid() {
				return nil
			}
			return f.Addr().Interface().(*AdversarialOptions)
		}
		if adversarial(smallOptions(p)) == nil {
			continue
		}
		for _, a := range []AdversarialOptions{{"hinge", 0, true}, {"least_squares", 0.1, false}, {"bce", 0.1, true}} {
			t.Run(fmt.Sprint(name, a), func(t *testing.T) {
				c := newTrial(2)
				c.options = smallOptions(p)
				*adversarial(c.options) = a
				testPhasesOf(t, p, c)
			})
		}
	}
}

// TestSpectralNorm: with the option, each layer of the critic or discriminator
// that has a matrix has PyTorch's entries of a spectrally normalised one, and
// DCGAN's initialisation does not spoil them.
func TestSpectralNorm(t *testing.T) {
	for _, name := range Names() {
		p, _ := Lookup(name)
		options := smallOptions(p)
		field := reflect.ValueOf(options).Elem().FieldByName("SpectralNorm")
		if !field.IsValid() {
			continue
		}
		field.SetBool(true)
		model, err := options.Build(allKinds(1, 16, 16))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range model.Networks() {
			judges := strings.Contains(n.Name, "critic") || strings.Contains(n.Name, "discriminator")
			for _, e := range torchx.NamedParameters(n.Module) {
				if matrix := len(torchx.Shape(e.Tensor)) > 1; matrix && strings.HasSuffix(e.Name, ".parametrizations.weight.original") != judges {
					t.Errorf("%s: %s has the parameter %s", name, n.Name, e.Name)
				}
			}
			if !judges {
				continue
			}
			// The power method has converged on the weights that are there: another step changes nothing much.
			torchx.Scoped(func() {
				torchx.NoGrad(func() {
					n.Module.Train(false)
					before := torchx.Float32s(n.Module.Forward(probe(name, n, allKinds(1, 16, 16), 2)))
					n.Module.Train(true)
					n.Module.Forward(probe(name, n, allKinds(1, 16, 16), 2))
					n.Module.Train(false)
					after := torchx.Float32s(n.Module.Forward(probe(name, n, allKinds(1, 16, 16), 2)))
					for i := range before {
						if d := math.Abs(float64(after[i] - before[i])); d > 0.1*math.Abs(float64(before[i]))+1e-3 {
							t.Errorf("%s: %s: output %d was %g and is %g after one more step of the power method", name, n.Name, i, before[i], after[i])
						}
					}
				})
			})
		}
	}
}
