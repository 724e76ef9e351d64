package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// NewCompletion makes the command that prints completion scripts for the commands.
func NewCompletion(commands ...func() *cobra.Command) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	names := func() (names []string) { // later, for this command is in one of them
		for _, command := range commands {
			names = append(names, command().Name())
		}
		return names
	}
	isShell := OneOf("a shell", shells...)
	return &cobra.Command{
		Use:   "completion SHELL [COMMAND]",
		Short: "print a script with which the shell completes commands and flags",
		Long: `Prints a script with which the shell completes commands and flags. SHELL is ` + strings.Join(shells, ", ") + `.
COMMAND is imori or train: the script for one of them, as a file for zsh or fish needs it; without it, for both.`,
		Example: `source <(imori completion bash)                                       # for this shell; zsh, too
imori completion fish | source
imori completion powershell | Out-String | Invoke-Expression
imori completion bash > /etc/bash_completion.d/imori                  # for every shell
imori completion zsh imori > "${fpath[1]}/_imori"
imori completion zsh train > "${fpath[1]}/_train"
imori completion fish imori > ~/.config/fish/completions/imori.fish
imori completion fish train > ~/.config/fish/completions/train.fish`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) (words []cobra.Completion, d cobra.ShellCompDirective) {
			switch len(args) {
			case 0:
				words = slices.Clone(shells)
			case 1:
				words = names()
			}
			others := func(word string) bool { return !strings.HasPrefix(word, begun) }
			return slices.DeleteFunc(words, others), cobra.ShellCompDirectiveNoFileComp
		},
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 2 {
				return errors.Join(isShell(c, args[:1]), OneOf("a command", names()...)(c, args[1:]))
			}
			return isShell(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			for _, command := range commands {
				root := command()
				if len(args) == 2 && root.Name() != args[1] {
					continue
				}
				if err := script(root, args[0], c.OutOrStdout()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func script(c *cobra.Command, shell string, out io.Writer) error {
	switch shell {
	case "bash":
		return c.GenBashCompletionV2(out, true)
	case "zsh":
		return c.GenZshCompletion(out)
	case "fish":
		return c.GenFishCompletion(out, true)
	}
	return c.GenPowerShellCompletionWithDesc(out)
}

// OneOf wants one argument, one of the words.
func OneOf(what string, words ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 1 {
			for _, w := range words {
				if args[0] == w {
					return nil
				}
			}
			return fmt.Errorf("found %q, expected %s: one of %s", args[0], what, strings.Join(words, ", "))
		}
		return fmt.Errorf("found %d arguments, expected %s: one of %s", len(args), what, strings.Join(words, ", "))
	}
}

// Args wants exactly the arguments of these names, and says which are missing. Those in brackets may be left out.
func Args(names ...string) cobra.PositionalArgs {
	wanted := names
	for len(wanted) > 0 && strings.HasPrefix(wanted[len(wanted)-1], "[") {
		wanted = wanted[:len(wanted)-1]
	}
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(wanted) {
			return fmt.Errorf("%s is missing: %s", strings.Join(wanted[len(args):], " and "), usageLines(c))
		}
		if len(args) > len(names) {
			return fmt.Errorf("unexpected argument %q: %s", args[len(names)], usageLines(c))
		}
		return nil
	}
}

// completion makes completion work for flags with one dash: the shell's script runs the command as
// `imori __complete WORD... LAST`, and the library knows flags with two dashes only. It returns the arguments to run the
// command with, and a function that prints what was found; ok is false for arguments of another kind.
func completion(root *cobra.Command, words []string) (args []string, finish func(), ok bool) {
	if len(words) < 2 || words[0] != cobra.ShellCompRequestCmd && words[0] != cobra.ShellCompNoDescRequestCmd {
		return nil, nil, false
	}
	last := words[len(words)-1]
	before := normalise(find(root, words[1:len(words)-1]))
	oneDash := strings.HasPrefix(last, "-") && !strings.HasPrefix(last, "--")
	if !oneDash {
		return append(append(words[:1:1], before...), last), func() {}, true
	}
	out := root.OutOrStdout()
	var found bytes.Buffer
	root.SetOut(&found)
	finish = func() {
		for line := range strings.Lines(found.String()) {
			if strings.HasPrefix(line, "--") {
				line = line[1:]
			}
			io.WriteString(out, line) //nolint:errcheck // printing
		}
	}
	return append(append(words[:1:1], before...), "-"+last), finish, true
}
