// Command bench compares imori with ordinary PyTorch: the same models on the same library, two threads each, in
// alternating runs.
//
//	go run ./tools/bench [-model wgan,dcgan,...] [-precision fp32,bf16] [-pairs 3] [-iterations N] [-busy N] [-json FILE]
//	go run ./tools/bench -loader [-root data/cifar10]    what reading and augmenting images costs a training step
//	go run ./tools/bench -start                          from the start of train to the end of its first iteration
//
// PyTorch's side is tools/bench/<model>.py, run by /usr/bin/python3; ours is this program, started again as its own
// child, so that each side begins in a fresh process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/imori-ml/imori/torchx"
	_ "github.com/imori-ml/imori/torchx/arena" // iterations must not pay for their memory anew
	_ "github.com/imori-ml/imori/torchx/spin"  // as train waits
)

const (
	threads = 2
	warmup  = 3 // iterations before the timed ones
	python  = "/usr/bin/python3"
)

func main() { os.Exit(command(os.Args[1:])) }

// command returns the exit status: 0, 1 (failed) or 2 (usage).
func command(args []string) int {
	s, err := parse(args, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch {
	case s.child != "":
		err = s.runChild(os.Stdin, os.Stdout)
	case s.start:
		err = measureStart(ctx, s, os.Stdout)
	default:
		giveBLASCore(os.Stdout)
		err = s.withNeighbours(func() error {
			if s.loader {
				return compareLoader(ctx, s, os.Stdout)
			}
			return compare(ctx, s, os.Stdout)
		})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

// giveBLASCore has both sides use OpenBLAS's kernels for this CPU where it would not by itself: PyTorch lives on them.
func giveBLASCore(out io.Writer) {
	if core := torchx.NewReport().BetterBLASCore(); core != "" {
		fmt.Fprintf(out, "OpenBLAS does not know this CPU: both sides run with OPENBLAS_CORETYPE=%s\n", core)
		_ = os.Setenv("OPENBLAS_CORETYPE", core) // fails for other names only
	}
}
