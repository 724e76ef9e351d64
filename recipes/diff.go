package recipes

import "slices"

// Difference is a value that two recipes do not share.
type Difference struct {
	Key      string // dotted
	Old, New string // as YAML; "" where the recipe has no such key
	Effect   Effect
}

// Effect is what a difference means to a run that goes on with it.
type Effect int

// The effects.
const (
	Harmful  Effect = iota // what is trained is no longer what began
	Harmless               // what was trained so far stays valid
	Fatal                  // the run cannot go on
)

// harmless are the keys that say how long a run goes on, where it runs, what it
// shows and keeps, what it does when something goes wrong, and where its data lie and how they are kept in memory; all others change what is trained.
var harmless = []string{
	"train.iterations", "train.log_every", "train.preview_every", "train.checkpoint_every", "train.keep_checkpoints",
	"train.checkpoint_minutes", "train.keep_best", "train.keep_best_mode", "train.on_save_error", "train.on_divergence", "train.max_rollbacks",
	"train.tensorboard", "train.device", "train.threads", "dataset.root", "dataset.images", "dataset.targets", "dataset.download", "dataset.cache_mib",
}

// fatal are the keys without which nobody knows where in the data a run is.
var fatal = []string{"train.seed", "train.batch_size"}

// Diff returns what changed from old to new, in the order of the new recipe's
// keys; those that only the old one has come last.
func Diff(old, new *Recipe) []Difference {
	var out []Difference
	for _, c := range Compare(new, old) {
		out = append(out, Difference{c.Key, c.Values[1], c.Values[0], new.effect(c.Key)})
	}
	return out
}

// effect is what it means that the run had another value for a key.
func (r *Recipe) effect(key string) Effect {
	switch {
	case slices.Contains(fatal, key):
		return Fatal
	case !slices.Contains(harmless, key), key == "train.iterations" && r.decaysToTheEnd():
		return Harmful
	}
	return Harmless
}

// Comparison is a key on which recipes differ.
type Comparison struct {
	Key    string   // dotted
	Values []string // of each recipe, as YAML; "" where it has no such key
}

// Compare returns the keys on which recipes differ, in the order of the first
// one's; keys that it has not come last.
func Compare(recipes ...*Recipe) []Comparison {
	var keys []string
	seen := map[string]bool{}
	values := make([]map[string]string, len(recipes))
	for i, r := range recipes {
		values[i] = map[string]string{}
		for _, e := range r.Entries() {
			values[i][e.Key] = e.Value
			if !seen[e.Key] {
				keys, seen[e.Key] = append(keys, e.Key), true
			}
		}
	}
	var out []Comparison
	for _, key := range keys {
		c := Comparison{Key: key}
		for _, v := range values {
			c.Values = append(c.Values, v[key])
		}
		if slices.ContainsFunc(c.Values, func(v string) bool { return v != c.Values[0] }) {
			out = append(out, c)
		}
	}
	return out
}

// decaysToTheEnd says whether the learning rates are a function of the number of
// iterations: with another number, those of the iterations done were others.
func (r *Recipe) decaysToTheEnd() bool {
	return r.Train.Schedule != "constant" && r.Train.DecayUntil == 0
}
