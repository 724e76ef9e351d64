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

// best follows the metric of Config.KeepBest. A checkpoint can be the best one if the metric was logged at its iteration:
// of other weights nobody knows the value. With Config.CheckpointEvery it is one of its multiples, or the last one: the others
// depend on the clock and on when a run was interrupted, which the choice is not to do.
type best struct {
	Metric    string   `json:"metric"`
	Mode      string   `json:"mode"`
	Newest    *float64 `json:"newest,omitempty"`    // as it was logged last; nil: it was not yet, or is not finite
	NewestAt  int      `json:"newest_at,omitempty"` // the iteration it was logged at
	Value     *float64 `json:"value,omitempty"`     // of the best checkpoint; nil: there is none
	Iteration int      `json:"iteration"`           // of that checkpoint

	logged []string // the metrics that there are, until Metric is among them
	warned bool     // that it is not, or not of an iteration that has a checkpoint
}

func (c Config) checkBest() (errs []error) {
	if c.KeepBestMode != bestMin && c.KeepBestMode != bestMax {
		errs = append(errs, fmt.Errorf("keep_best_mode is %q, expected %s or %s", c.KeepBestMode, bestMin, bestMax))
	}
	return errs
}

// see takes the line of metrics.jsonl of an iteration.
func (b *best) see(iteration int, metrics []Metric) {
	if b.Metric == "" {
		return
	}
	for _, m := range metrics {
		if b.NewestAt == 0 && !slices.Contains(b.logged, m.Name) {
			b.logged = append(b.logged, m.Name)
		}
		if m.Name != b.Metric {
			continue
		}
		b.Newest, b.NewestAt = nil, iteration
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
	case b.NewestAt != t.iteration:
		t.warnOfNoBest()
		return false
	case b.Newest == nil, t.CheckpointEvery > 0 && !every(t.CheckpointEvery, t.iteration) && t.iteration < t.Iterations:
		return false
	case b.Value != nil && b.Mode == bestMax && *b.Newest <= *b.Value, b.Value != nil && b.Mode == bestMin && *b.Newest >= *b.Value:
		return false
	}
	b.Value, b.Iteration = b.Newest, t.iteration
	return true
}

// warnOfNoBest tells, once, why there may never be a best checkpoint. One by the clock says nothing of the next ones, unless
// there are no others.
func (t *Trainer) warnOfNoBest() {
	b := &t.best
	if b.warned || b.Value != nil {
		return
	}
	switch {
	case b.NewestAt == 0 && t.iteration >= max(t.LogEvery, t.PreviewEvery) && len(b.logged) > 0:
		b.warned = true
		t.observer.Warn(fmt.Sprintf("keep_best is %s, which was not logged yet, expected one of %s", b.Metric, strings.Join(b.logged, ", ")))
	case b.NewestAt > 0 && (t.CheckpointEvery == 0 || every(t.CheckpointEvery, t.iteration)):
		b.warned = true
		t.observer.Warn(fmt.Sprintf("there is no best checkpoint yet: keep_best, %s, was logged at iteration %d, but not at %d, which has a checkpoint; "+
			"choose checkpoint_every as a multiple of log_every, or of preview_every for a metric of previews", b.Metric, b.NewestAt, t.iteration))
	}
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
