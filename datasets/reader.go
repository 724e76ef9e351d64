package datasets

import (
	"fmt"
	"math/rand/v2"
)

// reader decodes and augments samples for one worker of a Loader.
type reader struct {
	loader *Loader
	at     int // the place being read
	sample Sample
	src    rand.PCG
	rng    *rand.Rand
}

func newReader(l *Loader) *reader {
	r := &reader{loader: l}
	r.rng = rand.New(&r.src)
	return r
}

// wrap says which sample an error is about.
func (r *reader) wrap(p *pending, i int, err error) error {
	return fmt.Errorf("dataset %s: sample %d: %w", r.loader.info.Name, p.places[i].index, err)
}

// readAll fills n samples of p from first on; if some fail, it returns the first
// one's place and error.
func (r *reader) readAll(p *pending, first, n int) (errAt int, err error) {
	for i := first; i < first+n; i++ {
		r.at = i
		if e := r.read(p, i); e != nil && err == nil {
			errAt, err = i, r.wrap(p, i, e)
		}
	}
	return errAt, err
}

func (r *reader) read(p *pending, i int) (err error) {
	l, place := r.loader, p.places[i]
	image := p.batch.Images[i*l.pixels : (i+1)*l.pixels : (i+1)*l.pixels]
	target := p.batch.Targets[i*l.target : (i+1)*l.target : (i+1)*l.target]
	r.sample = Sample{Image: image, Target: target}

	// A dataset is other people's code: its panic must not end the program from
	// a goroutine that nobody can recover in.
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("reading it panicked: %v", v)
		}
	}()
	if err := l.dataset.Read(place.index, &r.sample); err != nil {
		return err
	}
	if !same(r.sample.Image, image) || !same(r.sample.Target, target) {
		return fmt.Errorf("Read put another slice into Sample.Image or Sample.Target, expected it to fill the one it was given")
	}
	if l.info.Classes != nil {
		if label := r.sample.Label; label < 0 || label >= int64(len(l.info.Classes)) {
			return fmt.Errorf("its label is %d, expected 0 to %d", label, len(l.info.Classes)-1)
		}
		p.batch.Labels[i] = r.sample.Label
	}
	reseed(&r.src, uint64(l.options.Seed), streamAugment, uint64(place.epoch), uint64(place.index))
	for _, a := range l.augment {
		a.Apply(r.rng, l.info, &r.sample)
	}
	return nil
}

// same says whether two slices are one piece of memory.
func same(a, b []float32) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
