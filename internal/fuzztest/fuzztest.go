// Package fuzztest holds what all fuzz targets ask of a parser: it has seeds to start from, and an input costs neither
// more memory nor more time than its size may.
//
//	func FuzzHeader(f *testing.F) {
//		target := fuzztest.New(f)
//		target.Add(valid)
//		target.Fuzz(func(t *testing.T, data []byte) {
//			fuzztest.Bounded(t, 1<<16+8*len(data), func() { _, _ = parseHeader(data) })
//		})
//	}
package fuzztest

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"
)

// Target is a testing.F that counts its seeds.
type Target struct {
	*testing.F
	seeds int
}

// New makes a target.
func New(f *testing.F) *Target { return &Target{F: f} }

// Add is testing.F's.
func (t *Target) Add(args ...any) {
	t.seeds++
	t.F.Add(args...)
}

// Fuzz is testing.F's, and fails where no seed was added: from nothing, the fuzzer would not find its way into a format,
// and go test alone, which runs the seeds, would test nothing.
func (t *Target) Fuzz(f any) {
	t.Helper()
	requireSeeds(t, t.seeds)
	t.F.Fuzz(f)
}

func requireSeeds(t testing.TB, n int) {
	t.Helper()
	if n == 0 {
		t.Fatalf("%s has no seeds: add a valid input, a cut one, and one that lies about its size", t.Name())
	}
}

// What no input may take, even on a busy machine.
const (
	slow   = 20 * time.Second
	greedy = 1 << 30 // bytes beyond its limit
)

// Bounded runs f, and fails the test if f allocates more than limit bytes in all, freed ones included. If f takes longer
// than 20 s, or a GiB more than limit, the process ends with the stacks of all goroutines: what does not come to an end
// would take the machine with it. The fuzzer notes the input then, too.
//
// What runs beside f counts, so that a limit needs some 64 KiB of slack.
func Bounded(t testing.TB, limit int, f func()) {
	t.Helper()
	before := allocated()
	stop := watch(t.Name(), before+uint64(limit)+greedy)
	defer stop()
	f()
	if got := allocated() - before; got > uint64(limit) {
		t.Errorf("it allocates %d bytes, expected at most %d", got, limit)
	}
}

// watch ends the process if it takes too long until stop is called, or allocates too much. It is a timer, as a goroutine
// would run with some inputs and not with others, which the fuzzer would take for their doing.
func watch(name string, most uint64) (stop func()) {
	const often = slow / 200
	var stopped atomic.Bool
	var timer *time.Timer
	start := time.Now()
	timer = time.AfterFunc(time.Hour, func() {
		what := ""
		switch {
		case stopped.Load():
			return
		case allocated() > most:
			what = "an input takes all memory"
		case time.Since(start) > slow:
			what = fmt.Sprintf("an input takes longer than %v", slow)
		default:
			timer.Reset(often)
			return
		}
		debug.SetTraceback("all")
		panic(name + ": " + what)
	})
	timer.Reset(often) // not before there is a timer to reset
	return func() {
		stopped.Store(true)
		timer.Stop()
	}
}

// allocated is how many bytes the process has allocated so far, to the byte: it stops all goroutines for some µs.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
