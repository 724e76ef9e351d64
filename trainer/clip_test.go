package trainer

import (
	"math"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

// pull gives every parameter of the networks the gradient 1.
func pull(networks ...torchx.Module) func(s *Step) torch.Tensor {
	return func(*Step) torch.Tensor {
		sum := torchx.Full(0, torch.Float, "cpu")
		for _, n := range networks {
			for _, p := range torchx.Parameters(n) {
				sum = torchx.Add(sum, torchx.Sum(p))
			}
		}
		return sum
	}
}

func TestClipping(t *testing.T) {
	for _, test := range []struct {
		name      string
		change    func(c *Config)
		networks  []string
		metric    string
		generator float64 // how far each of its parameters moves, of the learning rate
	}{
		{"off", func(*Config) {}, []string{"generator"}, "pull/grad_norm", 1},
		{"norm", func(c *Config) { c.ClipNorm = 0.5 }, []string{"generator"}, "pull/grad_norm", 0.5 / math.Sqrt(1168)},
		{"norm not reached", func(c *Config) { c.ClipNorm = 50 }, []string{"generator"}, "pull/grad_norm", 1},
		{"value", func(c *Config) { c.ClipValue = 0.25 }, []string{"generator"}, "pull/grad_norm", 0.25},
		{"each network", func(c *Config) { c.ClipNorm = 0.5 }, []string{"critic", "generator"}, "pull/grad_norm_generator", 0.5 / math.Sqrt(1168)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m *gan
			o := options(func(g *gan) {
				m = g
				modules := map[string]torchx.Module{"generator": g.generator, "critic": g.critic}
				var updated []torchx.Module
				for _, name := range test.networks {
					updated = append(updated, modules[name])
				}
				g.phases = []Phase{{Name: "pull", Updates: test.networks, Loss: pull(updated...)}}
			})
			for name := range o.Optimizers {
				o.Optimizers[name] = torchx.SGD{LR: 0.1}
			}
			test.change(&o.Config)
			tr := newTrainer(t, o)
			first := func() float64 {
				var v float64
				if err := tr.Do(func() error { v = torchx.Float64s(torchx.Parameters(m.generator)[0])[0]; return nil }); err != nil {
					t.Fatal(err)
				}
				return v
			}
			before := first()
			metrics := iterate(t, tr, 1)[0]
			if moved, want := (before-first())/0.1, test.generator; math.Abs(moved-want) > 1e-5 {
				t.Errorf("a parameter has moved by %g learning rates, expected %g", moved, want)
			}
			norm := math.NaN()
			for _, metric := range metrics {
				if metric.Name == test.metric {
					norm = metric.Value
				}
			}
			if !(math.Abs(norm-math.Sqrt(1168)) < 1e-4) {
				t.Errorf("logged %v, expected %s of sqrt(1168)", metrics, test.metric)
			}
		})
	}
}

func TestCheckOfClipping(t *testing.T) {
	for _, test := range []struct {
		norm, value float64
		want        string
	}{
		{1, 1, "clip_norm is 1 and clip_value 1, expected one of them to be 0"},
		{-1, 0, "clip_norm is -1, expected a limit above 0, or 0"},
		{0, math.NaN(), "clip_value is NaN"},
		{math.Inf(1), 0, "clip_norm is +Inf"},
	} {
		c := DefaultConfig()
		c.ClipNorm, c.ClipValue = test.norm, test.value
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v, expected %q", err, test.want)
		}
	}
}
