// Package cli is what the commands have in common: flags with one dash or two, help, completion, errors, exit statuses.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/imori-ml/imori/recipes/strict"
	"github.com/imori-ml/imori/trainer"
)

// Exit statuses.
const (
	ExitDone        = 0
	ExitFailed      = 1
	ExitWrong       = 2   // the command line or the recipe
	ExitInterrupted = 130 // by SIGINT; by another signal 128 and its number, as shells count
)

// wrong is an error of the command line or the recipe.
type wrong struct {
	error
	usage bool // which is printed, too
}

func (w wrong) Unwrap() error { return w.error }

// Wrong marks an error of what was typed, or of a recipe: the exit status is then ExitWrong.
func Wrong(err error) error { return wrong{error: err} }

// Usage is Wrong, and prints how the command is used.
func Usage(err error) error { return wrong{err, true} }

// Main runs a command as a process.
func Main(root *cobra.Command) {
	limitMemory()
	os.Exit(Run(untilSignal(), root, os.Args[1:], os.Stdout, os.Stderr))
}

// Run is a command without its process: it returns the exit status. The command is interrupted when ctx ends.
func Run(ctx context.Context, root *cobra.Command, args []string, stdout, stderr io.Writer) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { help(c, stdout) })
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c, err) })
	parsed := false
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		parsed = true
		return checkGiven(c.Flags())
	}
	if len(args) == 1 && strings.HasPrefix(args[0], "-") && strings.TrimLeft(args[0], "-") == "version" && hasVersion(root) {
		args = []string{"version"}
	}
	if root.HasSubCommands() && len(args) > 0 && args[0] == "help" { // the library takes any word for a topic that has no help
		args = append(slices.Clone(args[1:]), "--help")
	}
	command, path, rest := find(root, args)
	err := unknownCommand(command, rest)
	if words, finish, ok := completion(root, args); ok {
		root.SetArgs(words)
		defer finish()
		err = nil
	} else {
		root.SetArgs(normalise(command, path, rest))
	}
	if err == nil {
		command, err = root.ExecuteContextC(ctx)
	}
	if err == nil {
		return ExitDone
	}
	name := command.CommandPath()
	if ctx.Err() != nil && (errors.Is(err, trainer.ErrInterrupted) || errors.Is(err, context.Canceled)) {
		fmt.Fprintf(stderr, "%s: interrupted\n", name)
		return interruptedStatus(ctx)
	}
	// What is wrong with a recipe comes as several lines, each with its place.
	text := strings.TrimRight(err.Error(), "\n")
	fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", len(name)+2)))
	var w wrong
	isWrong := errors.As(err, &w)
	if w.usage {
		fmt.Fprintln(stderr)
		help(command, stderr)
	}
	if isWrong || !parsed {
		return ExitWrong
	}
	return ExitFailed
}

func hasVersion(root *cobra.Command) bool {
	return slices.ContainsFunc(root.Commands(), func(c *cobra.Command) bool { return c.Name() == "version" })
}

// unknownCommand says what a word may have been meant to be that is none of a command's commands. To a command that runs
// by itself too, the word is an argument.
func unknownCommand(c *cobra.Command, rest []string) error {
	if !c.HasSubCommands() || c.Runnable() || len(rest) == 0 || strings.HasPrefix(rest[0], "-") || rest[0] == "help" {
		return nil
	}
	var known []string
	for _, sub := range c.Commands() {
		known = append(known, sub.Name())
	}
	err := fmt.Errorf("unknown command %q, expected one of %s", rest[0], strings.Join(known, ", "))
	if k := strict.Nearest(rest[0], known); k != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, k)
	}
	return err
}

// checkGiven refuses a flag with an empty value, as of an unset variable in a script.
func checkGiven(f *pflag.FlagSet) (err error) {
	f.Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = Wrong(fmt.Errorf("flag needs a value: -%s", f.Name))
		}
	})
	return err
}

// flagError says what is wrong with a flag, which it writes with one dash as help does.
func flagError(c *cobra.Command, err error) error {
	var needs *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &needs):
		return fmt.Errorf("flag needs a value: -%s", needs.GetSpecifiedName())
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		if expected := expectedOf[f.Value.Type()]; expected != "" {
			return fmt.Errorf("-%s: found %q, expected %s", f.Name, invalid.GetValue(), expected)
		}
		return fmt.Errorf("-%s: %w", f.Name, invalid.Unwrap())
	}
	return suggestFlag(c, err)
}

// expectedOf is what the library's values are.
var expectedOf = map[string]string{"int": "a whole number", "float64": "a number", "bool": "true or false"}

// suggestFlag says what an unknown flag may have been meant to be.
func suggestFlag(c *cobra.Command, err error) error {
	unknown := (*pflag.NotExistError)(nil)
	if !errors.As(err, &unknown) {
		return err
	}
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if k := strict.Nearest(unknown.GetSpecifiedName(), known); k != "" {
		return fmt.Errorf("unknown flag: -%s, did you mean -%s?", unknown.GetSpecifiedName(), k)
	}
	return fmt.Errorf("unknown flag: -%s; see %s -help", unknown.GetSpecifiedName(), c.CommandPath())
}
