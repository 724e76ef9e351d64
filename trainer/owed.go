package trainer

import (
	"encoding/json"
	"fmt"

	"github.com/imori-ml/imori/trainer/rundir"
)

// owedKey is where in a checkpoint's State.Extra the trainer keeps that its iteration lacks its preview.
const owedKey = "preview_owed"

// owed is an iteration whose preview failed: what it measured is not logged yet. The next Run begins with that, so that
// the run's files are those of one whose preview did not fail.
type owed struct {
	Metrics []owedMetric `json:"metrics"` // of the iteration's losses, in order; null: it is none that logs
}

type owedMetric struct {
	Name  string   `json:"name"`
	Value figure64 `json:"value"`
}

func newOwed(metrics []Metric) *owed {
	o := &owed{}
	for _, m := range metrics {
		o.Metrics = append(o.Metrics, owedMetric{m.Name, figure64(m.Value)})
	}
	return o
}

func (o *owed) metrics() (metrics []Metric) {
	for _, m := range o.Metrics {
		metrics = append(metrics, Metric{m.Name, float64(m.Value)})
	}
	return metrics
}

// restoreOwed takes over what a checkpoint's iteration lacks.
func (t *Trainer) restoreOwed(c *rundir.Checkpoint) error {
	raw := c.State.Extra[owedKey]
	if raw == nil {
		return nil
	}
	t.owed = &owed{}
	if err := json.Unmarshal(raw, t.owed); err != nil {
		return fmt.Errorf("what it says of its preview is damaged: %w", err)
	}
	return nil
}

// logged is the newest iteration whose line, if it has one, is in the logs.
func (t *Trainer) logged() int {
	if t.owed != nil {
		return t.iteration - 1
	}
	return t.iteration
}
