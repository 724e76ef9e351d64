package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// sample is a command like train.
func sample() *cobra.Command {
	c := &cobra.Command{Use: "train", Short: "train", RunE: func(*cobra.Command, []string) error { return nil }}
	for _, name := range []string{"recipe", "out", "set"} {
		c.Flags().String(name, "", "")
	}
	c.Flags().Bool("dry-run", false, "")
	c.Flags().Bool("list", false, "")
	return c
}

func TestNormalise(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-recipe x", "--recipe=x"},
		{"-recipe=x", "--recipe=x"},
		{"--recipe x", "--recipe=x"},
		{"--recipe=x", "--recipe=x"},
		{"-recipe=", "--recipe="},
		{"-recipe", "--recipe"},
		{"-dry-run -recipe x", "--dry-run --recipe=x"},
		{"-dry-run x", "--dry-run x"}, // takes no value
		{"-dry-run=false", "--dry-run=false"},
		{"-out -odd", "--out=-odd"},
		{"-out -- -list", "--out=-- --list"},
		{"-set a.b=-1 -set=a.c=x=y", "--set=a.b=-1 --set=a.c=x=y"},
		{"-list -- -recipe x", "--list -- -recipe x"},
		{"-rceipe x", "--rceipe x"},
		{"-", "-"},
		{"-h", "--help"},
		{"---recipe x", "---recipe x"},
	}
	for _, test := range tests {
		got := normalise(find(sample(), strings.Fields(test.args)))
		if !slices.Equal(got, strings.Fields(test.want)) {
			t.Errorf("%s: got %q, want %q", test.args, got, test.want)
		}
	}
}

// tree is a command with others below it.
func tree() *cobra.Command {
	root := &cobra.Command{Use: "imori"}
	latent := &cobra.Command{Use: "latent", Short: "latents"}
	line := &cobra.Command{
		Use: "line RUN", Short: "a line", Args: Args("RUN"), Example: "imori latent line runs/x -from -2,-2",
		RunE: func(c *cobra.Command, args []string) error {
			from, _ := c.Flags().GetString("from")
			switch fmt.Fprintf(c.OutOrStdout(), "%s from %s\n", args[0], from); args[0] {
			case "bad":
				return errors.New("bad")
			case "typed":
				return Wrong(errors.New("one\ntwo"))
			case "used":
				return Usage(errors.New("used"))
			}
			return nil
		},
	}
	line.Flags().Int("steps", 2, "this many")
	line.Flags().String("from", "-1,-1", "begin at this `point`")
	Complete(line, "from", func() []string { return []string{"0,0", "1,1"} })
	latent.AddCommand(line)
	runs := &cobra.Command{ // it does something by itself, too
		Use: "runs [FOLDER]", Args: Args("FOLDER"),
		RunE: func(c *cobra.Command, args []string) error {
			fmt.Fprintln(c.OutOrStdout(), "runs in", args)
			return nil
		},
	}
	runs.AddCommand(&cobra.Command{Use: "compare", RunE: func(c *cobra.Command, _ []string) error {
		fmt.Fprintln(c.OutOrStdout(), "compared")
		return nil
	}})
	root.AddCommand(latent, runs, sample(), NewCompletion(tree, sample), NewVersion())
	return root
}

func TestRun(t *testing.T) {
	tests := []struct {
		line        string
		status      int
		out, errors string
	}{
		{"latent line runs/x -from -2,-2", 0, "runs/x from -2,-2\n", ""},
		{"latent line -from=-2,-2 runs/x", 0, "runs/x from -2,-2\n", ""},
		{"latent line bad", 1, "bad from -1,-1\n", "imori latent line: bad\n"},
		{"latent line typed", 2, "typed", "imori latent line: one\n                   two\n"},
		{"latent line used", 2, "used", "imori latent line: used\n\nUsage: imori latent line RUN"},
		{"latent line", 2, "", "RUN is missing: imori latent line RUN\n"},
		{"latent line a b", 2, "", `unexpected argument "b": imori latent line RUN`},
		{"latent line a -form 1", 2, "", "unknown flag: -form, did you mean -from?"},
		{"latent line a -from=", 2, "", "flag needs a value: -from"},
		{"latent line a -from", 2, "", "flag needs a value: -from"},
		{"latent line a -steps x", 2, "", `-steps: found "x", expected a whole number`},
		{"train -list=x", 2, "", `-list: found "x", expected true or false`},
		{"-version", 0, "libtorch", ""},
		{"--version", 0, "libtorch", ""},
		{"completion fish tarin", 2, "", `found "tarin", expected a command: one of imori, train`},
		{"completion fish train x", 2, "", `expected a shell`},
		{"latent lien", 2, "", `imori latent: unknown command "lien", expected one of line; did you mean line?`},
		{"help latent lien", 2, "", `imori latent: unknown command "lien", expected one of line; did you mean line?`},
		{"help trian", 2, "", "did you mean train?"},
		{"help latent line", 0, "Usage: imori latent line RUN", ""},
		{"trian", 2, "", `unknown command "trian", expected one of completion, latent, runs, train, version; did you mean train?`},
		{"completion tcsh", 2, "", `found "tcsh", expected a shell: one of bash, zsh, fish, powershell`},
		{"latent line -h", 0, "Usage: imori latent line RUN\n\na line\n\nFlags:\n  -from point  begin at this point (default -1,-1)", ""},
		{"", 0, "Commands:\n  completion", ""},
		{"latent", 0, "Usage: imori latent COMMAND", ""},
		{"version", 0, "libtorch", ""},
		{"runs folder", 0, "runs in [folder]\n", ""},
		{"runs compare", 0, "compared\n", ""},
		{"runs -h", 0, "Usage: imori runs [FOLDER]\n       imori runs COMMAND\n", ""},
	}
	for _, test := range tests {
		var out, errs bytes.Buffer
		status := Run(context.Background(), tree(), strings.Fields(test.line), &out, &errs)
		if status != test.status || !strings.Contains(out.String(), test.out) || !strings.Contains(errs.String(), test.errors) ||
			(errs.Len() > 0) != (test.errors != "") {
			t.Errorf("imori %s: status %d\n%s%s", test.line, status, out.String(), errs.String())
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := &cobra.Command{Use: "x", RunE: func(c *cobra.Command, _ []string) error { return c.Context().Err() }}
	var errs bytes.Buffer
	if status := Run(ctx, c, nil, &errs, &errs); status != ExitInterrupted || errs.String() != "x: interrupted\n" {
		t.Errorf("interrupted: status %d, %s", status, errs.String())
	}
}

func TestArgs(t *testing.T) {
	c := &cobra.Command{Use: "translate RUN [FOLDER]"}
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "RUN is missing: translate RUN [FOLDER]"},
		{[]string{"a"}, ""},
		{[]string{"a", "b"}, ""},
		{[]string{"a", "b", "c"}, `unexpected argument "c": translate RUN [FOLDER]`},
	} {
		if err := Args("RUN", "[FOLDER]")(c, test.args); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%q: got %v", test.args, err)
		}
	}
}

func TestCompletion(t *testing.T) {
	tests := []struct {
		words []string
		want  []string // the beginnings of the lines
	}{
		{[]string{"lat"}, []string{"latent"}},
		{[]string{"latent", "line", "x", "-fr"}, []string{"-from"}},
		{[]string{"latent", "line", "x", "--fr"}, []string{"--from"}},
		{[]string{"latent", "line", "-from", ""}, []string{"0,0", "1,1"}},
		{[]string{"train", "-"}, []string{"-dry-run", "-help", "-list", "-out", "-recipe", "-set"}},
		{[]string{"completion", "f"}, []string{"fish"}},
		{[]string{"completion", "fish", ""}, []string{"imori", "train"}},
	}
	for _, test := range tests {
		var out, errs bytes.Buffer
		Run(context.Background(), tree(), append([]string{"__complete"}, test.words...), &out, &errs)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		lines = lines[:len(lines)-1] // the directive for the script
		matches := len(lines) == len(test.want)
		for i := range lines {
			matches = matches && strings.HasPrefix(lines[i], test.want[i])
		}
		if !matches {
			t.Errorf("%q: got\n%s\nwant %q", test.words, out.String(), test.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out bytes.Buffer
		if status := Run(context.Background(), tree(), []string{"completion", shell}, &out, &out); status != 0 ||
			!strings.Contains(out.String(), "imori") || !strings.Contains(out.String(), "train") {
			t.Errorf("%s: status %d, %d bytes", shell, status, out.Len())
		}
		out.Reset()
		Run(context.Background(), tree(), []string{"completion", shell, "train"}, &out, &out)
		if strings.Contains(out.String(), "imori") || !strings.Contains(out.String(), "train") {
			t.Errorf("%s for train is for imori", shell)
		}
	}
}
