package datasets

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// maxIDX is far above any data set of digits and far below what a file that lies
// about itself could ask for.
const maxIDX = 1 << 30 // bytes

// readIDXFile reads an IDX file, gzipped or not. Its errors name the file.
func readIDXFile(path string, dims int, check func(shape []int) error) ([]byte, error) {
	raw, err := readRegular(path, maxIDX)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var r io.Reader = bytes.NewReader(raw)
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		if r, err = gzip.NewReader(r); err != nil {
			return nil, fmt.Errorf("%s: it begins like a gzip file and is none: %w", path, err)
		}
	}
	data, err := readIDX(r, dims, check)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// readIDX reads unsigned bytes in the IDX format of the MNIST page: two zeros,
// the type 8, the number of dimensions, each of them as a big-endian uint32, and
// the values. It wants dims dimensions and allocates no more than what arrives,
// whatever the header says. check looks at the dimensions before anything is
// unpacked: a small gzip file can arrive as a GiB.
func readIDX(r io.Reader, dims int, check func(shape []int) error) ([]byte, error) {
	header := make([]byte, 4+4*dims)
	n, err := io.ReadFull(r, header)
	magic := header[:min(n, 4)]
	want := []byte{0, 0, 8, byte(dims)}
	if !bytes.HasPrefix(want, magic) {
		return nil, fmt.Errorf("its magic number is % x, expected % x (IDX: unsigned bytes in %d dimensions)", magic, want, dims)
	}
	if err != nil {
		return nil, fmt.Errorf("the header ends after %d of %d bytes: %w", n, len(header), cut(err))
	}
	size := int64(1)
	var shape []int
	var sides []string
	for i := range dims {
		side := int64(binary.BigEndian.Uint32(header[4+4*i:]))
		shape, sides = append(shape, int(side)), append(sides, fmt.Sprint(side))
		if size *= side; size > maxIDX { // at each step, so that it cannot overflow
			size = maxIDX + 1
		}
	}
	promise := "the header promises " + strings.Join(sides, "x") + " values"
	if size < 1 || size > maxIDX {
		return nil, fmt.Errorf("%s, expected 1 to %d", promise, maxIDX)
	}
	if err := check(shape); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, size+1)) // up to the end, where gzip compares its checksum
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s, reading stopped after %d: %w", promise, len(data), cut(err))
	case int64(len(data)) < size:
		return nil, fmt.Errorf("%s, found %d: it is truncated", promise, len(data))
	case int64(len(data)) > size:
		return nil, fmt.Errorf("%s, found more: it is damaged", promise)
	}
	return data, nil
}
