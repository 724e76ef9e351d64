package datasets

import (
	"context"
	"image"
	"image/color"
	"os"

	"golang.org/x/sync/semaphore"
)

// There are as many decoders as processors, and a picture of the largest size
// takes more than a GiB in passing. What all of them take together stays within
// a budget; a picture that needs more has it to itself. Files have a budget of
// their own: who holds a file's and waits for decoding's keeps nobody from
// giving the latter back.
var (
	decoding = newBudget(1 << 30)
	reading  = newBudget(2 * maxPictureFile)
)

// budget is memory that workers share.
type budget struct {
	*semaphore.Weighted
	bytes int64
}

func newBudget(bytes int64) *budget { return &budget{semaphore.NewWeighted(bytes), bytes} }

// take waits until the budget has room; what it returns makes room again.
func (b *budget) take(bytes int64) (giveBack func()) {
	bytes = min(bytes, b.bytes)
	_ = b.Acquire(context.Background(), bytes) // which never ends
	return func() { b.Release(bytes) }
}

// readPicture reads a whole file within the budget. Its errors leave out the path.
func readPicture(path string) (data []byte, giveBack func(), err error) {
	var size int64
	if info, err := os.Stat(path); err == nil { // else readRegular says what is wrong
		size = min(info.Size(), maxPictureFile)
	}
	giveBack = reading.take(size)
	if data, err = readRegular(path, maxPictureFile); err != nil {
		giveBack()
		return nil, nil, err
	}
	return data, giveBack, nil
}

// decodedPixel is how many bytes a decoder needs for a pixel, about.
func decodedPixel(format string, model color.Model, data []byte) int64 {
	var result int64 = 4
	switch model {
	case color.GrayModel:
		result = 1
	case color.Gray16Model:
		result = 2
	case color.YCbCrModel:
		result = 3
	case color.RGBA64Model, color.NRGBA64Model:
		result = 8
	}
	switch {
	case format == "gif":
		return 1 + 4 // a frame and the page that it is a part of
	case format == "jpeg" && isProgressive(data):
		return result * (1 + 4) // all coefficients, of 32 bits, are kept until the end
	case format == "jpeg":
		return result
	}
	return result * 2 // passes of an interlaced PNG, transforms of a WebP
}

const (
	maxScratch    = 512 << 20 // bytes
	scratchPixel  = 32        // bytes: four float64
	shortenedRows = 2         // at least, for each row of the form
)

// maxRows is how many rows of a picture are scaled at once to w x h pixels. The
// scaler keeps a row of the new width for each of them, which could be 8 GiB.
func maxRows(w, h int) int { return max(shortenedRows*h, maxScratch/(scratchPixel*w)) }

// scratch is how many bytes scaling a picture of that size takes in passing.
func (f form) scratch(size image.Point, o orientation) int64 {
	w, h := f.width, f.height
	if o.swaps() {
		w, h = h, w
	}
	rows := maxRows(w, h)
	if size.Y <= rows {
		return scratchPixel * int64(w) * int64(size.Y)
	}
	return scratchPixel*int64(w)*int64(rows) + 4*int64(size.X)*int64(rows)
}
