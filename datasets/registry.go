package datasets

import (
	"maps"
	"slices"
)

// Plugin is a dataset type as recipes know it.
type Plugin struct {
	Name    string         // "cifar10"
	About   string         // one line for a list
	Options func() Options // a pointer to a fresh struct that holds the defaults
}

var plugins = map[string]Plugin{}

// Register makes a dataset type known; call it from init. It panics on a name
// that is empty or taken, which is a mistake in the program.
func Register(p Plugin) {
	if _, taken := plugins[p.Name]; taken || p.Name == "" || p.Options == nil {
		panic("datasets: cannot register " + p.Name + ": the name is empty or taken, or there are no options")
	}
	plugins[p.Name] = p
}

// Lookup returns the dataset type of that name.
func Lookup(name string) (Plugin, bool) {
	p, ok := plugins[name]
	return p, ok
}

// Names lists the registered dataset types, sorted.
func Names() []string { return slices.Sorted(maps.Keys(plugins)) }
