package datasets

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
)

func init() {
	Register(Plugin{
		Name:  "digits",
		About: "the ten digits in Go's bundled fonts, randomly distorted, drawn on the spot: needs no files",
		Options: func() Options {
			return &DigitsOptions{Size: 32, Channels: 1, Count: 10_000, Distortion: 1, Split: "train"}
		},
	})
}

// DigitsOptions are the settings of the digits dataset.
type DigitsOptions struct {
	Size       int     `yaml:"size" check:"min=8,max=256" doc:"height and width of the images"`
	Channels   int     `yaml:"channels" check:"oneof=1|3" doc:"1: white on black; 3: random, well contrasting colours"`
	Count      int     `yaml:"count" check:"min=1,max=100000000" doc:"number of images, the same of each digit"`
	Distortion float64 `yaml:"distortion" check:"min=0,max=1" doc:"how much the digits vary: 1 in stroke width, slant, rotation, size and place; 0 in font alone"`
	Outlines   bool    `yaml:"outlines" doc:"make pairs: the image is the digit's outline, the target the digit; with 1 channel"`
	Seed       int64   `yaml:"seed" doc:"of the random distortions; another seed gives other images"`
	Split      string  `yaml:"split" check:"oneof=train|test" doc:"train or test: different images of the same kind"`
}

const (
	maxDigits     = 100_000_000 // the loader shuffles a list of all of them
	maxDigitCache = 256 << 20   // bytes
)

// Validate says which options are out of range, or contradict each other.
func (o *DigitsOptions) Validate() error {
	switch {
	case o.Size < 8 || o.Size > 256:
		return fmt.Errorf("size is %d, expected 8 to 256", o.Size)
	case o.Channels != 1 && o.Channels != 3:
		return fmt.Errorf("channels is %d, expected 1 or 3", o.Channels)
	case !(o.Distortion >= 0 && o.Distortion <= 1):
		return fmt.Errorf("distortion is %g, expected 0 to 1", o.Distortion)
	case o.Outlines && o.Channels != 1:
		return fmt.Errorf("outlines is true with %d channels, expected 1 channel: an outline does not tell the digit's colours", o.Channels)
	case o.Count < 1 || o.Count > maxDigits:
		return fmt.Errorf("count is %d, expected 1 to %d", o.Count, maxDigits)
	}
	return checkSplit(o.Split)
}

// Open never fails but for options that Validate refuses. Image i shows the digit i mod
// 10 and is a function of Size, Channels, Distortion, Seed, Split and i alone. Each is drawn
// when first read and then kept, as bytes, if all of them fit into 256 MiB and
// into memory.
func (o *DigitsOptions) Open(context.Context, Env) (Dataset, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("dataset digits: %w", err)
	}
	d := &digits{options: *o, bytes: o.Channels * o.Size * o.Size, stream: streamDigits}
	if o.Split == "test" {
		d.stream = streamTestDigits
	}
	d.pens.New = func() any {
		return &digitScratch{pen: newDigitPen(o.Size, o.Channels, o.Distortion), image: make([]byte, d.bytes)}
	}
	if o.Count <= maxDigitCache/d.bytes {
		if cache, err := newBulk(o.Count * d.bytes); err == nil { // else each is drawn each time, too
			d.cache, d.drawn = cache, make([]sync.Once, o.Count)
		}
	}
	return d, nil
}

// Test returns the options of the test images, nil if they are those already.
func (o *DigitsOptions) Test() Options {
	if o.Split == "test" {
		return nil
	}
	test := *o
	test.Split = "test"
	return &test
}

type digits struct {
	options DigitsOptions
	stream  uint64
	bytes   int         // of an image
	pens    sync.Pool   // of *digitScratch
	cache   *bulk       // nil: all images together are too large
	drawn   []sync.Once // by image, for cache
}

type digitScratch struct {
	pen   *digitPen
	image []byte
}

var digitClasses = func() (names []string) {
	for i := range 10 {
		names = append(names, strconv.Itoa(i))
	}
	return names
}()

func (d *digits) Info() Info {
	info := Info{Name: "digits", Channels: d.options.Channels, Height: d.options.Size, Width: d.options.Size, Classes: digitClasses}
	if d.options.Outlines {
		info.Target = &Target{Channels: 1}
	}
	return info
}

func (d *digits) Len() int { return d.options.Count }

func (d *digits) Read(i int, s *Sample) error {
	if err := checkIndex(i, d.Len()); err != nil {
		return err
	}
	s.Label = int64(digitLabel(i))
	d.draw(i, s.Image)
	if d.options.Outlines {
		copy(s.Target, s.Image)
		outline(s.Image, s.Target, d.options.Size)
	}
	return nil
}

// draw fills dst with image i, from the cache if there is one.
func (d *digits) draw(i int, dst []float32) {
	if d.cache != nil {
		image := d.cache.bytes[i*d.bytes:][:d.bytes]
		d.drawn[i].Do(func() {
			scratch := d.pens.Get().(*digitScratch)
			scratch.pen.draw(image, d.options.Seed, d.stream, i)
			d.pens.Put(scratch)
		})
		unpack(dst, image)
		runtime.KeepAlive(d.cache)
		return
	}
	scratch := d.pens.Get().(*digitScratch)
	scratch.pen.draw(scratch.image, d.options.Seed, d.stream, i)
	unpack(dst, scratch.image)
	d.pens.Put(scratch)
}

// outline draws what surrounds the strokes of a size x size image: how much
// lighter the lightest neighbour of each pixel is than the pixel.
func outline(dst, image []float32, size int) {
	for y := range size {
		for x := range size {
			lightest := image[y*size+x]
			for ny := max(y-1, 0); ny <= min(y+1, size-1); ny++ {
				for nx := max(x-1, 0); nx <= min(x+1, size-1); nx++ {
					lightest = max(lightest, image[ny*size+nx])
				}
			}
			dst[y*size+x] = lightest - image[y*size+x] - 1
		}
	}
}
