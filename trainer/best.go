package trainer

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/imori-ml/imori/trainer/rundir"
)

// bestKey is where in a checkpoint's State.Extra the trainer keeps which one is the best.
const bestKey = "best"

// What Config.KeepBestMode can be.
const (
	bestMin = "min"
	bestMax = "max"
)

// best follows the metric of Config.KeepBest. Which checkpoints there are to choose from depends on when a run was
// interrupted, too; training does not depend on the choice.
type best struct {
	Metric    string   `json:"metric"`
	Mode      string   `json:"mode"`
	Newest    *float64 `json:"newest,omitempty"` // as it was logged last
	Value     *float64 `json:"value,omitempty"`  // of the best checkpoint; nil: there is none
	Iteration int      `json:"iteration"`        // of that checkpoint

	logged []string // the metrics that there are, until Metric is among them
	warned bool     // that it is not
}

func (c Config) checkBest() (errs []error) {
	if c.KeepBestMode != bestMin && c.KeepBestMode != bestMax {
		errs = append(errs, fmt.Errorf("keep_best_mode is %q, expected %s or %s", c.KeepBestMode, bestMin, bestMax))
	}
	return errs
}

// see takes a line of metrics.jsonl.
func (b *best) see(metrics []Metric) {
	if b.Metric == "" {
		return
	}
	for _, m := range metrics {
		if b.Newest == nil && !slices.Contains(b.logged, m.Name) {
			b.logged = append(b.logged, m.Name)
		}
		if m.Name != b.Metric {
			continue
		}
		b.Newest = nil
		if isFinite(m.Value) {
			b.Newest = &m.Value
		}
	}
}

// goBack forgets the last choice, whose checkpoint there is not.
func (b *best) goBack(before best) { b.Value, b.Iteration = before.Value, before.Iteration }

// considerBest tells whether the checkpoint that is about to be saved is the best one, and remembers that.
func (t *Trainer) considerBest() bool {
	b := &t.best
	switch {
	case b.Metric == "":
		return false
	case b.Newest == nil:
		if !b.warned && b.Value == nil && t.iteration >= max(t.LogEvery, t.PreviewEvery) && !slices.Contains(b.logged, b.Metric) {
			b.warned = true
			t.observer.Warn(fmt.Sprintf("keep_best is %s, which was not logged yet, expected one of %s", b.Metric, strings.Join(b.logged, ", ")))
		}
		return false
	case b.Value != nil && b.Mode == bestMax && *b.Newest <= *b.Value, b.Value != nil && b.Mode == bestMin && *b.Newest >= *b.Value:
		return false
	}
	b.Value, b.Iteration = b.Newest, t.iteration
	return true
}

// restoreBest goes on from the checkpoint's choice if it was made by the same metric, and still is there.
func (t *Trainer) restoreBest(c *rundir.Checkpoint) error {
	t.best = best{Metric: t.KeepBest, Mode: t.KeepBestMode}
	if c == nil || c.State.Extra[bestKey] == nil || t.best.Metric == "" {
		return nil
	}
	var was best
	if err := json.Unmarshal(c.State.Extra[bestKey], &was); err != nil {
		return fmt.Errorf("what it says of the best checkpoint is damaged: %w", err)
	}
	if was.Metric != t.best.Metric || was.Mode != t.best.Mode {
		return nil
	}
	t.best = was
	if was.Value == nil {
		return nil
	}
	if err := t.dir.PointBest(was.Iteration); err != nil {
		t.observer.Warn(fmt.Sprintf("the next checkpoint is the best one: %v", err))
		t.best.Value, t.best.Iteration = nil, 0
	}
	return nil
}
