package trainer

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	torch "github.com/wangkuiyi/gotorch"

	"github.com/imori-ml/imori/torchx"
)

func TestIsHealth(t *testing.T) {
	for name, want := range map[string]bool{
		"critic/diversity": true, "discriminator/accuracy_real": true, "discriminator/accuracy_generated": true,
		"generator/grad_norm": true, "both/grad_norm_encoder": true,
		"critic/loss": false, "test/pixel_accuracy": false, "diversity": false, "generator/lr": false,
	} {
		if got := IsHealth(name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// see feeds figures of one iteration after another, and returns the warnings' beginnings.
func see(h *health, from, to int, metrics ...Metric) (warnings []string) {
	for n := from; n <= to; n += 50 {
		for _, w := range h.see(n, metrics) {
			before, _, _ := strings.Cut(w, ":")
			warnings = append(warnings, before+" "+strings.Fields(w)[3])
		}
	}
	return warnings
}

func TestHealthTellsPhasesApart(t *testing.T) {
	var h health
	good, bad := Metric{"a/diversity", 0.9}, Metric{"b/diversity", 0.01}
	if got := see(&h, 50, 1500, good, bad, Metric{"a/loss", 3}); !slices.Equal(got, []string{"iteration 1000 generator"}) {
		t.Errorf("warned %q, want once, of b", got)
	}
	if want := []Metric{good, bad}; !slices.Equal(h.figures, want) {
		t.Errorf("the figures are %v, want %v", h.figures, want)
	}
	if h.collapse["a"].collapsed || !h.collapse["b"].collapsed {
		t.Error("the wrong phase has collapsed")
	}

	// The gradients of the discriminator itself do not count.
	h = health{}
	right := []Metric{{"d/accuracy_real", 1}, {"d/accuracy_generated", 1}, {"d/grad_norm", 1}, {"g/grad_norm", 1}}
	see(&h, 50, 1500, right...)
	right[3].Value = 0
	if got := see(&h, 1550, 3000, right...); !slices.Equal(got, []string{"iteration 2000 d"}) {
		t.Errorf("warned %q, want once, when the window has no other figures of g than 0", got)
	}
	if len(see(&health{}, 50, 3000, right[0], right[3])) > 0 {
		t.Error("warned without the accuracy on generated images")
	}
}

// diverse makes the critic's phase observe what f says of an iteration, and logs seldom.
func diverse(f func(n int) float64) Options {
	o := options(func(m *gan) {
		m.phases = m.phases[:1]
		m.phases[0].Loss = func(s *Step) torch.Tensor {
			s.Observe(Diversity, func() torch.Tensor { return torchx.Full(f(s.Iteration()), torch.Double, "cpu") })
			return torchx.Mean(m.critic.Forward(m.fake(s)))
		}
	})
	o.LogEvery, o.PreviewEvery, o.CheckpointEvery = 50, 0, 0
	return o
}

func warnings(r *recorder) (all []string) {
	for _, e := range r.events {
		if strings.Contains(e, "collapse") {
			all = append(all, e[:strings.Index(e, " seems")])
		}
	}
	return all
}

// TestHealthOfResumedRun: a run that was interrupted warns of what the whole run shows: a fall from what was reached
// before, and not again of what it warned of then.
func TestHealthOfResumedRun(t *testing.T) {
	falls := diverse(func(n int) float64 {
		if n > 1100 {
			return 0.2
		}
		return 0.9
	})
	never := diverse(func(int) float64 { return 0.01 })
	for _, c := range []struct {
		name          string
		options       Options
		before, after []string
	}{
		{"falls", falls, nil, []string{"warning: iteration 1500: the generator"}},
		{"never rises", never, []string{"warning: iteration 1000: the generator"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Dir, c.options.Iterations = filepath.Join(inMemory(t), "run"), 2000
			if got := warnings(run(t, c.options, 1120)); !slices.Equal(got, c.before) {
				t.Errorf("before: %q, want %q", got, c.before)
			}
			c.options.Resume = true
			if got := warnings(run(t, c.options, 0)); !slices.Equal(got, c.after) {
				t.Errorf("after: %q, want %q", got, c.after)
			}
		})
	}
}

// TestProgressHasHealth: between logged iterations, too.
func TestProgressHasHealth(t *testing.T) {
	o := diverse(func(n int) float64 { return float64(n) })
	o.Iterations, o.LogEvery = 5, 2
	var seen []string
	o.Observer = &recorder{progress: func(p Progress) {
		seen = append(seen, fmt.Sprint(p.Health[0]))
	}}
	if err := newTrainer(t, o).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"{critic/diversity 1}", "{critic/diversity 2}", "{critic/diversity 2}", "{critic/diversity 4}", "{critic/diversity 4}"}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
}
