package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Write writes the tensors and the metadata (nil: none). The same arguments give the same bytes.
//
// The header lists the tensors in the order given. Their data is laid out by falling element size, and within one size
// in the order given: so every tensor is aligned to its elements without padding, which the format does not allow and
// which PyTorch's loader needs when types are mixed (an I64 counter behind an odd number of F32).
func Write(w io.Writer, ts []Tensor, metadata map[string]string) error {
	header, order, err := encodeHeader(ts, metadata)
	if err != nil {
		return fmt.Errorf("safetensors: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return fmt.Errorf("safetensors: header: %w", err)
	}
	for _, i := range order {
		if _, err := w.Write(ts[i].Data); err != nil {
			return fmt.Errorf("safetensors: tensor %q: %w", ts[i].Name, err)
		}
	}
	return nil
}

// encodeHeader returns the length and the header, and the order of the tensors' data.
func encodeHeader(ts []Tensor, metadata map[string]string) (header []byte, order []int, err error) {
	names := map[string]bool{metadataEntry: true}
	for i, t := range ts {
		if t.Name == metadataEntry {
			return nil, nil, fmt.Errorf("tensor %d is named %q, which the format keeps for itself", i, t.Name)
		}
		if !utf8.ValidString(t.Name) {
			return nil, nil, fmt.Errorf("tensor %d: name %q is not valid UTF-8", i, t.Name)
		}
		if names[t.Name] {
			return nil, nil, fmt.Errorf("tensor %q occurs twice", t.Name)
		}
		names[t.Name] = true
		size, err := byteSize(t.DType, t.Shape)
		if err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		if size != int64(len(t.Data)) {
			return nil, nil, fmt.Errorf("tensor %q: %s of shape %v needs %d bytes, found %d",
				t.Name, t.DType, t.Shape, size, len(t.Data))
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return int(dtypeSizes[ts[b].DType] - dtypeSizes[ts[a].DType])
	})
	offsets := make([][2]int64, len(ts))
	var end int64
	for _, i := range order {
		offsets[i] = [2]int64{end, end + int64(len(ts[i].Data))}
		end = offsets[i][1]
	}

	h := make([]byte, lengthSize) // the length, known at the end
	h = append(h, '{')
	if metadata != nil {
		h = append(h, `"`+metadataEntry+`":{`...)
		for _, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, nil, fmt.Errorf("metadata %q: %q is not valid UTF-8", key, metadata[key])
			}
			h = append(appendString(h, key), ':')
			h = append(appendString(h, metadata[key]), ',')
		}
		h = append(bytes.TrimSuffix(h, []byte(",")), '}', ',')
	}
	for i, t := range ts {
		h = append(appendString(h, t.Name), `:{"dtype":"`+t.DType+`","shape":`...)
		h = append(appendNumbers(h, t.Shape), `,"data_offsets":`...)
		h = append(appendNumbers(h, offsets[i][:]), '}', ',')
	}
	h = append(bytes.TrimSuffix(h, []byte(",")), '}')
	header, err = sealHeader(h)
	return header, order, err
}

// sealHeader pads the header and puts its length into its first 8 bytes.
func sealHeader(h []byte) ([]byte, error) {
	for len(h)%8 != 0 { // the data begins aligned, as the reference has it
		h = append(h, ' ')
	}
	length := len(h) - lengthSize
	if length > maxHeader {
		return nil, fmt.Errorf("the header is %d bytes long, the format allows %d: fewer tensors or less metadata",
			length, maxHeader)
	}
	binary.LittleEndian.PutUint64(h, uint64(length))
	return h, nil
}

func appendString(b []byte, s string) []byte {
	var quoted bytes.Buffer
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return append(b, bytes.TrimSuffix(quoted.Bytes(), []byte("\n"))...)
}

func appendNumbers(b []byte, numbers []int64) []byte {
	b = append(b, '[')
	for i, n := range numbers {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return append(b, ']')
}
