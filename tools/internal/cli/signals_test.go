package cli

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

var numbers = map[string]syscall.Signal{"INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM}

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

// TestSecondSignal: it ends the process at once if somebody sent it, not if it is an echo of the first.
func TestSecondSignal(t *testing.T) {
	if signals := os.Getenv("CLI_TEST_SIGNALS"); signals != "" {
		endBySignals(t, signals)
		return
	}
	for _, test := range []struct {
		signals string // names, and pauses
		status  int    // 0: there was time to save
	}{
		{"HUP 1ms HUP 200ms HUP", 0},
		{"TERM 1ms TERM", 0},
		{"INT 1ms INT", 0},
		{"TERM 1ms HUP", 0},
		{"TERM 200ms TERM", 128 + 15},
		{"INT 200ms INT", 128 + 2},
		{"INT 1ms TERM", 128 + 15},
		{"HUP 1ms HUP 1ms TERM", 0},
		{"TERM HUP", 0},
		{"HUP TERM 200ms TERM", 128 + 15},
	} {
		t.Run(test.signals, func(t *testing.T) {
			t.Parallel()
			for name, s := range numbers {
				if strings.Contains(test.signals, name) && signal.Ignored(s) {
					t.Skip("tests were started to ignore it, and so are their processes")
				}
			}
			c := exec.Command(os.Args[0], "-test.run", "^TestSecondSignal$")
			c.Env = append(os.Environ(), "UCX_DEBUG_SIGNO=0", "CLI_TEST_SIGNALS="+test.signals)
			if out, err := c.CombinedOutput(); c.ProcessState == nil || c.ProcessState.ExitCode() != test.status {
				t.Errorf("%v, expected status %d\n%s", err, test.status, out)
			}
		})
	}
}

// endBySignals sends them to the process, which takes half a second to save.
func endBySignals(t *testing.T, signals string) {
	ctx := untilSignal()
	for word := range strings.FieldsSeq(signals) {
		if pause, err := time.ParseDuration(word); err == nil {
			time.Sleep(pause)
		} else if err := syscall.Kill(os.Getpid(), numbers[word]); err != nil {
			t.Fatal(err)
		}
	}
	<-ctx.Done()
	time.Sleep(500 * time.Millisecond)
}
