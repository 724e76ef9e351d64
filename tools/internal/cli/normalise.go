package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// find returns the command that the first of the arguments name, those words, and the rest.
func find(root *cobra.Command, args []string) (c *cobra.Command, path, rest []string) {
	c = root
	for i, word := range args {
		at := slices.IndexFunc(c.Commands(), func(c *cobra.Command) bool { return c.Name() == word })
		if at < 0 {
			return c, args[:i], args[i:]
		}
		c = c.Commands()[at]
	}
	return c, args, nil
}

// normalise makes -flag x, -flag=x, --flag x and --flag=x alike, all --flag=x: pflag by itself reads one dash as the
// beginning of one-letter flags, of which there are none here.
func normalise(c *cobra.Command, path, args []string) []string {
	c.InitDefaultHelpFlag()
	f := c.Flags()
	out := slices.Clone(path)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if len(arg) < 2 || arg[0] != '-' {
			out = append(out, arg)
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(arg[1:], "-"), "=")
		if name == "h" {
			name, arg = "help", "--help"
		}
		flag := f.Lookup(name)
		if !strings.HasPrefix(arg, "--") {
			arg = "-" + arg
		}
		takesValue := flag != nil && flag.NoOptDefVal == ""
		if takesValue && !hasValue && i+1 < len(args) { // whatever it begins with
			i++
			arg += "=" + args[i]
		}
		out = append(out, arg)
	}
	return out
}
