package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Read reads a file of the given size, in bytes. The tensors come in the order of the header, each with memory of its
// own; metadata is nil when the file has none.
//
// Everything that the specification forbids is an error that says where in the file it is: duplicate names, holes and
// overlaps in the data, unknown types, sizes that do not match, bytes that belong to nothing. Memory grows with the size
// alone, whatever the file claims.
func Read(r io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	ts, metadata, err := read(r, size)
	if err != nil {
		return nil, nil, fmt.Errorf("safetensors: %w", err)
	}
	return ts, metadata, nil
}

func read(r io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	header, err := readHeader(r, size)
	if err != nil {
		return nil, nil, err
	}
	p := parser{dec: json.NewDecoder(bytes.NewReader(header)), header: header}
	p.dec.UseNumber()
	if err := p.parse(); err != nil {
		return nil, nil, err
	}
	dataStart := int64(lengthSize + len(header))
	order, err := checkLayout(p.entries, size-dataStart)
	if err != nil {
		return nil, nil, err
	}
	// The layout covers the data exactly, so what is allocated from here on is the file's size, if that is true.
	if size > dataStart {
		if err := readFull(r, make([]byte, 1), size-1); err != nil {
			return nil, nil, fmt.Errorf("byte %d, the last: %w", size-1, err)
		}
	}
	ts := make([]Tensor, len(p.entries))
	for _, i := range order { // as the data lies, so that the disk is read from front to back
		e := &p.entries[i]
		e.Data = make([]byte, e.end-e.begin)
		if err := readFull(r, e.Data, dataStart+e.begin); err != nil {
			return nil, nil, fmt.Errorf("byte %d: data of tensor %.80q: %w", dataStart+e.begin, e.Name, err)
		}
		ts[i] = e.Tensor
	}
	return ts, p.metadata, nil
}

func readHeader(r io.ReaderAt, size int64) ([]byte, error) {
	if size < lengthSize {
		return nil, fmt.Errorf("the file has %d bytes, expected at least the %d of the header's length", size, lengthSize)
	}
	var length [lengthSize]byte
	if err := readFull(r, length[:], 0); err != nil {
		return nil, fmt.Errorf("byte 0: the header's length: %w", err)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader {
		return nil, fmt.Errorf("byte 0: the header's length is %d, the format allows %d: not a safetensors file?", n, maxHeader)
	}
	if int64(n) > size-lengthSize {
		return nil, fmt.Errorf("byte 0: the header's length is %d, but only %d bytes follow: a cut file?", n, size-lengthSize)
	}
	header := make([]byte, n)
	if err := readFull(r, header, lengthSize); err != nil {
		return nil, fmt.Errorf("byte %d: the header: %w", lengthSize, err)
	}
	if n == 0 || header[0] != '{' {
		return nil, fmt.Errorf("byte %d: the header does not begin with {", lengthSize)
	}
	if !utf8.Valid(header) {
		return nil, fmt.Errorf("byte %d: the header is not valid UTF-8", lengthSize)
	}
	return header, nil
}

// readFull is r.ReadAt for those readers that return io.EOF with the last byte, too.
func readFull(r io.ReaderAt, p []byte, offset int64) error {
	n, err := r.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// entry is a tensor whose data is still in the file, at begin..end from the end of the header.
type entry struct {
	Tensor
	begin, end int64
}

// checkLayout verifies that the entries cover the data without holes and overlaps, and returns their order in it.
func checkLayout(entries []entry, dataSize int64) ([]int, error) {
	order := make([]int, len(entries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(entries[a].begin, entries[b].begin), cmp.Compare(entries[a].end, entries[b].end))
	})
	var covered int64
	for _, i := range order {
		e := entries[i]
		switch {
		case e.begin < covered:
			return nil, fmt.Errorf("tensor %.80q: its data_offsets [%d %d] overlap another tensor's, which end at %d",
				e.Name, e.begin, e.end, covered)
		case e.begin > covered:
			return nil, fmt.Errorf("tensor %.80q: its data_offsets [%d %d] leave a hole behind %d", e.Name, e.begin, e.end, covered)
		}
		covered = e.end
	}
	switch {
	case covered > dataSize:
		return nil, fmt.Errorf("the tensors need %d bytes of data, but the file has %d: a cut file?", covered, dataSize)
	case covered < dataSize:
		return nil, fmt.Errorf("the tensors need %d bytes of data, but the file has %d: bytes that belong to no tensor",
			covered, dataSize)
	}
	return order, nil
}

// parser reads the header token by token: encoding/json alone would take the last of two equal keys without a word.
type parser struct {
	dec      *json.Decoder
	header   []byte
	entries  []entry
	metadata map[string]string
}

// fail reports an error at the parser's position, as an offset in the file.
func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("byte %d: %w", lengthSize+p.dec.InputOffset(), fmt.Errorf(format, args...))
}

func (p *parser) parse() error {
	names := map[string]bool{}
	err := p.object(func(key string) error {
		if names[key] {
			return p.fail("%.80q occurs twice", key)
		}
		names[key] = true
		if key == metadataEntry {
			return p.parseMetadata()
		}
		return p.parseTensor(key)
	})
	if err != nil {
		return err
	}
	end := p.dec.InputOffset()
	if rest := bytes.TrimLeft(p.header[end:], " "); len(rest) > 0 {
		return p.fail("%.20q behind the header's end, expected nothing but spaces", rest)
	}
	return nil
}

func (p *parser) parseMetadata() error {
	p.metadata = map[string]string{}
	return p.object(func(key string) error {
		if _, ok := p.metadata[key]; ok {
			return p.fail("%s: %.80q occurs twice", metadataEntry, key)
		}
		value, err := p.string()
		if err != nil {
			return fmt.Errorf("%s: %.80q: %w", metadataEntry, key, err)
		}
		p.metadata[key] = value
		return nil
	})
}

func (p *parser) parseTensor(name string) error {
	e := entry{Tensor: Tensor{Name: name}}
	var offsets []int64
	seen := map[string]bool{}
	err := p.object(func(key string) (err error) {
		if seen[key] {
			return p.fail("%s occurs twice", key)
		}
		seen[key] = true
		switch key {
		case "dtype":
			e.DType, err = p.string()
		case "shape":
			e.Shape, err = p.numbers()
		case "data_offsets":
			offsets, err = p.numbers()
		default:
			err = p.fail("key %.80q is unknown, expected dtype, shape, data_offsets", key)
		}
		return err
	})
	if err == nil {
		err = e.setOffsets(seen, offsets)
		if err != nil {
			err = p.fail("%w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("tensor %.80q: %w", name, err)
	}
	p.entries = append(p.entries, e)
	return nil
}

func (e *entry) setOffsets(seen map[string]bool, offsets []int64) error {
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[key] {
			return fmt.Errorf("%s is missing", key)
		}
	}
	size, err := byteSize(e.DType, e.Shape)
	if err != nil {
		return err
	}
	if len(offsets) != 2 || offsets[0] > offsets[1] {
		return fmt.Errorf("data_offsets are %v, expected a begin and an end", offsets)
	}
	if span := offsets[1] - offsets[0]; span != size {
		return fmt.Errorf("%s of shape %v needs %d bytes, but data_offsets %v span %d", e.DType, e.Shape, size, offsets, span)
	}
	e.begin, e.end = offsets[0], offsets[1]
	return nil
}

// object reads a JSON object; field reads the value that follows a key.
func (p *parser) object(field func(key string) error) error {
	if err := p.delim('{', "an object"); err != nil {
		return err
	}
	for p.dec.More() {
		key, err := p.string()
		if err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
	}
	return p.delim('}', "the end of an object")
}

func (p *parser) delim(want json.Delim, what string) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	if token != want {
		return p.fail("found %.80v, expected %s", token, what)
	}
	return nil
}

func (p *parser) string() (string, error) {
	token, err := p.token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", p.fail("found %.80v, expected a string", token)
	}
	return s, nil
}

// numbers reads an array of whole numbers that are not negative. It is never nil: a scalar's shape is empty.
func (p *parser) numbers() ([]int64, error) {
	if err := p.delim('[', "an array"); err != nil {
		return nil, err
	}
	numbers := []int64{}
	for p.dec.More() {
		token, err := p.token()
		if err != nil {
			return nil, err
		}
		literal, ok := token.(json.Number)
		if !ok {
			return nil, p.fail("found %.80v, expected a whole number", token)
		}
		n, err := strconv.ParseUint(literal.String(), 10, 63)
		if err != nil {
			return nil, p.fail("found %.40s, expected a whole number from 0 to 2^63-1", literal)
		}
		if len(numbers) == maxDims {
			return nil, p.fail("more than %d numbers", maxDims)
		}
		numbers = append(numbers, int64(n))
	}
	return numbers, p.delim(']', "the end of an array")
}

func (p *parser) token() (json.Token, error) {
	token, err := p.dec.Token()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, p.fail("the header ends inside its JSON")
	}
	if err != nil {
		return nil, p.fail("%w", err)
	}
	return token, nil
}
