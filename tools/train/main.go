// Command train trains a model as a recipe says. See -help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/imori-ml/imori/torchx"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "unknown"

func main() {
	torchx.TuneAllocator()
	os.Exit(run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr))
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The second ends the process.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(exitInterrupted)
	}()
	return ctx
}
