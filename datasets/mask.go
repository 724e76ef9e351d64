package datasets

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// classMap makes a picture of classes into bytes that are class numbers.
type classMap struct {
	form    // its channels are not used
	classes []string
}

func (c classMap) bytes() int { return c.height * c.width }

// mask is a decoded class map.
type mask struct {
	numbers []byte // of classes, row by row
	size    image.Point
	palette color.Palette // nil if the file has none
}

// decodeMask reads the class numbers of a PNG: the indices into its palette,
// whatever the colours, or the values of a grey one.
func decodeMask(data []byte) (*mask, error) {
	header, err := readHeader(data)
	if err != nil {
		return nil, err
	}
	if header.format != "png" {
		return nil, fmt.Errorf("it is a %s, expected a PNG, whose pixels are class numbers", strings.ToUpper(header.format))
	}
	if o := exifOrientation(header.format, data); o != upright {
		return nil, fmt.Errorf("it is marked as turned (Exif orientation %d), expected class numbers where they belong; turn its pixels and take the mark away", o)
	}
	defer decoding.take(header.memory)()
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, undecodable(header.format, err)
	}
	size := header.size
	m := &mask{size: size}
	switch p := picture.(type) {
	case *image.Paletted:
		m.numbers, m.palette = packed(p.Pix, p.Stride, size), p.Palette
	case *image.Gray:
		m.numbers = packed(p.Pix, p.Stride, size)
		// The decoder stretches values of 1, 2 and 4 bits to 0 to 255.
		const bitDepth = 24 // in bytes from the start: after the signature, the header's own, width and height
		step := byte(255 / (int(1)<<data[bitDepth] - 1))
		for i := range m.numbers {
			m.numbers[i] /= step
		}
	default:
		return nil, errors.New("its pixels are colours, expected a PNG with a palette, or grey with 8 bits at most, whose pixels are class numbers")
	}
	return m, nil
}

// packed leaves out what lies between the rows.
func packed(pix []byte, stride int, size image.Point) []byte {
	if stride == size.X {
		return pix
	}
	numbers := make([]byte, 0, size.X*size.Y)
	for y := range size.Y {
		numbers = append(numbers, pix[y*stride:][:size.X]...)
	}
	return numbers
}

// check refuses numbers that no class has.
func (m *mask) check(classes []string) error {
	for i, k := range m.numbers {
		if int(k) >= len(classes) {
			return fmt.Errorf("pixel (%d, %d) is of class %d, expected 0 to %d (%s)", i%m.size.X, i/m.size.X, k, len(classes)-1, brief(classes))
		}
	}
	return nil
}

// load decodes a class map and returns its own size.
func (c classMap) load(path string, dst []byte) (size image.Point, err error) {
	return c.loadAs(path, dst, image.Point{})
}

func (c classMap) loadTarget(path string, dst []byte, photo image.Point) error {
	_, err := c.loadAs(path, dst, photo)
	return err
}

// loadAs wants a size, unless it is zero.
func (c classMap) loadAs(path string, dst []byte, wanted image.Point) (size image.Point, err error) {
	defer recoverDecoder(&err)
	data, giveBack, err := readPicture(path)
	if err != nil {
		return size, err
	}
	defer giveBack()
	m, err := decodeMask(data)
	if err != nil {
		return size, err
	}
	if wanted != (image.Point{}) && wanted != m.size {
		return size, fmt.Errorf("its size is %dx%d, expected that of its photo (turned upright), %dx%d", m.size.X, m.size.Y, wanted.X, wanted.Y)
	}
	if err := m.check(c.classes); err != nil {
		return size, err
	}
	c.resize(dst, m)
	return m.size, nil
}

// resize takes for each pixel the one that lies under its centre: between two
// class numbers there is nothing.
func (c classMap) resize(dst []byte, m *mask) {
	r := c.part(image.Rectangle{Max: m.size}, c.width, c.height)
	for y := range c.height {
		row := m.numbers[(r.Min.Y+(2*y+1)*r.Dy()/(2*c.height))*m.size.X:]
		for x := range c.width {
			dst[y*c.width+x] = row[r.Min.X+(2*x+1)*r.Dx()/(2*c.width)]
		}
	}
}

// unpack makes a plane for each class: 1 where it is, -1 elsewhere.
func (c classMap) unpack(dst []float32, numbers []byte) {
	for i := range dst {
		dst[i] = -1
	}
	for i, k := range numbers {
		dst[int(k)*len(numbers)+i] = 1
	}
}

// describe takes the colours of the classes from the first file's palette. What it
// does not say are those of PASCAL VOC, which tools that make masks use too.
func (c classMap) describe(first string) (*Target, error) {
	data, err := readRegular(first, maxPictureFile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", first, err)
	}
	m, err := decodeMask(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", first, err)
	}
	t := &Target{Channels: len(c.classes), Classes: c.classes}
	for k := range c.classes {
		colour := vocColour(k)
		if k < len(m.palette) {
			c := color.NRGBAModel.Convert(m.palette[k]).(color.NRGBA) // what hides a class in an editor does not here
			colour = color.RGBA{c.R, c.G, c.B, 0xff}
		}
		t.Palette = append(t.Palette, colour)
	}
	return t, nil
}

// vocColour spreads the bits of k over the high bits of red, green and blue.
func vocColour(k int) color.RGBA {
	c := color.RGBA{A: 0xff}
	for shift := 7; k > 0; k, shift = k>>3, shift-1 {
		c.R |= byte(k&1) << shift
		c.G |= byte(k>>1&1) << shift
		c.B |= byte(k>>2&1) << shift
	}
	return c
}
