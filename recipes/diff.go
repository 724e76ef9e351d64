package recipes

import (
	"slices"

	"github.com/imori-ml/imori/recipes/strict"
)

// Difference is a value that two recipes do not share.
type Difference struct {
	Key      string // dotted
	Old, New string // as YAML; "" where the recipe has no such key
	Harmless bool   // a run may go on with it: what was trained so far stays valid
}

// harmless are the keys that say how long a run goes on, where it runs, what it
// shows and keeps, and where its data lie and how they are kept in memory; all others change what is trained.
var harmless = []string{
	"train.iterations", "train.log_every", "train.preview_every", "train.checkpoint_every", "train.keep_checkpoints",
	"train.tensorboard", "train.device", "train.threads", "dataset.root", "dataset.images", "dataset.targets", "dataset.download", "dataset.cache_mib",
}

// Diff returns what changed from old to new, in the order of the new recipe's
// keys; those that only the old one has come last.
func Diff(old, new *Recipe) []Difference {
	var out []Difference
	find := func(entries []strict.Entry, key string) string {
		i := slices.IndexFunc(entries, func(e strict.Entry) bool { return e.Key == key })
		if i < 0 {
			return ""
		}
		return entries[i].Value
	}
	add := func(key, before, after string) {
		if before != after {
			out = append(out, Difference{key, before, after, slices.Contains(harmless, key) && !(key == "train.iterations" && new.decaysToTheEnd())})
		}
	}
	before, after := old.Entries(), new.Entries()
	for _, e := range after {
		add(e.Key, find(before, e.Key), e.Value)
	}
	for _, e := range before {
		if find(after, e.Key) == "" {
			add(e.Key, e.Value, "")
		}
	}
	return out
}

// decaysToTheEnd says whether the learning rates are a function of the number of
// iterations: with another number, those of the iterations done were others.
func (r *Recipe) decaysToTheEnd() bool {
	return r.Train.Schedule != "constant" && r.Train.DecayUntil == 0
}
