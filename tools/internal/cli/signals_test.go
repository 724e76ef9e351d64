package cli

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

var numbers = map[string]syscall.Signal{"INT": syscall.SIGINT, "HUP": syscall.SIGHUP}

// TestIgnoredSignals: what a process was started to ignore, as by nohup or by & in a script, it goes on to ignore.
func TestIgnoredSignals(t *testing.T) {
	if os.Getenv("CLI_TEST_SIGNAL") != "" {
		signalItself(t)
		return
	}
	for _, name := range []string{"INT", "HUP"} {
		for _, ignored := range []bool{true, false} {
			start := "exec \"$0\" -test.run '^TestIgnoredSignals$'"
			if ignored {
				start = "trap '' " + name + "; " + start
			} else if signal.Ignored(numbers[name]) {
				continue // a shell cannot undo what it was started to ignore
			}
			c := exec.Command("sh", "-c", start, os.Args[0])
			c.Env = append(os.Environ(), "UCX_DEBUG_SIGNO=0", "CLI_TEST_SIGNAL="+name, fmt.Sprint("CLI_TEST_IGNORED=", ignored))
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("SIG%s, ignored %v: %v\n%s", name, ignored, err, out)
			}
		}
	}
}

func signalItself(t *testing.T) {
	s := numbers[os.Getenv("CLI_TEST_SIGNAL")]
	ctx := untilSignal()
	if err := syscall.Kill(os.Getpid(), s); err != nil {
		t.Fatal(err)
	}
	if os.Getenv("CLI_TEST_IGNORED") == "true" {
		time.Sleep(100 * time.Millisecond)
		if ctx.Err() != nil {
			t.Errorf("the context ended by %v, expected it to be ignored", s)
		}
		return
	}
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Errorf("the context goes on after %v", s)
	}
}
