// Package datasets turns files, and code, into batches of images.
//
// A [Dataset] decodes single samples; a [Loader] cuts endless batches from one,
// decoding and augmenting ahead in goroutines. Everything is pure Go and touches
// no tensor. Dataset types register themselves as a [Plugin], so that a recipe
// can name one.
package datasets

import (
	"context"
	"fmt"
	"image"
	"image/color"
)

// Info describes the samples of a Dataset.
type Info struct {
	Name     string   `json:"name"`     // "cifar10"
	Channels int      `json:"channels"` // of every image, as are Height and Width
	Height   int      `json:"height"`
	Width    int      `json:"width"`
	Classes  []string `json:"classes,omitempty"` // names, by label; nil: no labels
	Target   *Target  `json:"target,omitempty"`  // the other picture of each sample; nil: there are no pairs
}

// Target describes the second picture of a pair. It has the height and width of
// the first.
type Target struct {
	Channels int `json:"channels"`
	// Classes names the classes of a map of classes, which has one channel each:
	// 1 where a pixel is of the class and -1 elsewhere. nil: an ordinary picture,
	// of 1 or 3 channels.
	Classes []string     `json:"classes,omitempty"`
	Palette []color.RGBA `json:"palette,omitempty"` // the classes' colours for showing a map; as long as Classes
}

// The largest sizes of pictures, of which a line of text that lies about itself is to stay below.
const (
	maxSide     = 1 << 20
	maxChannels = 1 << 12
	maxValues   = 1 << 32 // of a picture
)

// Check says what about the sizes is not to be believed, from "images" or "targets" on. Each side has 1 to 2^20 pixels,
// there are 1 to 4096 channels and 2^32 values at most, and targets are as Target says.
func (i Info) Check() error {
	within := func(channels int) bool {
		return channels >= 1 && channels <= maxChannels && i.Height >= 1 && i.Height <= maxSide && i.Width >= 1 && i.Width <= maxSide &&
			int64(channels)*int64(i.Height)*int64(i.Width) <= maxValues
	}
	const expected = "expected at least 1 each, at most %d channels, %d pixels a side and %d values"
	if !within(i.Channels) {
		return fmt.Errorf("images are %dx%dx%d (CHW), "+expected, i.Channels, i.Height, i.Width, maxChannels, maxSide, int64(maxValues))
	}
	if i.Target == nil {
		return nil
	}
	if err := i.Target.check(); err != nil {
		return fmt.Errorf("targets have %w", err)
	}
	if !within(i.Target.Channels) {
		return fmt.Errorf("targets are %dx%dx%d (CHW), "+expected, i.Target.Channels, i.Height, i.Width, maxChannels, maxSide, int64(maxValues))
	}
	return nil
}

func (t *Target) check() error {
	classes := len(t.Classes)
	switch {
	case t.Classes == nil && t.Channels != 1 && t.Channels != 3:
		return fmt.Errorf("%d channels and no classes, expected 1 or 3 channels", t.Channels)
	case t.Classes != nil && (t.Channels != classes || len(t.Palette) != classes || classes < 1):
		return fmt.Errorf("%d channels, %d classes and %d colours in the palette, expected as many of each, and at least 1", t.Channels, classes, len(t.Palette))
	}
	return nil
}

// Paint shows a map of classes in the palette's colours: it fills dst, three
// planes (CHW: red, green, blue) of len(classes) pixels each, with values in
// [-1, 1]. classes holds each pixel's class, an index into Palette. It panics if
// dst has another length or a class is none of Palette's.
func (t *Target) Paint(dst []float32, classes []int64) {
	area := len(classes)
	if len(dst) != 3*area {
		panic(fmt.Sprintf("datasets: a picture of %d values was to show %d pixels, expected %d values", len(dst), area, 3*area))
	}
	for i, class := range classes {
		c := t.Palette[class]
		dst[i], dst[area+i], dst[2*area+i] = toUnit[c.R], toUnit[c.G], toUnit[c.B]
	}
}

// Mask is a map of classes as a picture that can be a target again: its pixels are class numbers, its palette is Palette.
// classes are the pixels' classes, row by row. It panics if there are no whole rows.
func (t *Target) Mask(classes []int64, width int) *image.Paletted {
	if len(classes)%width != 0 {
		panic(fmt.Sprintf("datasets: %d pixels, expected whole rows of %d", len(classes), width))
	}
	palette := make(color.Palette, len(t.Palette))
	for i, c := range t.Palette {
		palette[i] = c
	}
	m := image.NewPaletted(image.Rect(0, 0, width, len(classes)/width), palette)
	for i, class := range classes {
		m.Pix[i] = uint8(class)
	}
	return m
}

// Sample is one decoded example.
type Sample struct {
	Image  []float32 // Channels*Height*Width values, CHW, in [-1, 1]; allocated by the caller, filled by Read
	Target []float32 // the other picture of a pair, CHW in [-1, 1]; allocated and filled like Image, nil where Info.Target is
	Label  int64     // index into Info.Classes; 0 if there are no classes
}

// A Dataset is a fixed number of samples, read by index.
type Dataset interface {
	Info() Info
	Len() int
	// Read decodes sample i, 0 <= i < Len(), into s. It is safe for concurrent
	// use and gives the same sample each time. It fills s.Image, and s.Target if
	// there are pairs, in place.
	Read(i int, s *Sample) error
}

// Env is what opening a dataset may use of its surroundings. The zero value is silent.
type Env struct {
	Progress func(file string, done, total int64) // bytes of a download; total is -1 if unknown
	Logf     func(format string, args ...any)     // one line of news
	// Scanned tells how far the check of a folder's files is. The calls come one
	// at a time, but from several goroutines.
	Scanned func(done, total int)
}

func (e Env) logf(format string, args ...any) {
	if e.Logf != nil {
		e.Logf(format, args...)
	}
}

// transfer is the progress of one file's download, nil if nobody asks.
func (e Env) transfer(file string) func(done, total int64) {
	if e.Progress == nil {
		return nil
	}
	return func(done, total int64) { e.Progress(file, done, total) }
}

// Options are the settings of a dataset type: a pointer to a struct whose fields
// carry yaml, check and doc tags.
type Options interface {
	// Open gets the dataset ready for reading, downloading it first if it must.
	// Its errors say which file is wrong and what to do.
	Open(ctx context.Context, env Env) (Dataset, error)
}

// Splitter is implemented by Options of datasets that come in two parts.
type Splitter interface {
	Options
	// Test returns the same settings for the test images: what models are shown
	// and measured on. nil: there are none besides those that the settings name.
	Test() Options
}

// checkIndex is for the Read of this package's datasets: an index out of range
// is an error there, as reading a missing file would be.
func checkIndex(i, n int) error {
	if i < 0 || i >= n {
		return fmt.Errorf("there is no sample %d, expected 0 to %d", i, n-1)
	}
	return nil
}

// checkSplit is for options built in Go, which no recipe has checked.
func checkSplit(split string) error {
	if split != "train" && split != "test" {
		return fmt.Errorf("split is %q, expected train or test", split)
	}
	return nil
}

// toUnit maps a stored byte to [-1, 1].
var toUnit = func() (table [256]float32) {
	for i := range table {
		table[i] = float32(2*i-255) / 255
	}
	return table
}()

// unpack converts stored bytes to image values.
func unpack(dst []float32, src []byte) {
	dst = dst[:len(src)]
	for i, b := range src {
		dst[i] = toUnit[b]
	}
}
