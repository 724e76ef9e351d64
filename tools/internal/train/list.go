package train

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/imori-ml/imori/datasets"
	"github.com/imori-ml/imori/models"
	"github.com/imori-ml/imori/recipes"
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
