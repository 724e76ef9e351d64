package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/imori-ml/imori/cgotorch"
	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/torchx"
)

// list prints what can be trained.
func list(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "Built-in recipes, for -recipe:")
	for _, name := range recipes.BuiltinNames() {
		fmt.Fprintf(w, "  %s\t%s\n", name, recipes.BuiltinAbout(name))
	}
	fmt.Fprintln(w, "\nModels, for model.type:")
	for _, name := range models.Names() {
		plugin, _ := models.Lookup(name)
		fmt.Fprintf(w, "  %s\t%s\n", name, plugin.About)
	}
	fmt.Fprintln(w, "\nDatasets, for dataset.type:")
	for _, name := range datasets.Names() {
		plugin, _ := datasets.Lookup(name)
		fmt.Fprintf(w, "  %s\t%s\n", name, plugin.About)
	}
	fmt.Fprintln(w, "\nAugmentations, for dataset.augment:")
	for _, name := range datasets.AugmentationNames() {
		plugin, _ := datasets.LookupAugmentation(name)
		fmt.Fprintf(w, "  %s\t%s\n", name, plugin.About)
	}
	w.Flush() //nolint:errcheck // printing
}

// printVersion prints what a report of a fault needs.
func printVersion(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "imori\t%s\n", version)
	fmt.Fprintf(w, "Go\t%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(w, "libtorch\t%s\n", torchx.NewReport().Libtorch)
	fmt.Fprintf(w, "gotorch\t%s\n", moduleVersion("github.com/wangkuiyi/gotorch"))
	fmt.Fprintf(w, "cgotorch\tbuild %s\n", cgotorch.BuildID())
	w.Flush() //nolint:errcheck // printing
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}
