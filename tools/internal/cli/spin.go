package cli

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// computes is the annotation of commands that keep all processors busy for long; its value is a list of flags.
const computes = "computes"

// Computes marks a command that keeps all processors busy for long, for Main, where one of these flags is given.
func Computes(c *cobra.Command, flags ...string) {
	if c.Annotations == nil {
		c.Annotations = map[string]string{}
	}
	c.Annotations[computes] = strings.Join(flags, ",")
}

// spinCount is how often OpenMP's threads look for new work before they sleep: some microseconds. GCC's library looks for
// milliseconds by default, in which a neighbour that has taken one of the processors keeps the others waiting.
const spinCount = "GOMP_SPINCOUNT=2000"

// limitSpinning starts the process anew with spinCount, if it is to run a command that computes: OpenMP reads the
// environment while it is loaded, before main. What the environment says already stays, and so does the process's number.
func limitSpinning(root *cobra.Command, args []string) {
	if runtime.GOOS != "linux" || !willCompute(root, args) || spinIsSet(os.Environ()) {
		return
	}
	program, err := os.Executable()
	if err != nil {
		return
	}
	_ = syscall.Exec(program, os.Args, append(os.Environ(), spinCount)) // where it fails, threads spin for longer
}

func willCompute(root *cobra.Command, args []string) bool {
	command, _, rest := find(root, args)
	list, ok := command.Annotations[computes]
	if !ok {
		return false
	}
	flags := strings.Split(list, ",")
	if end := slices.Index(rest, "--"); end >= 0 {
		rest = rest[:end]
	}
	return slices.ContainsFunc(rest, func(a string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		return strings.HasPrefix(a, "-") && slices.Contains(flags, name)
	})
}

// spinIsSet tells whether an environment says how threads wait.
func spinIsSet(environment []string) bool {
	return slices.ContainsFunc(environment, func(v string) bool {
		return strings.HasPrefix(v, "GOMP_SPINCOUNT=") || strings.HasPrefix(v, "OMP_WAIT_POLICY=")
	})
}
