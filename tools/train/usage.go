package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"github.com/imori-ml/imori/recipes"
)

func usage(out io.Writer) {
	fmt.Fprint(out, `Usage: train -recipe FILE|NAME [-set key=value]... [-device D] [-out DIR]
       train -resume DIR [-set key=value]... [-device D]
       train -recipe FILE|NAME -dry-run | -print-config | -show-augmented FILE
       train -list | -version | -help

Trains a model as a recipe says: a YAML file, or one that is built in.

`)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	newFlags(&options{}).VisitAll(func(f *pflag.Flag) {
		value, text := pflag.UnquoteUsage(f)
		fmt.Fprintf(w, "  -%s\t%s\n", strings.TrimSpace(f.Name+" "+value), text)
	})
	w.Flush() //nolint:errcheck // printing
	fmt.Fprintf(out, `
Built-in recipes: %s

The first SIGINT or SIGTERM ends the running iteration, saves a checkpoint and exits; a second one exits at once.
Exit status: 0 done, 1 failed, 2 wrong command line or recipe, 130 interrupted.

A busy neighbour on the same processors slows training several times over, because OpenMP's threads wait for each other
spinning. OMP_WAIT_POLICY=passive in the environment makes them sleep instead; on a machine of your own leave it unset.
OMP_NUM_THREADS limits the threads where a recipe does not say how many.
`, strings.Join(recipes.BuiltinNames(), ", "))
}
