// Package tensorboardtest reads event files in tests. It was written from the description of the format and shares
// nothing with package tensorboard, so that a misreading of the one is not that of the other. It knows the fields that
// imori writes and refuses all others.
package tensorboardtest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Event is a record of an event file. One of FileVersion, Start and Values is set.
type Event struct {
	WallTime    float64 // seconds since 1970
	Step        int64
	FileVersion string
	Start       bool // a SessionLog of status START
	Values      []Value
}

// Value is what is shown at a step. One of Scalar, Image and Histogram is set.
type Value struct {
	Tag       string
	Scalar    *float32
	Image     *Image
	Histogram *Histogram
}

// Image is an encoded picture.
type Image struct {
	Height, Width, Colorspace int
	Encoded                   []byte
}

// Histogram counts values in buckets, each of which ends at its limit.
type Histogram struct {
	Min, Max, Num, Sum, SumSquares float64
	Limits, Buckets                []float64
}

// Parse returns the events of a file, and whether a torn record, which is no error, follows the last one.
func Parse(file []byte) (events []Event, torn bool, err error) {
	for rest := file; len(rest) > 0; {
		offset := len(file) - len(rest)
		if len(rest) < 12 {
			return events, true, nil
		}
		if err := checkCRC(rest[:8], rest[8:12]); err != nil {
			return nil, false, fmt.Errorf("the length at byte %d: %w", offset, err)
		}
		n := binary.LittleEndian.Uint64(rest)
		rest = rest[12:]
		if len(rest) < 4 || uint64(len(rest))-4 < n { // n+4 might overflow
			return events, true, nil
		}
		if err := checkCRC(rest[:n], rest[n:n+4]); err != nil {
			return nil, false, fmt.Errorf("the record at byte %d: %w", offset, err)
		}
		event, err := parseEvent(rest[:n])
		if err != nil {
			return nil, false, fmt.Errorf("the record at byte %d: %w", offset, err)
		}
		events = append(events, event)
		rest = rest[n+4:]
	}
	return events, false, nil
}

// checkCRC takes the mask off a checksum: less a constant, and turned left by 15 bits.
func checkCRC(b, masked []byte) error {
	turned := binary.LittleEndian.Uint32(masked) - 0xa282ead8
	found := turned<<15 | turned>>17
	if crc := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); crc != found {
		return fmt.Errorf("checksum is %08x, expected %08x", found, crc)
	}
	return nil
}

// field is a field of a message: a number of 8 or 4 bytes or a varint in bits, or bytes.
type field struct {
	number, wire uint64
	bits         uint64
	bytes        []byte
}

// Wire types.
const (
	varint   = 0
	eight    = 1
	counted  = 2
	fourByte = 5
)

// fields splits a message.
func fields(b []byte) ([]field, error) {
	var all []field
	for len(b) > 0 {
		key, err := takeVarint(&b)
		if err != nil {
			return nil, err
		}
		f := field{number: key >> 3, wire: key & 7}
		switch f.wire {
		case varint:
			if f.bits, err = takeVarint(&b); err != nil {
				return nil, err
			}
		case eight, fourByte:
			size := map[uint64]int{eight: 8, fourByte: 4}[f.wire]
			if len(b) < size {
				return nil, fmt.Errorf("field %d has %d bytes, expected %d", f.number, len(b), size)
			}
			for i := range size {
				f.bits |= uint64(b[i]) << (8 * i)
			}
			b = b[size:]
		case counted:
			n, err := takeVarint(&b)
			if err != nil {
				return nil, err
			}
			if n > uint64(len(b)) {
				return nil, fmt.Errorf("field %d has %d bytes, expected %d", f.number, len(b), n)
			}
			f.bytes, b = b[:n], b[n:]
		default:
			return nil, fmt.Errorf("field %d has the unknown wire type %d", f.number, f.wire)
		}
		all = append(all, f)
	}
	return all, nil
}

// takeVarint reads 7 bits a byte, the lowest first.
func takeVarint(b *[]byte) (uint64, error) {
	var v uint64
	for i, c := range *b {
		if i == 10 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			*b = (*b)[i+1:]
			return v, nil
		}
	}
	return 0, errors.New("a varint does not end")
}

// each calls set with the fields of a message. It fails at one that set does not know.
func each(message string, b []byte, set func(f field) (known bool, err error)) error {
	all, err := fields(b)
	if err != nil {
		return fmt.Errorf("%s: %w", message, err)
	}
	for _, f := range all {
		known, err := set(f)
		if err != nil {
			return err
		}
		if !known {
			return fmt.Errorf("%s: field %d of wire type %d is unknown", message, f.number, f.wire)
		}
	}
	return nil
}

func parseEvent(b []byte) (e Event, err error) {
	err = each("Event", b, func(f field) (bool, error) {
		switch [2]uint64{f.number, f.wire} {
		case [2]uint64{1, eight}:
			e.WallTime = math.Float64frombits(f.bits)
		case [2]uint64{2, varint}:
			e.Step = int64(f.bits)
		case [2]uint64{3, counted}:
			e.FileVersion = string(f.bytes)
		case [2]uint64{5, counted}:
			return true, each("Summary", f.bytes, func(f field) (bool, error) {
				v, err := parseValue(f.bytes)
				e.Values = append(e.Values, v)
				return f.number == 1 && f.wire == counted, err
			})
		case [2]uint64{7, counted}:
			return true, each("SessionLog", f.bytes, func(f field) (bool, error) {
				e.Start = true
				return f.number == 1 && f.wire == varint && f.bits == 1, nil
			})
		default:
			return false, nil
		}
		return true, nil
	})
	return e, err
}

func parseValue(b []byte) (v Value, err error) {
	err = each("Value", b, func(f field) (bool, error) {
		var err error
		switch [2]uint64{f.number, f.wire} {
		case [2]uint64{1, counted}:
			v.Tag = string(f.bytes)
		case [2]uint64{2, fourByte}:
			scalar := math.Float32frombits(uint32(f.bits))
			v.Scalar = &scalar
		case [2]uint64{4, counted}:
			v.Image, err = parseImage(f.bytes)
		case [2]uint64{5, counted}:
			v.Histogram, err = parseHistogram(f.bytes)
		default:
			return false, nil
		}
		return true, err
	})
	return v, err
}

func parseImage(b []byte) (*Image, error) {
	m := &Image{}
	err := each("Image", b, func(f field) (bool, error) {
		switch [2]uint64{f.number, f.wire} {
		case [2]uint64{1, varint}:
			m.Height = int(f.bits)
		case [2]uint64{2, varint}:
			m.Width = int(f.bits)
		case [2]uint64{3, varint}:
			m.Colorspace = int(f.bits)
		case [2]uint64{4, counted}:
			m.Encoded = f.bytes
		default:
			return false, nil
		}
		return true, nil
	})
	return m, err
}

func parseHistogram(b []byte) (*Histogram, error) {
	h := &Histogram{}
	numbers := []*float64{&h.Min, &h.Max, &h.Num, &h.Sum, &h.SumSquares}
	lists := []*[]float64{&h.Limits, &h.Buckets}
	err := each("HistogramProto", b, func(f field) (bool, error) {
		switch {
		case f.wire == eight && f.number >= 1 && f.number <= 5:
			*numbers[f.number-1] = math.Float64frombits(f.bits)
		case f.wire == counted && (f.number == 6 || f.number == 7) && len(f.bytes)%8 == 0:
			for b := f.bytes; len(b) > 0; b = b[8:] {
				list := lists[f.number-6]
				*list = append(*list, math.Float64frombits(binary.LittleEndian.Uint64(b)))
			}
		default:
			return false, nil
		}
		return true, nil
	})
	return h, err
}
