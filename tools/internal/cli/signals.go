package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// signalled is why a context has ended: the process was sent a signal.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return "interrupted by " + s.Signal.String() }

func (s signalled) status() int { return 128 + int(s.Signal) }

// untilSignal returns a context that ends with the first SIGINT, SIGTERM or SIGHUP. The second ends the process.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // nohup has it ignored, so that the terminal may go
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		cancel(signalled{(<-signals).(syscall.Signal)})
		os.Exit(signalled{(<-signals).(syscall.Signal)}.status())
	}()
	return ctx
}

// interruptedStatus is the exit status of a command whose context has ended.
func interruptedStatus(ctx context.Context) int {
	var s signalled
	if errors.As(context.Cause(ctx), &s) {
		return s.status()
	}
	return ExitInterrupted
}
