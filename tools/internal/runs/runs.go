// Package runs is the command that lists and compares runs.
package runs

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/tools/internal/cli"
)

// New makes the command.
func New() *cobra.Command {
	var f filter
	var asJSON bool
	c := &cobra.Command{
		Use:   "runs [FOLDER] [-state S] [-recipe R] [-json]",
		Short: "list and compare runs",
		Long: `Lists the runs in a folder, "runs" by default, newest first: what they train, how far they are, their last losses. Looking
at a run leaves it as it is, also while it trains. A run is running as long as a process holds its folder; one whose process
was killed counts as interrupted.`,
		Example: `imori runs
imori runs -state running
imori runs -recipe 'gan_*' -json
imori runs compare runs/gan_digits/20261123-101500 runs/gan_digits/20261123-113000`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q, expected one folder", args[1])
			}
			return f.check()
		},
		ValidArgsFunction: cli.Folders,
		RunE: func(c *cobra.Command, args []string) error {
			folder := "runs"
			if len(args) == 1 {
				folder = args[0]
			}
			return list(c, folder, f, asJSON)
		},
	}
	c.Flags().StringVar(&f.state, "state", "", "only runs in this `state`: "+strings.Join(states(), ", "))
	c.Flags().StringVar(&f.recipe, "recipe", "", "only runs of this recipe: a `name` or a pattern such as 'gan_*'")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cli.Complete(c, "state", states)
	c.AddCommand(newCompare())
	return c
}

func (f filter) check() error {
	if f.state != "" && !slices.Contains(states(), f.state) {
		err := fmt.Errorf("-state: found %q, expected one of %s", f.state, strings.Join(states(), ", "))
		if k := strict.Nearest(f.state, states()); k != "" {
			err = fmt.Errorf("%w; did you mean %s?", err, k)
		}
		return err
	}
	if _, err := path.Match(f.recipe, ""); err != nil {
		return fmt.Errorf("-recipe: found %q, expected a name or a pattern such as 'gan_*'", f.recipe)
	}
	return nil
}

func list(c *cobra.Command, folder string, f filter, asJSON bool) error {
	runs, problems, err := find(folder)
	if err != nil {
		return err
	}
	for _, p := range problems {
		c.PrintErrln("warning:", p)
	}
	all := len(runs)
	runs = slices.DeleteFunc(runs, func(r *run) bool { return !f.takes(r) })
	switch {
	case asJSON:
		return printJSON(c.OutOrStdout(), runs)
	case len(runs) == 0:
		c.PrintErrf("none of the %d runs in %s is one of those\n", all, folder)
	default:
		printTable(c.OutOrStdout(), runs)
	}
	return nil
}
