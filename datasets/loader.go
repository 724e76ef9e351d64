package datasets

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
)

// LoaderOptions say how a Loader cuts batches. All but BatchSize may be zero.
type LoaderOptions struct {
	BatchSize int            // samples of a batch; may exceed the dataset's
	Seed      int64          // of order and augmentation
	Augment   []Augmentation // done one after the other
	Workers   int            // goroutines that decode; 0: GOMAXPROCS
	Ahead     int            // batches decoded ahead of Next; 0: 4
	Start     int64          // batches already consumed by the run being resumed
	InOrder   bool           // no shuffling (evaluation)
}

// Batch is N samples: always as many as the batch size.
type Batch struct {
	Images  []float32 // N*C*H*W
	Targets []float32 // N*C'*H*W; nil when there are no pairs
	Labels  []int64   // N; nil when there are no classes
	N       int

	owner *Loader // while it is handed out
}

// First returns the batch's first n samples; they share its memory.
func (b *Batch) First(n int) *Batch {
	part := func(values []float32) []float32 { return values[:len(values)/b.N*n] }
	first := &Batch{N: n, Images: part(b.Images)}
	if b.Targets != nil {
		first.Targets = part(b.Targets)
	}
	if b.Labels != nil {
		first.Labels = b.Labels[:n]
	}
	return first
}

// ErrClosed is what Next returns once the loader is closed.
var ErrClosed = errors.New("the loader is closed")

// A Loader reads a dataset in endless batches, ahead of its user.
//
// Batch k covers positions k*N to (k+1)*N-1 of endless concatenated
// permutations of the dataset. The permutation of an epoch is a function of
// (Seed, epoch), the augmentation of a sample of (Seed, epoch, index): batches
// are the same whatever the number of workers, and a loader started at k gives
// what one that has run to k would give.
type Loader struct {
	dataset Dataset
	options LoaderOptions
	augment []Augmentation // of the options, folded
	info    Info
	pixels  int // of an image, all channels
	target  int // the same of its pair; 0: there are none
	workers sync.WaitGroup

	mu       sync.Mutex
	changed  sync.Cond // on mu: work, a finished batch, or the end
	closed   bool
	err      error // sticky
	order    *order
	queue    []*pending // batches being decoded, in order
	spare    []*pending
	recycled []*Batch
	consumed int64
}

// pending is a batch that workers fill, a few samples at a time.
type pending struct {
	batch  *Batch
	places []place
	taken  int // samples given to a worker
	done   int // samples read
	err    error
	errAt  int // the place of err: the first one counts, whoever is faster
}

// share is the number of samples that a worker takes at once: enough to make
// the lock cheap, few enough that all workers help with the next batch.
const share = 8

// NewLoader starts reading ahead at once; Close stops it. Errors in the options
// or in what d says about itself are reported here, those of samples by Next.
func NewLoader(d Dataset, o LoaderOptions) (*Loader, error) {
	if d == nil {
		return nil, errors.New("a loader needs a dataset, found nil")
	}
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Ahead == 0 {
		o.Ahead = 4
	}
	info, n := d.Info(), d.Len()
	switch {
	case n < 1:
		return nil, fmt.Errorf("dataset %s is empty, expected at least one sample", info.Name)
	case o.BatchSize < 1:
		return nil, fmt.Errorf("batch size is %d, expected at least 1", o.BatchSize)
	case o.Workers < 0 || o.Ahead < 0:
		return nil, fmt.Errorf("workers is %d and ahead is %d, expected at least 0", o.Workers, o.Ahead)
	case o.Start < 0 || o.Start > math.MaxInt64/int64(o.BatchSize):
		return nil, fmt.Errorf("start is %d batches of %d, expected at least 0 and fewer than 2^63 samples", o.Start, o.BatchSize)
	}
	if err := info.Check(); err != nil {
		return nil, fmt.Errorf("dataset %s says its %w", info.Name, err)
	}
	if err := checkLoaderMemory(info, n, o); err != nil {
		return nil, fmt.Errorf("dataset %s: %w", info.Name, err)
	}
	l := &Loader{
		dataset: d, options: o, augment: fold(o.Augment), info: info, pixels: info.Channels * info.Height * info.Width,
		order:    newOrder(n, o.Seed, o.InOrder, o.Start*int64(o.BatchSize)),
		consumed: o.Start,
	}
	l.changed.L = &l.mu
	if info.Target != nil {
		l.target = info.Target.Channels * info.Height * info.Width
	}
	for range o.Workers {
		l.workers.Go(l.work)
	}
	return l, nil
}

// checkLoaderMemory is an ErrMemory if the batches that a loader has at a time do not fit: those ahead and the one that its
// user has. It comes before any of them is made, for Go ends a program that gets no memory.
func checkLoaderMemory(info Info, n int, o LoaderOptions) error {
	area := float64(info.Height) * float64(info.Width)
	order := 8 * float64(n)
	sample := 4*float64(info.Channels)*area + 16 // with its place
	of := fmt.Sprintf("%dx%dx%d", info.Channels, info.Height, info.Width)
	if info.Target != nil {
		sample += 4 * float64(info.Target.Channels) * area
		of += fmt.Sprintf(" with a target of %dx%dx%d", info.Target.Channels, info.Height, info.Width)
	}
	if info.Classes != nil {
		sample += 8
	}
	batches := float64(o.Ahead) + 1
	what := fmt.Sprintf("%.0f batches of %d samples, each of %s,", batches, o.BatchSize, of)
	if order > batches*float64(o.BatchSize)*sample {
		what = fmt.Sprintf("the order of %d samples, and %s", n, what)
	}
	return checkMemory(what, batches*float64(o.BatchSize)*sample+order)
}

// Next returns the next batch; it blocks until it is decoded. The first failing
// sample of a batch, by place, is reported with dataset and index, and then at
// every further call. After Close, Next returns ErrClosed.
func (l *Loader) Next() (*Batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.closed:
			return nil, ErrClosed
		case l.err != nil:
			return nil, l.err
		case len(l.queue) > 0 && l.queue[0].done == l.options.BatchSize:
			p := l.queue[0]
			if p.err != nil {
				l.err = p.err
				return nil, l.err
			}
			copy(l.queue, l.queue[1:]) // keeps the memory, as re-slicing would not
			l.queue = l.queue[:len(l.queue)-1]
			batch := p.batch
			p.batch = nil
			l.spare = append(l.spare, p)
			l.consumed++
			l.changed.Broadcast() // there is room to read ahead
			batch.owner = l
			return batch, nil
		}
		l.changed.Wait()
	}
}

// Recycle gives a batch's memory back: its user must not touch it any more. A
// batch that is not recycled costs the next one an allocation. Only the first
// call for a batch counts, and only on the loader that made it.
func (l *Loader) Recycle(b *Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b == nil || b.owner != l {
		return
	}
	b.owner = nil
	l.recycled = append(l.recycled, b)
}

// Consumed counts the batches handed out, Start included: what a checkpoint stores.
func (l *Loader) Consumed() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.consumed
}

// Close stops the goroutines and waits for them, and for the samples they are at.
// Batches handed out stay valid. It may be called more than once, and while Next
// blocks elsewhere.
func (l *Loader) Close() {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	l.workers.Wait()
}

// work is a worker: it takes shares of the earliest batch until the end.
func (l *Loader) work() {
	ended := false
	defer func() {
		if !ended { // a Read left by runtime.Goexit (testing's FailNow does); the others must not wait for us
			l.workers.Go(l.work)
		}
	}()
	r := newReader(l)
	for {
		p, first, n := l.wait()
		if p == nil {
			ended = true
			return
		}
		l.fill(r, p, first, n)
	}
}

// wait blocks until there are samples to read: n of p from first on. After Close
// p is nil.
func (l *Loader) wait() (p *pending, first, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed {
		if p := l.unfinished(); p != nil {
			first = p.taken
			n = min(share, l.options.BatchSize-first)
			p.taken += n
			return p, first, n
		}
		l.changed.Wait()
	}
	return nil, 0, 0
}

// unfinished is the first batch with samples left to take, a new one if there is
// none and there is room, or nil. l.mu is held.
func (l *Loader) unfinished() *pending {
	for _, p := range l.queue {
		if p.taken < l.options.BatchSize {
			return p
		}
	}
	if len(l.queue) == l.options.Ahead {
		return nil
	}
	p := l.newPending()
	l.queue = append(l.queue, p)
	return p
}

// fill reads n samples of p from first on and books them, however reading ends.
func (l *Loader) fill(r *reader, p *pending, first, n int) {
	var errAt int
	var err error
	returned := false
	defer func() {
		if !returned {
			errAt, err = r.at, r.wrap(p, r.at, errors.New("reading it ended its goroutine"))
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if err != nil && (p.err == nil || errAt < p.errAt) {
			p.err, p.errAt = err, errAt
		}
		if p.done += n; p.done == l.options.BatchSize {
			l.changed.Broadcast()
		}
	}()
	errAt, err = r.readAll(p, first, n)
	returned = true
}

// newPending begins the next batch. l.mu is held.
func (l *Loader) newPending() *pending {
	var p *pending
	if k := len(l.spare); k > 0 {
		p, l.spare = l.spare[k-1], l.spare[:k-1]
		*p = pending{places: p.places}
	} else {
		p = &pending{places: make([]place, l.options.BatchSize)}
	}
	l.order.take(p.places)
	if k := len(l.recycled); k > 0 {
		p.batch, l.recycled = l.recycled[k-1], l.recycled[:k-1]
		return p
	}
	p.batch = &Batch{N: l.options.BatchSize, Images: make([]float32, l.options.BatchSize*l.pixels)}
	if l.target > 0 {
		p.batch.Targets = make([]float32, l.options.BatchSize*l.target)
	}
	if l.info.Classes != nil {
		p.batch.Labels = make([]int64, l.options.BatchSize)
	}
	return p
}
