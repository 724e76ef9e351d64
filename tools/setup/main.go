// Command setup makes this machine ready to build programs on imori: it finds libtorch, compiles the embedded C++ of
// package cgotorch against it, and puts libcgotorch.so where the linker and the loader look. Afterwards plain
// go build, go vet, go test and an editor work with nothing exported.
//
//	go run ./tools/setup                                          in a clone
//	go run github.com/imori-ml/imori/tools/setup@latest           in a module that imports imori
//
// libtorch is $LIBTORCH (an unpacked libtorch, or the folder .../site-packages/torch of a Python torch; CPU or CUDA),
// else the system's. A second run finds nothing to do.
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
)

type options struct {
	noInstall bool   // never call the package manager
	print     bool   // report and change nothing
	werror    bool   // a compiler's warning is a failure
	cxxflags  string // extra flags for compiling and linking
	out       string // folder for a library that nothing links to by itself; "": where linker and loader look
}

func main() { os.Exit(command()) }

// command returns the exit status: 0, 1 (failed) or 2 (usage).
func command() int {
	o, err := parseFlags(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &setup{host: thisHost(), options: o, out: os.Stdout}
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		return 1
	}
	return 0
}

func parseFlags(args []string, out io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("setup", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.BoolVar(&o.noInstall, "no-install", false, "install nothing; print the command that would")
	flags.BoolVar(&o.print, "print", false, "print what is found and change nothing")
	flags.BoolVar(&o.werror, "werror", false, "fail on compiler warnings")
	flags.StringVar(&o.cxxflags, "cxxflags", "", "extra `flags` for the C++ compiler, such as -fsanitize=address")
	flags.StringVar(&o.out, "out", "", "put the library into this `folder`, and leave the one that programs link to as it is")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(out, "setup: takes no arguments, got %q; see -help\n", flags.Args())
		return o, errors.New("usage")
	}
	return o, nil
}
