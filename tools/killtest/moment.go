package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/imori-ml/imori/trainer/rundir"
)

// A moment waits until a training in a folder is to be killed, and tells whether that time has come: the training may end
// before, and ctx with it.
type moment func(ctx context.Context, folder string) bool

// pollEvery is short beside the milliseconds that a checkpoint takes.
const pollEvery = 50 * time.Microsecond

// writing is about as long as a tiny checkpoint takes to be written.
const writing = 5 * time.Millisecond

// drawHit picks a moment and a signal: most are SIGKILL, the others leave a checkpoint that a run in peace has not.
func drawHit(rng *rand.Rand, t trial, took time.Duration) *hit {
	h := &hit{signal: syscall.SIGKILL}
	h.at, h.uniform = draw(rng, t, took)
	if rng.Float64() < terminations {
		h.signal = syscall.SIGTERM
	}
	return h
}

// terminations is the share of SIGTERM.
const terminations = 0.3

// draw picks a moment: half of them are uniform over the time that the whole training takes. The others aim at what is short
// beside it: a checkpoint that is being written, and the end, when all iterations are done but not all files are there.
func draw(rng *rand.Rand, t trial, took time.Duration) (at moment, uniform bool) {
	switch x := rng.Float64(); {
	case x < 0.4:
		n := t.iterations / checkpointEvery
		name := ".tmp-" + rundir.IterationName(checkpointEvery*(1+rng.IntN(n))) + "-"
		return appears(name, time.Duration(rng.Int64N(int64(writing)))), false
	case x < 0.5:
		return appears(rundir.IterationName(t.iterations), time.Duration(rng.Int64N(int64(10*writing)))), false
	default:
		return after(time.Duration(rng.Int64N(int64(took)))), true
	}
}

func after(d time.Duration) moment {
	return func(ctx context.Context, _ string) bool {
		select {
		case <-time.After(d):
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// appears waits until the folder of checkpoints holds a name that begins so and that was not there at first, and then a
// while.
func appears(prefix string, while time.Duration) moment {
	return func(ctx context.Context, folder string) bool {
		there := map[string]bool{}
		for _, name := range checkpointNames(folder) {
			there[name] = true
		}
		for ctx.Err() == nil {
			for _, name := range checkpointNames(folder) {
				if strings.HasPrefix(name, prefix) && !there[name] {
					return after(while)(ctx, folder)
				}
			}
			time.Sleep(pollEvery)
		}
		return false
	}
}

// checkpointNames lists the folder of checkpoints; nothing while there is none.
func checkpointNames(folder string) []string {
	d, err := os.Open(filepath.Join(folder, "checkpoints"))
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	return names
}

// place says where in a run a kill fell.
type place int

const (
	beginning place = iota // no checkpoint is there
	inside                 // a checkpoint is being written, or replaced
	between                // two checkpoints
	end                    // behind the last one
	places
)

// where looks at what a killed training has left.
func where(folder string, iterations int) place {
	newest, unfinished := -1, -1
	replacing := false
	for _, name := range checkpointNames(folder) {
		var n int
		if _, err := fmt.Sscanf(name, ".tmp-%08d-", &n); err == nil {
			unfinished = max(unfinished, n)
		} else if _, err := fmt.Sscanf(name, "%08d", &n); err == nil {
			newest = max(newest, n)
		}
		replacing = replacing || strings.HasPrefix(name, ".old-")
	}
	switch {
	case replacing || unfinished >= 0 && unfinished >= newest: // those below are being removed
		return inside
	case newest < 0:
		return beginning
	case newest == iterations:
		return end
	default:
		return between
	}
}
