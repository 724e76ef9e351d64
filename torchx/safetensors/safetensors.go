// Package safetensors reads and writes the safetensors format, in which Python loads a network's weights with
// safetensors.torch.load_file. A file is an 8-byte little-endian length, a JSON header of that length, and the tensors'
// bytes one after the other. Specification: https://github.com/huggingface/safetensors#format
package safetensors

import (
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strings"

	"github.com/imori-ml/imori/internal/regular"
	"github.com/imori-ml/imori/torchx/safetensors/atomicfile"
)

// Tensor is one named array.
type Tensor struct {
	Name  string
	DType string  // "F32", "F64", "F16", "BF16", "I64", "U8", ...: see DTypes
	Shape []int64 // empty: a scalar
	Data  []byte  // row-major, little endian, as long as DType and Shape say
}

// dtypeSizes gives the bytes of an element. The format's types of less than a byte (F4, F6_*) are not here.
var dtypeSizes = map[string]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// DTypes lists the element types that are read and written, sorted.
func DTypes() []string {
	names := make([]string, 0, len(dtypeSizes))
	for name := range dtypeSizes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

const (
	lengthSize    = 8           // bytes of the header's length
	maxHeader     = 100_000_000 // the specification's limit for the header
	metadataEntry = "__metadata__"
	maxDims       = 64 // no library goes further; it keeps a hostile header from filling memory and messages
)

// byteSize returns the bytes that a tensor needs.
func byteSize(dtype string, shape []int64) (int64, error) {
	size, ok := dtypeSizes[dtype]
	if !ok {
		return 0, fmt.Errorf("dtype %q is unknown, expected one of %s", dtype, strings.Join(DTypes(), ", "))
	}
	if len(shape) > maxDims {
		return 0, fmt.Errorf("the shape has %d dimensions, at most %d are supported", len(shape), maxDims)
	}
	for _, dim := range shape {
		if dim < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		high, low := bits.Mul64(uint64(size), uint64(dim))
		if high != 0 || int64(low) < 0 {
			return 0, fmt.Errorf("shape %v is too large: its size overflows 64 bits", shape)
		}
		size = int64(low)
	}
	return size, nil
}

// WriteFile is Write to a file, which is whole or absent whatever happens; an older file of that name is replaced.
func WriteFile(path string, ts []Tensor, metadata map[string]string) error {
	return atomicfile.Write(path, func(w io.Writer) error { return Write(w, ts, metadata) })
}

// ReadFile is Read of a file. Errors name it.
func ReadFile(path string) ([]Tensor, map[string]string, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	ts, metadata, err := Read(f, info.Size())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return ts, metadata, nil
}
