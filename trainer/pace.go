package trainer

import (
	"math"
	"time"
)

// paceMemory is how far back pace looks, about: short enough to follow a change, long enough to be steady.
const paceMemory = 10 * time.Second

// pace averages the speed of the last iterations.
type pace struct {
	last                  time.Time
	batches               int64
	seconds, images, done float64 // decaying sums
}

func newPace(batches int64) *pace { return &pace{last: time.Now(), batches: batches} }

// add counts an iteration that ends now, with the loader at that many batches.
func (p *pace) add(batches int64, batchSize int) {
	now := time.Now()
	dt := now.Sub(p.last).Seconds()
	decay := math.Exp(-dt / paceMemory.Seconds())
	p.seconds = p.seconds*decay + dt
	p.images = p.images*decay + float64(batches-p.batches)*float64(batchSize)
	p.done = p.done*decay + 1
	p.last, p.batches = now, batches
}

func (p *pace) imagesPerSecond() float64 { return p.images / max(p.seconds, 1e-9) }

// remaining is an estimate, and longestRun where that is more.
func (p *pace) remaining(iterations int) time.Duration {
	seconds := float64(iterations) * p.seconds / max(p.done, 1e-9)
	return time.Duration(min(seconds, longestRun.Seconds()) * float64(time.Second))
}

// longestRun is what is said of runs that nobody waits for: a time.Duration ends at 292 years, and dates are to be printed.
const longestRun = 100 * 365 * 24 * time.Hour
