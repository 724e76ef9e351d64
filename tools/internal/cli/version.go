package cli

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/imori-ml/imori/cgotorch"
	"github.com/imori-ml/imori/torchx"
)

// Version is set by the linker: -ldflags "-X github.com/imori-ml/imori/tools/internal/cli.Version=v1.2.3".
var Version = "unknown"

// PrintVersion prints what a report of a fault needs.
func PrintVersion(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "imori\t%s\n", Version)
	fmt.Fprintf(w, "Go\t%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(w, "libtorch\t%s\n", torchx.NewReport().Libtorch)
	fmt.Fprintf(w, "gotorch\t%s\n", moduleVersion("github.com/wangkuiyi/gotorch"))
	fmt.Fprintf(w, "cgotorch\tbuild %s\n", cgotorch.BuildID())
	w.Flush() //nolint:errcheck // printing
}

func moduleVersion(path string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version
			}
		}
	}
	return "unknown"
}

// NewVersion makes the command that prints versions.
func NewVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print versions",
		Args:  Args(),
		Run:   func(c *cobra.Command, _ []string) { PrintVersion(c.OutOrStdout()) },
	}
}
