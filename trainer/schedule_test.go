package trainer

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestGoldenSchedules compares with torch.optim.lr_scheduler.
func TestGoldenSchedules(t *testing.T) {
	var golden struct {
		Iterations int
		Cases      []struct {
			Name    string
			Config  json.RawMessage
			Factors []float64
		}
	}
	data, err := os.ReadFile("testdata/golden/schedules.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Cases) < 9 {
		t.Fatalf("there are %d cases", len(golden.Cases))
	}
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			config := DefaultConfig()
			config.Iterations = golden.Iterations
			if err := yaml.Unmarshal(c.Config, &config); err != nil { // JSON is YAML
				t.Fatal(err)
			}
			if err := config.Check(); err != nil {
				t.Fatal(err)
			}
			for i, want := range c.Factors {
				if got := lrFactor(config, i+1); math.Abs(got-want) > 1e-8 {
					t.Errorf("the factor of iteration %d is %.9g, expected %.9g", i+1, got, want)
				}
			}
		})
	}
}

func TestScheduleOfAShortRun(t *testing.T) {
	c := DefaultConfig()
	c.Iterations, c.Schedule, c.Warmup = 5, "cosine", 10
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if got, want := lrFactor(c, i+1), float64(i+1)/10; got != want {
			t.Errorf("the factor of iteration %d is %g, expected %g", i+1, got, want)
		}
	}
	c.DecayUntil, c.FinalLR = 20, 0.5
	if got := lrFactor(c, 1000); got != 0.5 {
		t.Errorf("the factor after the decay is %g, expected 0.5", got)
	}
}

func TestScheduleIsUsedAndLogged(t *testing.T) {
	o := options(nil)
	o.Warmup = 4
	tr := newTrainer(t, o)
	for i, metrics := range iterate(t, tr, 5) {
		factor := min(1, float64(i+1)/4)
		want := []Metric{{"lr/generator", 1e-2 * factor}, {"lr/critic", 1e-2 * factor}}
		if got := metrics[len(metrics)-2:]; !slices.Equal(got, want) {
			t.Errorf("iteration %d logs %v, expected %v", i+1, got, want)
		}
	}
	// A rate of 0 moves nothing: the factors reach the optimisers.
	o.Warmup, o.Schedule, o.DecayFrom, o.DecayUntil = 0, "linear", 1, 2
	tr = newTrainer(t, o)
	iterate(t, tr, 2)
	before := weights(t, tr)
	iterate(t, tr, 1)
	for name, now := range weights(t, tr) {
		if now != before[name] {
			t.Errorf("network %s has moved at a learning rate of 0", name)
		}
	}
}

func TestCheckOfTheSchedule(t *testing.T) {
	for _, test := range []struct {
		change func(c *Config)
		want   string
	}{
		{func(c *Config) { c.Schedule = "" }, `schedule is "", expected constant, linear, cosine`},
		{func(c *Config) { c.Schedule = "step" }, `schedule is "step", expected constant, linear, cosine`},
		{func(c *Config) { c.Warmup = -1 }, "warmup is -1, expected 0"},
		{func(c *Config) { c.DecayFrom = 5 }, "decay_from is 5, decay_until 0 and final_lr 0, expected 0 each with a constant schedule"},
		{func(c *Config) { c.FinalLR = 0.5 }, "with a constant schedule"},
		{func(c *Config) { c.Schedule, c.FinalLR = "linear", 1.5 }, "final_lr is 1.5, expected 0 to 1"},
		{func(c *Config) { c.Schedule, c.FinalLR = "linear", math.NaN() }, "final_lr is NaN"},
		{func(c *Config) { c.Schedule, c.Warmup, c.DecayFrom = "linear", 9, 8 }, "decay_from is 8, expected at least warmup, 9"},
		{func(c *Config) { c.Schedule, c.Warmup, c.DecayUntil = "cosine", 9, 9 }, "decay_until is 9, expected more than 9"},
		{func(c *Config) { c.Schedule, c.DecayFrom, c.DecayUntil = "cosine", 20, 10 }, "decay_until is 10, expected more than 20"},
	} {
		c := DefaultConfig()
		test.change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v, expected %q", err, test.want)
		}
	}
}
