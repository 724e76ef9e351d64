package recipes

import (
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/imori-ml/imori/recipes/strict"
)

//go:embed *.yaml
var builtin embed.FS

// BuiltinNames lists the recipes that are part of the program, sorted.
func BuiltinNames() []string {
	entries, err := builtin.ReadDir(".")
	if err != nil {
		panic(err) // the folder is in the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	return names
}

// Builtin returns a recipe that is part of the program, with overrides.
func Builtin(name string, overrides []string) (*Recipe, error) {
	data, err := builtin.ReadFile(name + ".yaml")
	if err != nil {
		names := BuiltinNames()
		message := fmt.Sprintf("there is no built-in recipe %q, expected one of %s", name, strings.Join(names, ", "))
		if near := strict.Nearest(name, names); near != "" {
			message += "; did you mean " + near + "?"
		}
		return nil, errors.New(message)
	}
	return Parse("built-in "+name+".yaml", data, overrides)
}

// BuiltinAbout returns the comment at the top of a built-in recipe: what it
// trains, on what, and how long that takes. "" if there is no such recipe.
func BuiltinAbout(name string) string {
	data, _ := builtin.ReadFile(name + ".yaml")
	var about []string
	for line := range strings.Lines(string(data)) {
		text, comment := strings.CutPrefix(line, "#")
		if !comment {
			break
		}
		about = append(about, strings.TrimSpace(text))
	}
	return strings.Join(about, " ")
}
