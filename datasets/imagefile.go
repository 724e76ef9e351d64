package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"net/http"
	"strings"

	_ "image/gif" // the formats that are read
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/webp"
)

// A small file can ask for any amount of memory. Nothing above these limits is
// decoded.
const (
	maxPictureFile   = 256 << 20 // bytes
	maxPicturePixels = 64 << 20
	maxPictureSide   = 1<<16 - 1 // JPEG's own
	maxScans         = 100       // of a JPEG: each goes over all of the picture, and may be 40 bytes; programs write some ten
)

var imageExtensions = []string{".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"}

// form is what all pictures of a dataset are made into.
type form struct {
	height, width, channels int
	crop                    bool // keep the aspect and cut off what does not fit
}

func (f form) bytes() int { return f.channels * f.height * f.width }

func (f form) check() error {
	switch {
	case f.height < 1 || f.width < 1 || f.height > maxFormSide || f.width > maxFormSide:
		return fmt.Errorf("the images are to be %dx%d (height, width), expected 1 to %d", f.height, f.width, maxFormSide)
	case f.channels != 1 && f.channels != 3:
		return fmt.Errorf("channels is %d, expected 1 or 3", f.channels)
	}
	return nil
}

const maxFormSide = 4096

func (f form) fits(size image.Point) bool { return size == image.Pt(f.width, f.height) }

func (f form) unpack(dst []float32, src []byte) { unpack(dst, src) }

// load decodes a picture, by its content and not by its name, into dst: planes of
// bytes. It returns the picture's own size, turned upright. Errors leave out the
// path.
func (f form) load(path string, dst []byte) (size image.Point, err error) {
	defer recoverDecoder(&err)
	data, giveBack, err := readPicture(path)
	if err != nil {
		return size, err
	}
	defer giveBack()
	header, err := readHeader(data)
	if err != nil {
		return size, err
	}
	size = header.size
	o := exifOrientation(header.format, data)
	defer decoding.take(header.memory + f.scratch(size, o))()
	m, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return size, undecodable(header.format, err)
	}
	if header.format == "webp" {
		widenRange(m)
	}
	f.render(dst, m, size, o)
	if o.swaps() {
		size.X, size.Y = size.Y, size.X
	}
	return size, nil
}

// pictureHeader is what is known of a picture before it is decoded.
type pictureHeader struct {
	format string
	size   image.Point
	memory int64 // bytes that decoding takes in passing, about
}

// readHeader reads the header of a picture and refuses the giants.
func readHeader(data []byte) (h pictureHeader, err error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(data))
	switch {
	case errors.Is(err, image.ErrFormat):
		return h, fmt.Errorf("its content (%s) is none of JPEG, PNG, GIF, BMP and WebP", http.DetectContentType(data))
	case err != nil:
		return h, undecodable(format, err)
	}
	w, height := int64(config.Width), int64(config.Height)
	switch {
	case w < 1 || height < 1:
		return h, fmt.Errorf("its size is %dx%d, expected at least a pixel", w, height)
	case w > maxPictureSide || height > maxPictureSide || w*height > maxPicturePixels:
		return h, fmt.Errorf("its size is %dx%d, expected at most %d to a side and %d pixels", w, height, maxPictureSide, maxPicturePixels)
	}
	startOfScan := []byte{0xff, 0xda} // which does not occur in pixels
	if scans := bytes.Count(data, startOfScan); format == "jpeg" && scans > maxScans {
		return h, fmt.Errorf("it has %d scans, expected at most %d", scans, maxScans)
	}
	return pictureHeader{format, image.Pt(config.Width, config.Height), w * height * decodedPixel(format, config.ColorModel, data)}, nil
}

// undecodable words a decoder's error. Some do not wrap io.ErrUnexpectedEOF, and
// the JPEG decoder finds too few bits where the bytes end.
func undecodable(format string, err error) error {
	if text := err.Error(); strings.HasSuffix(text, io.ErrUnexpectedEOF.Error()) || strings.HasSuffix(text, "short Huffman data") {
		err = io.ErrUnexpectedEOF
	}
	advice := ""
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) { // it may be a kind that the decoder does not know
		advice = "; convert it to PNG or JPEG"
	}
	return fmt.Errorf("it is no usable %s: %w%s", strings.ToUpper(format), cut(err), advice)
}

// recoverDecoder makes an error of a decoder's panic: one file must not end the
// program, and its name must be told.
func recoverDecoder(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("decoding it panicked: %v", v)
	}
}
