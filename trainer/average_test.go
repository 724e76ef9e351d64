package trainer

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/imori-ml/imori/torchx"
	"github.com/imori-ml/imori/trainer/rundir"
)

// parameter copies out a network's first one.
func parameter(m torchx.Module) []float64 { return torchx.Float64s(torchx.Parameters(m)[0]) }

func TestPreviewsShowTheAverages(t *testing.T) {
	var m *gan
	var generator, critic [][]float64 // as previews see them
	o := options(func(g *gan) {
		m = g
		g.draw = func(*Preview) error {
			generator, critic = append(generator, parameter(g.generator)), append(critic, parameter(g.critic))
			if len(generator) == 4 {
				return errors.New("out of paint")
			}
			return nil
		}
	})
	o.EMA = 0.75
	tr := newTrainer(t, o)
	var want []float64
	for i := range 4 {
		if _, err := tr.DryRun(); (err != nil) != (i == 3) {
			t.Fatal(err)
		}
		var own, ownCritic []float64
		if err := tr.Do(func() error { own, ownCritic = parameter(m.generator), parameter(m.critic); return nil }); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			want = slices.Clone(own)
		}
		for j := range want {
			want[j] = 0.75*want[j] + 0.25*own[j]
			if math.Abs(generator[i][j]-want[j]) > 1e-6 {
				t.Fatalf("preview %d sees the generator's parameter %d as %g, expected %g", i, j, generator[i][j], want[j])
			}
		}
		if i > 0 && slices.Equal(own, generator[i]) {
			t.Error("the preview leaves the averages in the generator")
		}
		if !slices.Equal(ownCritic, critic[i]) {
			t.Error("the critic is averaged too")
		}
	}
}

func TestAveragesDoNotChangeTraining(t *testing.T) {
	var metrics, weights []string
	for _, ema := range []float64{0, 0.9} {
		for _, previews := range []int{0, 1} {
			o := options(nil)
			o.Dir, o.PreviewEvery, o.EMA = filepath.Join(inMemory(t), "run"), previews, ema
			run(t, o, 0)
			metrics = append(metrics, read(t, o.Dir, "metrics.jsonl"))
			weights = append(weights, read(t, o.Dir, "checkpoints/latest/generator.safetensors")+read(t, o.Dir, "checkpoints/latest/optimizers.safetensors"))
		}
	}
	for i := range metrics {
		if metrics[i] != metrics[0] || weights[i] != weights[0] {
			t.Errorf("run %d of 4 is another one", i)
		}
	}
}

func TestLoadAverages(t *testing.T) {
	o := options(nil)
	o.Dir, o.EMA = filepath.Join(inMemory(t), "run"), 0.9
	run(t, o, 0)
	c, err := rundir.OpenCheckpoint(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	names := fmt.Sprint(c.State.Networks)
	if names != "[generator generator_ema critic]" {
		t.Errorf("the checkpoint has %s", names)
	}
	o.Dir, o.EMA = "", 0
	tr := newTrainer(t, o)
	for _, test := range []struct {
		name string
		load func(m Model, c *rundir.Checkpoint) error
		want []rundir.NamedTensors // of generator and critic
	}{
		{"weights", LoadWeights, []rundir.NamedTensors{c.Networks[0], c.Networks[2]}},
		{"averages", LoadAverages, []rundir.NamedTensors{c.Networks[1], c.Networks[2]}},
	} {
		if err := tr.Do(func() error { return test.load(tr.model, c) }); err != nil {
			t.Fatal(err)
		}
		for i, got := range []string{weights(t, tr)["generator"], weights(t, tr)["critic"]} {
			if got != fmt.Sprint(test.want[i].Tensors) {
				t.Errorf("%s: network %d is not the checkpoint's %s", test.name, i, test.want[i].Name)
			}
		}
	}
	// Without averages both load the weights.
	all := c.Networks
	c.Networks = []rundir.NamedTensors{all[0], all[2]}
	if err := tr.Do(func() error { return LoadAverages(tr.model, c) }); err != nil || weights(t, tr)["generator"] != fmt.Sprint(all[0].Tensors) {
		t.Errorf("error %v, or other weights", err)
	}
	c.Networks = append(all, rundir.NamedTensors{Name: "encoder_ema"})
	if err := LoadWeights(tr.model, c); err == nil || !strings.Contains(err.Error(), "a network encoder_ema that the model lacks") {
		t.Errorf("error is %v", err)
	}
	c.Networks = slices.Clone(all)
	c.Networks[1].Tensors = c.Networks[1].Tensors[1:]
	if err := LoadAverages(tr.model, c); err == nil || !strings.Contains(err.Error(), "averages of generator: ") {
		t.Errorf("error is %v", err)
	}
}

func TestAveragesTurnedOnAndOff(t *testing.T) {
	o := options(nil)
	o.Dir = filepath.Join(inMemory(t), "run")
	const averages = "checkpoints/latest/generator_ema.safetensors"
	run(t, o, 3)
	o.Resume, o.EMA = true, 0.5
	r := run(t, o, 4)
	if want := "warning: the checkpoint has no averages of generator: they begin with the next iteration"; r.events[0] != want {
		t.Errorf("events are %v, expected %q first", r.events, want)
	}
	if read(t, o.Dir, averages) != read(t, o.Dir, "checkpoints/latest/generator.safetensors") {
		t.Error("the averages do not begin with the weights")
	}
	if r := run(t, o, 6); r.events[0] != "started 4" {
		t.Errorf("events are %v", r.events)
	}
	o.EMA = 0
	r = run(t, o, 8)
	if want := "warning: the checkpoint's averages of generator are dropped: the run goes on without (ema is 0)"; r.events[0] != want {
		t.Errorf("events are %v, expected %q first", r.events, want)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, averages)); !os.IsNotExist(err) {
		t.Errorf("averages are saved without ema: %v", err)
	}
}

func TestRefusedAverages(t *testing.T) {
	for _, test := range []struct {
		name   string
		ema    float64
		change func(o *Options)
		want   string
	}{
		{"one", 1, nil, "ema is 1, expected at least 0 and below 1"},
		{"negative", -0.1, nil, "ema is -0.1"},
		{"nan", math.NaN(), nil, "ema is NaN"},
		{"not updated", 0.9, func(o *Options) {
			o.Build = func() (Model, error) { m := newGAN(16); m.phases = m.phases[:1]; return m, nil }
		}, "ema is 0.9, expected 0: the model marks no network"},
		{"name", 0.9, func(o *Options) {
			o.Build = func() (Model, error) { return renamed{newGAN(16)}, nil }
		}, `averages' name "generator_ema" is taken`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(nil)
			o.EMA = test.ema
			if test.change != nil {
				test.change(&o)
			}
			tr, err := New(o)
			if err == nil {
				tr.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, expected %q", err, test.want)
			}
		})
	}
}

// renamed is a gan whose critic has the name of the generator's averages.
type renamed struct{ *gan }

func (m renamed) Networks() []Network {
	networks := m.gan.Networks()
	networks[1].Name = "generator_ema"
	return networks
}
