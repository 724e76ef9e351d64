package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/trace"
	"time"

	xtrace "golang.org/x/exp/trace"

	"github.com/imori-ml/imori/trainer"
)

// The time of a step outside libtorch is what Go does between calls of C, and what waits there: for the loader, the
// garbage collector, or a processor to go on with when a call returns. Go's execution tracer notes each call's begin and
// end, at a fraction of a microsecond each, and only while it is on: training code needs no clock of its own. What it
// costs counts as time outside.

// tracedIterations take about a second, and fill little memory.
func tracedIterations(ms float64) int { return min(max(int(1000/ms), 1), 100) }

// The events around the traced iterations.
const (
	category = "bench"
	begins   = "begins"
	ends     = "ends"
)

// outside runs iterations and returns the share of their time that the trainer's goroutine was outside of C, and the
// number of C calls of an iteration.
func outside(t *trainer.Trainer, iterations int) (share, calls float64, err error) {
	var buffer bytes.Buffer
	if err := trace.Start(&buffer); err != nil {
		return 0, 0, fmt.Errorf("tracing: %w", err)
	}
	mark := func(message string) error {
		return t.Do(func() error { trace.Log(context.Background(), category, message); return nil })
	}
	err = errors.Join(mark(begins), t.Iterate(iterations, nil), mark(ends))
	trace.Stop()
	if err != nil {
		return 0, 0, err
	}
	reader, err := xtrace.NewReader(&buffer)
	if err != nil {
		return 0, 0, fmt.Errorf("tracing: %w", err)
	}
	var c callClock
	for {
		event, err := reader.ReadEvent()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, 0, fmt.Errorf("tracing: %w", err)
		}
		c.see(event)
	}
	if c.total <= 0 || c.calls == 0 {
		return 0, 0, errors.New("tracing: the trace has no calls of C, or not the events around the iterations")
	}
	return 1 - c.inside.Seconds()/c.total.Seconds(), float64(c.calls) / float64(iterations), nil
}

// callClock adds up the calls of C of one goroutine, which are system calls to the tracer.
type callClock struct {
	goroutine     xtrace.GoID
	on            bool
	began         xtrace.Time // the marked time
	entered       xtrace.Time // the running call
	inside, total time.Duration
	calls         int
}

func (c *callClock) see(event xtrace.Event) {
	switch event.Kind() {
	case xtrace.EventLog:
		if event.Log().Category == category {
			c.on = event.Log().Message == begins
			c.mark(event.Goroutine(), event.Time())
		}
	case xtrace.EventStateTransition:
		change := event.StateTransition()
		if c.on && change.Resource.Kind == xtrace.ResourceGoroutine && change.Resource.Goroutine() == c.goroutine {
			from, to := change.Goroutine()
			c.change(from, to, event.Time())
		}
	}
}

func (c *callClock) mark(goroutine xtrace.GoID, at xtrace.Time) {
	if c.on {
		c.goroutine, c.began = goroutine, at
	} else {
		c.total = at.Sub(c.began)
	}
}

func (c *callClock) change(from, to xtrace.GoState, at xtrace.Time) {
	switch {
	case to == xtrace.GoSyscall && from != xtrace.GoSyscall:
		c.entered = at
		c.calls++
	case from == xtrace.GoSyscall && to != xtrace.GoSyscall:
		c.inside += at.Sub(c.entered)
	}
}
