package runs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/recipes"
	"github.com/imori-ml/imori/tools/internal/cli"
	"github.com/imori-ml/imori/trainer/curves"
	"github.com/imori-ml/imori/trainer/rundir"
)

func newCompare() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "compare RUN RUN... [-out FILE.png]",
		Short: "compare runs: recipes, last metrics, curves",
		Long: `Prints on which keys the recipes of runs differ, and their last metrics side by side, and draws their curves into one
picture.`,
		Example: `imori runs compare runs/gan_digits/20261123-101500 runs/gan_digits/20261123-113000
imori runs compare runs/wgan_digits/* -out wgan.png`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 || len(args) > curves.MaxRuns {
				return fmt.Errorf("found %d runs, expected 2 to %d", len(args), curves.MaxRuns)
			}
			return cli.CheckExtension("out", out, ".png")
		},
		ValidArgsFunction: cli.Folders,
		RunE:              func(c *cobra.Command, args []string) error { return compare(c.OutOrStdout(), args, out) },
	}
	c.Flags().StringVar(&out, "out", "runs-compare.png", "the picture's `file`")
	return c
}

func compare(out io.Writer, paths []string, picture string) error {
	runs, err := openAll(paths)
	if err != nil {
		return err
	}
	var files cli.Outputs
	defer files.Discard()
	file, err := files.Create(picture)
	if err != nil {
		return err
	}
	var rows [][]string
	for i, r := range runs {
		rows = append(rows, []string{letter(i), r.path, r.recipeName(), string(r.state()), r.progress(), cli.Duration(r.took())})
	}
	for i, line := range align(rows) {
		fmt.Fprintln(out, line)
		if note := runs[i].note(); note != "" {
			fmt.Fprintln(out, "  "+note)
		}
	}
	fmt.Fprintln(out)
	printRecipes(out, runs)
	fmt.Fprintln(out)
	printMetrics(out, runs)

	var drawn []curves.Run
	for i, name := range shortNames(paths) {
		drawn = append(drawn, curves.Run{Name: letter(i) + "  " + name, Series: runs[i].series})
	}
	img, err := curves.Draw("", drawn...)
	if err != nil {
		return err
	}
	if err := cli.Encode(file, img); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\ncurves: %s\n", picture)
	return nil
}

// openAll opens runs that are to be there, with metrics that can be read.
func openAll(paths []string) ([]*run, error) {
	var runs []*run
	var errs []error
	for _, path := range paths {
		path = filepath.Clean(path)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("the folder %s does not exist", path))
		} else if !rundir.IsRun(path) {
			errs = append(errs, fmt.Errorf("%s is not the folder of a run; `imori runs` lists those in the folder runs", path))
		} else if series, err := rundir.ReadRunMetrics(path); err != nil {
			errs = append(errs, err)
		} else {
			r := open(path)
			r.series = series
			runs = append(runs, r)
		}
	}
	return runs, errors.Join(errs...)
}

// letter is what a run is called in the tables.
func letter(i int) string { return string(rune('A' + i)) }

// printRecipes prints the keys on which the recipes differ.
func printRecipes(out io.Writer, runs []*run) {
	var all []*recipes.Recipe
	header := []string{"RECIPE"}
	var without []string
	for i, r := range runs {
		if r.recipe == nil {
			without = append(without, letter(i))
			continue
		}
		all = append(all, r.recipe)
		header = append(header, letter(i))
	}
	rows := [][]string{header}
	differences := recipes.Compare(all...)
	slices.SortStableFunc(differences, func(a, b recipes.Comparison) int { return section(a.Key) - section(b.Key) })
	for _, c := range differences {
		rows = append(rows, append([]string{c.Key}, c.Values...))
	}
	switch {
	case len(all) < 2: // nothing to compare
	case len(rows) == 1:
		fmt.Fprintln(out, "recipes: the same")
	default:
		for _, line := range align(rows) {
			fmt.Fprintln(out, line)
		}
	}
	if without != nil {
		fmt.Fprintf(out, "without a recipe that can be read: %s\n", strings.Join(without, ", "))
	}
}

// section is the place in a recipe of the section that a key is in.
func section(key string) int {
	top, _, _ := strings.Cut(key, ".")
	return slices.Index([]string{"name", "model", "dataset", "optimizer", "train"}, top)
}

// printMetrics prints the last values of all metrics but the details, whose names have a dot.
func printMetrics(out io.Writer, runs []*run) {
	header, iterations := []string{"LAST METRICS"}, []string{"iteration"}
	var names []string
	values := make([]map[string]string, len(runs))
	for i, r := range runs {
		header = append(header, letter(i))
		iterations = append(iterations, fmt.Sprint(r.seen.Iteration))
		values[i] = map[string]string{}
		for _, m := range r.last() {
			if strings.Contains(m.name, ".") {
				continue
			}
			values[i][m.name] = figure(m.value)
			if !slices.Contains(names, m.name) {
				names = append(names, m.name)
			}
		}
	}
	rows := [][]string{header, iterations}
	for _, name := range names {
		row := []string{name}
		for _, v := range values {
			row = append(row, v[name])
		}
		rows = append(rows, row)
	}
	for _, line := range align(rows) {
		fmt.Fprintln(out, line)
	}
}

// shortNames drops the folders that all paths are in.
func shortNames(paths []string) []string {
	parts := make([][]string, len(paths))
	for i, p := range paths {
		parts[i] = strings.Split(filepath.ToSlash(filepath.Clean(p)), "/")
	}
	for {
		for _, p := range parts {
			if len(p) == 1 || p[0] != parts[0][0] {
				names := make([]string, len(parts))
				for i, p := range parts {
					names[i] = strings.Join(p, "/")
				}
				return names
			}
		}
		for i := range parts {
			parts[i] = parts[i][1:]
		}
	}
}
