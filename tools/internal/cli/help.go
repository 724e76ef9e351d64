package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// help prints how a command is used: what it does, flags with one dash, examples.
func help(c *cobra.Command, out io.Writer) {
	c.InitDefaultHelpFlag()
	fmt.Fprintf(out, "Usage: %s\n", usageLines(c))
	if text := strings.TrimSpace(c.Long); text != "" {
		fmt.Fprintf(out, "\n%s\n", text)
	} else if c.Short != "" {
		fmt.Fprintf(out, "\n%s\n", c.Short)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if c.HasAvailableSubCommands() {
		fmt.Fprintln(w, "\nCommands:")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(w, "  %s\t%s\n", sub.Name(), sub.Short)
			}
		}
	}
	fmt.Fprintln(w, "\nFlags:")
	c.Flags().VisitAll(func(f *pflag.Flag) {
		value, text := pflag.UnquoteUsage(f)
		if f.Name == "help" {
			text = "print this"
		}
		fmt.Fprintf(w, "  -%s\t%s\n", strings.TrimSpace(f.Name+" "+value), text+defaultOf(f))
	})
	w.Flush() //nolint:errcheck // printing
	if c.Example != "" {
		fmt.Fprintf(out, "\nExamples:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n", "\n  "))
	}
	if notes := c.Annotations[notesKey]; notes != "" {
		fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(notes))
	}
}

// notesKey is where a command keeps what its help ends with.
const notesKey = "notes"

// Notes are the annotations of a command whose help ends with this text.
func Notes(text string) map[string]string { return map[string]string{notesKey: text} }

// usageLines puts what leads to the command in front of its own lines, one for each way to use it.
func usageLines(c *cobra.Command) string {
	parent := ""
	if c.HasParent() {
		parent = c.Parent().CommandPath() + " "
	}
	var lines []string
	for line := range strings.SplitSeq(c.Use, "\n") {
		lines = append(lines, parent+strings.TrimSpace(line))
	}
	if c.HasAvailableSubCommands() {
		if !c.Runnable() {
			lines = nil
		}
		lines = append(lines, c.CommandPath()+" COMMAND")
	}
	return strings.Join(lines, "\n       ")
}

// defaultOf says what a flag is without being given, unless that is nothing or the text says so.
func defaultOf(f *pflag.Flag) string {
	switch {
	case strings.Contains(f.Usage, "default"):
		return ""
	case f.DefValue == "" || f.DefValue == "0" || f.DefValue == "false" || f.DefValue == "[]":
		return ""
	}
	return " (default " + f.DefValue + ")"
}
