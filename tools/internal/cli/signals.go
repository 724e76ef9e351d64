package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// signalled is why a context has ended: the process was sent a signal.
type signalled struct{ syscall.Signal }

func (s signalled) Error() string { return "interrupted by " + s.Signal.String() }

func (s signalled) status() int { return 128 + int(s.Signal) }

// untilSignal returns a context that ends with the first SIGINT, SIGTERM or SIGHUP, but for a SIGINT or SIGHUP that the
// process was started to ignore; of SIGTERM Go cannot tell, nor of a SIGHUP that a library has taken before main, as UCX
// does, which some builds of libtorch bring, unless UCX_DEBUG_SIGNO=0. The second ends the process; see isSecond.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		// nohup has SIGHUP ignored, so that the terminal may go, and a script's & SIGINT, so that a Ctrl-C is for others.
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		first, came := (<-signals).(syscall.Signal), time.Now()
		cancel(signalled{first})
		for s := range signals {
			if s := s.(syscall.Signal); isSecond(first, s, time.Since(came)) {
				os.Exit(signalled{s}.status())
			}
		}
	}()
	return ctx
}

// echo is how long a signal may come again without anybody having sent it a second time.
const echo = 100 * time.Millisecond

// isSecond tells whether a signal after the first asks to end at once. A terminal that is closed sends SIGHUP twice, by its
// shell and by the kernel, and no person does: there is no key for it. timeout and supervisors may send one to the process
// and to its group.
func isSecond(first, s syscall.Signal, after time.Duration) bool {
	return s != syscall.SIGHUP && (s != first || after >= echo)
}

// interruptedStatus is the exit status of a command whose context has ended.
func interruptedStatus(ctx context.Context) int {
	var s signalled
	if errors.As(context.Cause(ctx), &s) {
		return s.status()
	}
	return ExitInterrupted
}
