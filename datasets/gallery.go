package datasets

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// gallery is a dataset of pictures in files, perhaps in pairs.
type gallery struct {
	info   Info
	photo  photoForm
	target targetForm // nil: there are no pairs
	items  []item
	scaled atomic.Int64 // photos of another size

	cache *bulk     // the first samples, as many as may be kept
	spare sync.Pool // of *[]byte, for reading the others
}

// item is one sample: two paths, the second one empty if there are no pairs.
type item struct {
	photo, target string
	label         int64
}

// photoForm is what the photos of a gallery are made into.
type photoForm interface {
	bytes() int
	// load decodes a file into dst and returns its own size. Errors leave out the path.
	load(path string, dst []byte) (size image.Point, err error)
	// unpack turns what load has made into values.
	unpack(dst []float32, src []byte)
	// fits says whether a picture of that size is not scaled.
	fits(size image.Point) bool
}

// targetForm is what the targets of a gallery are made into.
type targetForm interface {
	bytes() int
	// loadTarget decodes a file into dst. size is the photo's, or zero if that
	// cannot be used. Errors leave out the path.
	loadTarget(path string, dst []byte, size image.Point) error
	// unpack turns what loadTarget has made into values.
	unpack(dst []float32, src []byte)
	// describe is asked for once all targets are known to be fine; first is one.
	describe(first string) (*Target, error)
}

// open decodes everything once, so that no file can end a training that has run
// for hours, and keeps what fits into limit bytes. known are problems found
// before. All problems come in one report.
func (g *gallery) open(ctx context.Context, env Env, known []problem, limit int) error {
	g.spare.New = func() any { b := make([]byte, g.bytes()); return &b }
	kept := min(len(g.items), limit/g.bytes())
	var err error
	if g.cache, err = newBulk(kept * g.bytes()); err != nil {
		return fmt.Errorf("%w; try smaller images or a smaller cache_mib", err)
	}
	found, err := scan(ctx, env, len(g.items), func(i int) []problem {
		var dst []byte
		if i < kept {
			dst = g.cache.bytes[i*g.bytes():][:g.bytes()]
		} else {
			scratch := g.spare.Get().(*[]byte)
			defer g.spare.Put(scratch)
			dst = *scratch
		}
		size, found := g.load(i, dst)
		if !g.photo.fits(size) {
			g.scaled.Add(1)
		}
		return found
	})
	if err != nil {
		return err
	}
	if found = append(found, known...); len(found) > 0 {
		files := map[string]bool{}
		for _, it := range g.items {
			files[it.photo] = true
			if g.target != nil {
				files[it.target] = true
			}
		}
		for _, p := range known {
			files[p.path] = true
		}
		slices.SortStableFunc(found, func(a, b problem) int { return cmp.Compare(a.path, b.path) })
		return &unusable{len(files), found}
	}
	if kept < len(g.items) {
		env.logf("%d of %d samples fit into cache_mib; the others are decoded each time", kept, len(g.items))
	}
	return nil
}

// bytes is the size of a sample that is kept.
func (g *gallery) bytes() int {
	n := g.photo.bytes()
	if g.target != nil {
		n += g.target.bytes()
	}
	return n
}

// load decodes a sample. It returns the photo's own size.
func (g *gallery) load(i int, dst []byte) (size image.Point, found []problem) {
	it := g.items[i]
	n := g.photo.bytes()
	size, err := g.photo.load(it.photo, dst[:n])
	if err != nil {
		found, size = append(found, problem{it.photo, err.Error()}), image.Point{}
	}
	if g.target != nil {
		if err := g.target.loadTarget(it.target, dst[n:], size); err != nil {
			found = append(found, problem{it.target, err.Error()})
		}
	}
	return size, found
}

func (g *gallery) Info() Info { return g.info }

func (g *gallery) Len() int { return len(g.items) }

// FileName returns the path of the photo.
func (g *gallery) FileName(i int) string { return g.items[i].photo }

// Scaled returns how many photos are of another size than the samples.
func (g *gallery) Scaled() int { return int(g.scaled.Load()) }

func (g *gallery) Read(i int, s *Sample) error {
	if err := checkIndex(i, g.Len()); err != nil {
		return err
	}
	if at := i * g.bytes(); at < len(g.cache.bytes) {
		g.unpack(s, g.cache.bytes[at:][:g.bytes()])
		runtime.KeepAlive(g.cache)
	} else {
		scratch := g.spare.Get().(*[]byte)
		defer g.spare.Put(scratch)
		if _, found := g.load(i, *scratch); found != nil {
			return fmt.Errorf("%s: %s", found[0].path, found[0].reason) // it has changed since the scan
		}
		g.unpack(s, *scratch)
	}
	s.Label = g.items[i].label
	return nil
}

func (g *gallery) unpack(s *Sample, from []byte) {
	n := g.photo.bytes()
	g.photo.unpack(s.Image, from[:n])
	if g.target != nil {
		g.target.unpack(s.Target, from[n:])
	}
}
