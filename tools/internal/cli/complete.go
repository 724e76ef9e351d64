package cli

import "github.com/spf13/cobra"

// Complete makes the shell complete a flag's value with words.
func Complete(c *cobra.Command, flag string, words func() []string) {
	err := c.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return words(), cobra.ShellCompDirectiveDefault // and files
	})
	if err != nil {
		panic(err) // a flag of another name
	}
}

// CompleteFolder makes the shell complete the values of flags with folders.
func CompleteFolder(c *cobra.Command, flags ...string) {
	for _, flag := range flags {
		if err := c.MarkFlagDirname(flag); err != nil {
			panic(err) // a flag of another name
		}
	}
}

// Devices lists what -device may be.
func Devices() []string { return []string{"auto", "cpu", "cuda", "cuda:0"} }

// Folders makes the shell complete arguments with folders.
func Folders(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}
