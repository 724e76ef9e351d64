package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestForeignCPU(t *testing.T) {
	before, after := cpu{busy: 10, total: 100, own: 2}, cpu{busy: 18, total: 120, own: 5}
	if got := before.foreign(after); got != 0.25 {
		t.Errorf("got %v, want 5 s of 20 s", got)
	}
	if got := (cpu{}).foreign(cpu{}); got != 0 {
		t.Errorf("without /proc: got %v, want 0", got)
	}
}

func TestRunnerReportsFailure(t *testing.T) {
	run := runner{ctx: t.Context(), out: io.Discard}
	_, err := run.result("sh", "-c", "echo first >&2; echo what it was >&2; exit 3")
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 3: what it was") {
		t.Errorf("got %v", err)
	}
	if _, err := run.result("sh", "-c", "echo no figures"); err == nil {
		t.Error("output that is no JSON was taken for figures")
	}
}

// A neighbour works until the other end of its pipe is closed, and no longer.
func TestSpin(t *testing.T) {
	in, out := io.Pipe()
	ended := make(chan struct{})
	go func() { spin(in); close(ended) }()
	select {
	case <-ended:
		t.Error("it did not wait")
	case <-time.After(20 * time.Millisecond):
	}
	out.Close()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("it does not end")
	}
}
