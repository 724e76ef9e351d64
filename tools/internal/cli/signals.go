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
		var first syscall.Signal
		var came time.Time
		for s := range signals {
			s := s.(syscall.Signal)
			cancel(signalled{s}) // of several causes the first stays
			switch {
			case s == syscall.SIGHUP:
			case first == 0:
				first, came = s, time.Now()
			case isSecond(first, s, time.Since(came)):
				os.Exit(signalled{s}.status())
			}
		}
	}()
	return ctx
}

// echo is how long a signal may come again without anybody having sent it a second time.
const echo = 100 * time.Millisecond

// isSecond tells whether a SIGINT or SIGTERM after the first of them asks to end at once: timeout and supervisors may send
// one to the process and to its group. A SIGHUP never counts. A terminal that is closed sends it twice, by its shell and by
// the kernel; systemd sends it with SIGTERM, in which order Go does not tell; and there is no key for it.
func isSecond(first, s syscall.Signal, after time.Duration) bool {
	return s != first || after >= echo
}

// interruptedStatus is the exit status of a command whose context has ended.
func interruptedStatus(ctx context.Context) int {
	var s signalled
	if errors.As(context.Cause(ctx), &s) {
		return s.status()
	}
	return ExitInterrupted
}
