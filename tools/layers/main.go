// Command layers checks that imports point upward only, that cgo stays in its packages, and that the packages meant to
// work without libtorch do. The rules are the tables below.
//
//	go run ./tools/layers          prints each offence with the rule it breaks; exit status 1 if there is one
//	go run ./tools/layers -pure    prints the packages that work without libtorch, for go test -race
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const (
	module  = "github.com/imori-ml/imori"
	gotorch = "github.com/wangkuiyi/gotorch"
)

// layers are the folders of the module, lowest first. A package may import from its own folder and from lower lines.
var layers = [][]string{
	{"internal"},           // what tests share, and what knows nothing of the rest
	{"cgotorch"},           // the C++ sources
	{"torchx"},             // what gotorch lacks; the one door to C
	{"losses", "datasets"}, // functions of tensors; bytes to batches
	{"trainer"},            // the loop, which knows no model
	{"models"},             // one file a model
	{"recipes"},            // YAML to a model, a dataset and a trainer
	{"tools"},              // commands
}

// cgoPackages alone import "C": every call into libtorch passes through torchx's handling of memory and errors, and the
// other sets the process up before Go's runtime is there.
var cgoPackages = []string{"torchx", "torchx/arena"}

// pure packages work without libtorch: fast to test, testable with -race, usable by any program. Each lists what it
// may import of this module besides itself and what lies below it.
var pure = map[string][]string{
	"internal":            nil,
	"cgotorch":            nil,
	"torchx/safetensors":  {"internal"},
	"datasets":            {"internal", "torchx/safetensors/atomicfile"}, // its goroutines decode ahead and touch no tensor
	"trainer/rundir":      {"internal", "torchx/safetensors"},
	"trainer/curves":      {"internal", "torchx/safetensors/atomicfile", "trainer/rundir"},
	"trainer/tensorboard": {"internal"},
	"recipes/strict":      {"internal"},
	"tools/setup":         {"cgotorch", "torchx/safetensors/atomicfile"}, // runs before there is a library to link to
	"tools/layers":        nil,
}

// goPackage is the part of `go list -json` that matters.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func main() {
	listPure := flag.Bool("pure", false, "print the packages that work without libtorch")
	flag.Parse()
	packages, err := list()
	if err != nil {
		fmt.Fprintln(os.Stderr, "layers:", err)
		os.Exit(1)
	}
	if *listPure {
		for _, p := range packages {
			if _, ok := pureRule(folder(p.ImportPath)); ok {
				fmt.Println(p.ImportPath)
			}
		}
		return
	}
	offences := check(packages)
	for _, o := range offences {
		fmt.Fprintln(os.Stderr, "layers:", o)
	}
	if len(offences) > 0 {
		os.Exit(1)
	}
}

func list() ([]goPackage, error) {
	output, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", module+"/...").Output()
	if err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return nil, fmt.Errorf("go list: %s", strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, err
	}
	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(output))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// check returns a line for each import that breaks a rule. Tests are held to the rules of their package.
func check(packages []goPackage) []string {
	var offences []string
	for _, p := range packages {
		from := folder(p.ImportPath)
		if level(from) < 0 {
			offences = append(offences, from+" is in no layer: add its folder to the table in tools/layers")
			continue
		}
		imports := slices.Concat(p.Imports, p.TestImports, p.XTestImports)
		slices.Sort(imports)
		for _, imported := range slices.Compact(imports) {
			if reason := refuse(from, imported); reason != "" {
				offences = append(offences, fmt.Sprintf("%s imports %s: %s", from, imported, reason))
			}
		}
	}
	return offences
}

// refuse says why the package in the folder from may not import a package; "" if it may.
func refuse(from, imported string) string {
	allowed, isPure := pureRule(from)
	switch {
	case imported == "C" && !slices.Contains(cgoPackages, from):
		return "only " + strings.Join(cgoPackages, ", ") + " call C"
	case isPure && within(imported, gotorch):
		return "this package works without libtorch"
	case !within(imported, module):
		return ""
	}
	to := folder(imported)
	switch top := topFolder(to); {
	case top == topFolder(from):
	case level(to) == level(from):
		return top + " is beside " + topFolder(from) + ", and neither imports the other"
	case level(to) > level(from):
		return top + " lies below " + topFolder(from) + "; imports point upward only"
	}
	if isPure && !slices.ContainsFunc(allowed, func(a string) bool { return within(to, a) }) {
		return "this package works without libtorch, and may import of this module only: " + strings.Join(allowed, ", ")
	}
	return ""
}

// pureRule finds what a pure package may import: the rule of the nearest folder in the table.
func pureRule(path string) (allowed []string, ok bool) {
	for at := path; at != ""; at, _ = cutLast(at) {
		if also, found := pure[at]; found {
			return append([]string{at}, also...), true
		}
	}
	return nil, false
}

func cutLast(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// level is the line of a folder in the table, -1 if it is in none.
func level(path string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, topFolder(path)) })
}

func folder(importPath string) string {
	return strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/")
}

func topFolder(path string) string {
	top, _, _ := strings.Cut(path, "/")
	return top
}

func within(path, parent string) bool {
	return path == parent || strings.HasPrefix(path, parent+"/")
}
