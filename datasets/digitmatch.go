package datasets

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// DigitMatcher says whether a picture is like those of the digits dataset, and
// which digit it shows: it compares it with a few thousand templates, draws of
// that dataset's own kind from a seed of their own. It is safe for concurrent
// use.
//
// Pictures are compared without what does not make a digit: place, size,
// proportions and slant, and what all digits have in common. Compared as they
// are, the mean of all digits would pass for one: it is nearer to most digits
// than they are to each other.
type DigitMatcher struct {
	size      int       // of the images
	common    []float32 // the mean of the aligned templates, with norm 1
	templates []float32 // features of matchTemplates draws, one after the other
	threshold float64
}

const (
	matchTemplates = 4000
	matchHeldOut   = 1000 // draws, and superpositions of two, that calibrate the threshold
	matchShare     = 0.97 // of the draws to accept, of the superpositions to refuse
	matchSeed      = 7431
)

// NewDigitMatcher prepares to match images of size x size, 8 to 256, with one
// channel. It takes about a second.
func NewDigitMatcher(size int) (*DigitMatcher, error) {
	if size < 8 || size > 256 {
		return nil, fmt.Errorf("digit matcher: size is %d, expected 8 to 256", size)
	}
	const n = alignedSide * alignedSide
	m := &DigitMatcher{size: size, common: make([]float32, n), templates: make([]float32, matchTemplates*n)}
	image := make([]float32, size*size)
	draw := drawDigits(size, streamTemplates)
	for i := range matchTemplates {
		draw(i, image)
		template := m.templates[i*n : (i+1)*n]
		copy(template, align(image, size))
		for k, v := range template {
			m.common[k] += v
		}
	}
	normalise(m.common)
	for template := range slices.Chunk(m.templates, n) {
		m.distinguish(template)
	}
	m.calibrate()
	return m, nil
}

// drawDigits returns a function that draws digit i of a stream into an image.
func drawDigits(size int, stream uint64) func(i int, image []float32) {
	pen, bytes := newDigitPen(size, 1, 1), make([]byte, size*size)
	return func(i int, image []float32) {
		pen.draw(bytes, matchSeed, stream, i)
		unpack(image, bytes)
	}
}

// distinguish takes out of an aligned picture what all digits have in common.
func (m *DigitMatcher) distinguish(v []float32) {
	share := dot(v, m.common)
	for i, c := range m.common {
		v[i] -= share * c
	}
	normalise(v)
}

// calibrate sets the threshold by held-out draws and by superpositions of two
// different digits, the nearest thing that is none. Draws are so much nearer to
// templates that a threshold just below them would refuse digits with a wobbly
// stroke, which people read with ease; so it is just above the superpositions,
// unless that would refuse draws: in images of 8x8 the two overlap.
func (m *DigitMatcher) calibrate() {
	drawn, superposed := make([]float64, matchHeldOut), make([]float64, matchHeldOut)
	workers := runtime.GOMAXPROCS(0)
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			draw := drawDigits(m.size, streamHeldOut)
			one, two := make([]float32, m.size*m.size), make([]float32, m.size*m.size)
			for i := w; i < matchHeldOut; i += workers {
				draw(i, one)
				_, drawn[i], _ = m.Match(one)
				// 1 to 9 further on is another digit.
				draw(matchHeldOut+i+1+rand.New(rand.NewPCG(matchSeed, uint64(i))).IntN(9), two)
				for k, v := range two {
					one[k] = (one[k] + v) / 2
				}
				_, superposed[i], _ = m.Match(one)
			}
		})
	}
	wait.Wait()
	slices.Sort(drawn)
	slices.Sort(superposed)
	const refused = int((1 - matchShare) * matchHeldOut)
	m.threshold = min(drawn[refused], superposed[matchHeldOut-1-refused])
}

// Threshold is the similarity from which on an image is near. At least 97 % of
// the dataset's own draws are.
func (m *DigitMatcher) Threshold() float64 { return m.threshold }

// Match compares an image, size*size values in [-1, 1] with bright ink, with
// every template. It returns the digit of the most similar one, how similar that
// is (a correlation: 1 for a template itself, about 0 for the unrelated, 0 for
// the blank), and whether this makes the image recognisable as a digit. It panics
// if the image has another size.
func (m *DigitMatcher) Match(image []float32) (digit int, similarity float64, near bool) {
	if len(image) != m.size*m.size {
		panic(fmt.Sprintf("datasets: a matcher of %dx%d images was given %d values", m.size, m.size, len(image)))
	}
	features := align(image, m.size)
	m.distinguish(features)
	n := len(features)
	best := float32(-1)
	for i := range matchTemplates {
		if s := dot(features, m.templates[i*n:(i+1)*n]); s > best {
			best, digit = s, digitLabel(i)
		}
	}
	similarity = float64(best)
	return digit, similarity, similarity >= m.threshold
}
