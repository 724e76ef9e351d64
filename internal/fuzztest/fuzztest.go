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
	"os"
	"runtime/debug"
	"runtime/metrics"
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

// slow is the time that no input may take. It is long, as machines may be busy.
const slow = 20 * time.Second

// Bounded runs f, and fails the test if f allocates more than limit bytes in all, freed ones included. If f takes longer
// than 20 s, it ends the process with the stacks of all goroutines: the fuzzer notes the input then, too.
//
// What runs beside f counts, so that a limit needs some 64 KiB of slack.
func Bounded(t testing.TB, limit int, f func()) {
	t.Helper()
	watchdog := time.AfterFunc(slow, func() {
		debug.SetTraceback("all")
		fmt.Fprintf(os.Stderr, "%s: an input takes longer than %v\n", t.Name(), slow)
		panic("fuzztest: too slow")
	})
	defer watchdog.Stop()
	before := allocated()
	f()
	if got := allocated() - before; got > uint64(max(limit, 0)) {
		t.Errorf("it allocates %d bytes, expected at most %d", got, limit)
	}
}

// allocated is how many bytes the process has allocated so far. Other than runtime.ReadMemStats it stops nothing, and
// what a goroutine has taken of its last few pages is missing.
func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
