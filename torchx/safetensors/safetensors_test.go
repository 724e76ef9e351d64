package safetensors

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/imori-ml/imori/internal/fuzztest"
)

// file puts a header, not padded, and data together.
func file(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func readBytes(b []byte) ([]Tensor, map[string]string, error) {
	return Read(bytes.NewReader(b), int64(len(b)))
}

func floats(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// mixed is what a network with batch normalisation looks like, with a counter behind an odd number of floats.
func mixed() []Tensor {
	return []Tensor{
		{Name: "0.weight", DType: "F32", Shape: []int64{1, 3}, Data: floats(1, -2, 0.5)},
		{Name: "1.num_batches_tracked", DType: "I64", Shape: []int64{}, Data: []byte{7, 0, 0, 0, 0, 0, 0, 0}},
		{Name: "empty", DType: "F32", Shape: []int64{0, 4}, Data: []byte{}},
		{Name: "mask <é\">", DType: "BOOL", Shape: []int64{3}, Data: []byte{1, 0, 1}},
		{Name: "half", DType: "BF16", Shape: []int64{1}, Data: []byte{0x80, 0x3f}},
	}
}

func TestWriteBytes(t *testing.T) {
	var b bytes.Buffer
	ts := []Tensor{
		{Name: "b", DType: "U8", Shape: []int64{3}, Data: []byte{1, 2, 3}},
		{Name: "a<", DType: "F32", Shape: []int64{2, 1}, Data: floats(1, 2)},
	}
	if err := Write(&b, ts, map[string]string{"z": "1", "format": "pt"}); err != nil {
		t.Fatal(err)
	}
	header := `{"__metadata__":{"format":"pt","z":"1"},` +
		`"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},"a<":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := append(file(header, string(floats(1, 2))), 1, 2, 3)
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got  %q\nwant %q", b.Bytes(), want)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, metadata := range []map[string]string{nil, {}, {"b": "2", "a": "ü\n\x00"}} {
		for _, ts := range [][]Tensor{{}, mixed()} {
			var b, again bytes.Buffer
			if err := Write(&b, ts, metadata); err != nil {
				t.Fatal(err)
			}
			got, gotMetadata, err := readBytes(b.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, ts) || !reflect.DeepEqual(gotMetadata, metadata) {
				t.Errorf("got %v, %v, want %v, %v", got, gotMetadata, ts, metadata)
			}
			if err := Write(&again, got, gotMetadata); err != nil || !bytes.Equal(again.Bytes(), b.Bytes()) {
				t.Errorf("written again: %v, other bytes", err)
			}
		}
	}
}

// PyTorch's loader views a part of the file as another type, for which it must be aligned.
func TestAlignment(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, mixed(), nil); err != nil {
		t.Fatal(err)
	}
	for _, tensor := range mixed() {
		at := bytes.Index(b.Bytes(), tensor.Data)
		if size := int(dtypeSizes[tensor.DType]); at%size != 0 {
			t.Errorf("%s is at %d, which is no multiple of %d", tensor.Name, at, size)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	one := Tensor{Name: "w", DType: "F32", Shape: []int64{1}, Data: floats(1)}
	with := func(change func(*Tensor)) []Tensor { c := one; change(&c); return []Tensor{c} }
	for _, c := range []struct {
		ts       []Tensor
		metadata map[string]string
		want     string
	}{
		{[]Tensor{one, one}, nil, `"w" occurs twice`},
		{with(func(x *Tensor) { x.Name = "__metadata__" }), nil, "keeps for itself"},
		{with(func(x *Tensor) { x.Name = "\xff" }), nil, "not valid UTF-8"},
		{with(func(x *Tensor) { x.DType = "F31" }), nil, `dtype "F31" is unknown, expected one of BF16, BOOL`},
		{with(func(x *Tensor) { x.Shape = []int64{2} }), nil, "F32 of shape [2] needs 8 bytes, found 4"},
		{with(func(x *Tensor) { x.Shape = []int64{-1} }), nil, "negative"},
		{with(func(x *Tensor) { x.Shape = []int64{1 << 40, 1 << 40} }), nil, "overflows"},
		{with(func(x *Tensor) { x.Shape = make([]int64, 65) }), nil, "65 dimensions"},
		{nil, map[string]string{"k": "\xff"}, "not valid UTF-8"},
	} {
		var b bytes.Buffer
		if err := Write(&b, c.ts, c.metadata); err == nil || !strings.Contains(err.Error(), c.want) || b.Len() > 0 {
			t.Errorf("got %v, %d bytes written; want an error with %q", err, b.Len(), c.want)
		}
	}
}

func TestHeaderLimit(t *testing.T) {
	if _, err := sealHeader(make([]byte, lengthSize+maxHeader)); err != nil {
		t.Error(err)
	}
	_, err := sealHeader(make([]byte, lengthSize+maxHeader+1))
	if err == nil || !strings.Contains(err.Error(), "100000008 bytes long, the format allows 100000000") {
		t.Errorf("got %v", err)
	}
}

func TestReadAccepts(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty":                    file(`{}`, ""),
		"padded":                   file(`{}      `, ""),
		"space inside":             file("{ \"w\" :\n{ \"shape\":[ ] ,\"data_offsets\":[0, 1],\"dtype\":\"U8\"}}", "x"),
		"data in another order":    file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, "bAA"),
		"empty tensor in between":  file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},"c":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, "xy"),
		"zero before huge":         file(`{"a":{"dtype":"U8","shape":[0,9223372036854775807,4],"data_offsets":[0,0]}}`, ""),
		"escaped name and no name": file(`{"\u0061":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}`, "xy"),
	} {
		if _, _, err := readBytes(b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func malformed() map[string][]byte {
	tensor := func(name, dtype, shape, offsets string) string {
		return fmt.Sprintf(`%q:{"dtype":%q,"shape":%s,"data_offsets":%s}`, name, dtype, shape, offsets)
	}
	huge := binary.LittleEndian.AppendUint64(nil, math.MaxUint64)
	return map[string][]byte{
		"the file has 0 bytes":                                        {},
		"the file has 7 bytes":                                        make([]byte, 7),
		"byte 0: the header's length is 18446744073709551615":         append(huge, "{}"...),
		"byte 0: the header's length is 100000001, the format allows": binary.LittleEndian.AppendUint64(nil, maxHeader+1),
		"the header's length is 10, but only 2 bytes follow":          append(binary.LittleEndian.AppendUint64(nil, 10), "{}"...),
		"byte 8: the header does not begin with {":                    file(` {}`, ""),
		"the header does not begin with":                              file(``, ""),
		"byte 8: the header is not valid UTF-8":                       file("{\"\xff\":{}}", ""),
		"the header ends inside its JSON":                             file(`{"a":`, ""),
		"behind the header's end":                                     file(`{}{}`, ""),
		`"\n" behind the header's end`:                                file("{}\n", ""),
		"invalid character":                                           file(`{"a" "b"}`, ""),
		`"a" occurs twice`:                                            file(`{`+tensor("a", "U8", "[1]", "[0,1]")+`,`+tensor("a", "U8", "[1]", "[1,2]")+`}`, "xy"),
		`"__metadata__" occurs twice`:                                 file(`{"__metadata__":{},"__metadata__":{}}`, ""),
		`byte 36: __metadata__: "k" occurs twice`:                     file(`{"__metadata__":{"k":"1","k":"2"}}`, ""),
		`__metadata__: "k": byte 30: found 1, expected a string`:      file(`{"__metadata__":{"k":1}}`, ""),
		"found <nil>, expected an object":                             file(`{"a":null}`, ""),
		"found [, expected an object":                                 file(`{"a":[]}`, ""),
		"dtype occurs twice":                                          file(`{"a":{"dtype":"U8","dtype":"U8"}}`, ""),
		`key "strides" is unknown`:                                    file(`{"a":{"strides":[]}}`, ""),
		"dtype is missing":                                            file(`{"a":{"shape":[0],"data_offsets":[0,0]}}`, ""),
		"shape is missing":                                            file(`{"a":{"dtype":"U8","data_offsets":[0,0]}}`, ""),
		"data_offsets is missing":                                     file(`{"a":{"dtype":"U8","shape":[0]}}`, ""),
		`dtype "F12" is unknown`:                                      file(`{`+tensor("a", "F12", "[1]", "[0,1]")+`}`, "x"),
		"found -1, expected a whole number":                           file(`{`+tensor("a", "U8", "[-1]", "[0,1]")+`}`, "x"),
		"found 1.0, expected a whole number":                          file(`{`+tensor("a", "U8", "[1.0]", "[0,1]")+`}`, "x"),
		"found 1e0, expected a whole number":                          file(`{`+tensor("a", "U8", "[1]", "[0,1e0]")+`}`, "x"),
		"found 9223372036854775808, expected":                         file(`{`+tensor("a", "U8", "[9223372036854775808]", "[0,1]")+`}`, "x"),
		"found true, expected a whole number":                         file(`{`+tensor("a", "U8", "[true]", "[0,1]")+`}`, "x"),
		"overflows 64 bits":                                           file(`{`+tensor("a", "U8", "[4611686018427387904,8]", "[0,0]")+`}`, ""),
		"shape [2305843009213693952] is too large":                    file(`{`+tensor("a", "F64", "[2305843009213693952]", "[0,0]")+`}`, ""),
		"more than 64 numbers":                                        file(`{`+tensor("a", "U8", "[0"+strings.Repeat(",0", 64)+"]", "[0,0]")+`}`, ""),
		"data_offsets are [0], expected a begin and an end":           file(`{`+tensor("a", "U8", "[0]", "[0]")+`}`, ""),
		"data_offsets are [0 1 2], expected":                          file(`{`+tensor("a", "U8", "[0]", "[0,1,2]")+`}`, ""),
		"data_offsets are [2 1], expected":                            file(`{`+tensor("a", "U8", "[1]", "[2,1]")+`}`, "x"),
		"F32 of shape [2] needs 8 bytes, but data_offsets [0 4] span": file(`{`+tensor("a", "F32", "[2]", "[0,4]")+`}`, "xxxx"),
		`tensor "a": its data_offsets [1 2] leave a hole behind 0`:    file(`{`+tensor("a", "U8", "[1]", "[1,2]")+`}`, "xy"),
		"leave a hole behind 1":                                       file(`{`+tensor("a", "U8", "[1]", "[0,1]")+`,`+tensor("b", "U8", "[1]", "[2,3]")+`}`, "xyz"),
		"overlap another tensor's, which end at 2":                    file(`{`+tensor("a", "U8", "[2]", "[0,2]")+`,`+tensor("b", "U8", "[1]", "[1,2]")+`}`, "xy"),
		"overlap another tensor's, which end at 1":                    file(`{`+tensor("a", "U8", "[1]", "[0,1]")+`,`+tensor("b", "U8", "[1]", "[0,1]")+`}`, "x"),
		"need 9 bytes of data, but the file has 8: a cut file?":       file(`{`+tensor("a", "U8", "[9]", "[0,9]")+`}`, "12345678"),
		"need 1099511627776 bytes of data, but the file has 1":        file(`{`+tensor("a", "U8", "[1099511627776]", "[0,1099511627776]")+`}`, "x"),
		"bytes that belong to no tensor":                              file(`{`+tensor("a", "U8", "[1]", "[0,1]")+`}`, "xy"),
	}
}

func TestReadRefuses(t *testing.T) {
	for want, b := range malformed() {
		if _, _, err := readBytes(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v\nwant an error with %q", b, err, want)
		}
	}
}

// Every cut of a good file, and every flipped bit in its header, is an error or another well-formed file; no panic.
func TestReadDamaged(t *testing.T) {
	var buffer bytes.Buffer
	if err := Write(&buffer, mixed(), map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	good := buffer.Bytes()
	for n := range good {
		if _, _, err := readBytes(good[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were accepted", n, len(good))
		}
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[n] ^= 1 << bit
			_, _, _ = readBytes(bad)
		}
	}
}

// liar claims to be larger than it is.
func TestReadSizeIsALie(t *testing.T) {
	header := `{"a":{"dtype":"U8","shape":[1073741824],"data_offsets":[0,1073741824]}}`
	b := file(header, "x")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := Read(bytes.NewReader(b), int64(len(b))-1+1<<30)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes allocated for a file of %d", grown, len(b))
	}
}

func TestFiles(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "w.safetensors")
	for _, ts := range [][]Tensor{mixed(), mixed()[:1]} { // the second replaces the first
		if err := WriteFile(path, ts, nil); err != nil {
			t.Fatal(err)
		}
		if got, _, err := ReadFile(path); err != nil || !reflect.DeepEqual(got, ts) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	bad := []Tensor{{Name: "w", DType: "F32", Shape: []int64{2}}}
	if err := WriteFile(path, bad, nil); err == nil {
		t.Error("a bad tensor was written")
	}
	if got, _, err := ReadFile(path); err != nil || len(got) != 1 {
		t.Errorf("after a failure the old file is gone: %v, %v", got, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("left over: %v, %v", entries, err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadFile(path); err == nil || !strings.HasPrefix(err.Error(), path+": safetensors: the file has 1 bytes") {
		t.Errorf("got %v", err)
	}
	if _, _, err := ReadFile(folder); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
	if _, _, err := ReadFile("/dev/zero"); err == nil || !strings.Contains(err.Error(), "it is a device, not a regular file") { // never opened, as no pipe is
		t.Errorf("got %v", err)
	}
	if _, _, err := ReadFile(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if err := WriteFile(filepath.Join(folder, "no", "w"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, mixed(), map[string]string{"a": "b"}); err != nil {
		f.Fatal(err)
	}
	target := fuzztest.New(f)
	target.Add(b.Bytes())
	target.Add(b.Bytes()[:b.Len()-1])
	target.Add(file(`{}`, ""))
	for _, b := range malformed() {
		target.Add(b)
	}
	target.Fuzz(func(t *testing.T, b []byte) {
		var ts []Tensor
		var metadata map[string]string
		var err error
		fuzztest.Bounded(t, 1<<16+200*len(b), func() { ts, metadata, err = readBytes(b) })
		if err != nil {
			return
		}
		// What was accepted can be written, and is then the same.
		var out bytes.Buffer
		if err := Write(&out, ts, metadata); err != nil {
			t.Fatal(err)
		}
		if out.Len() > 8*len(b)+64 {
			t.Fatalf("%d bytes became %d", len(b), out.Len())
		}
		again, metadataAgain, err := readBytes(out.Bytes())
		if err != nil || !reflect.DeepEqual(again, ts) || !reflect.DeepEqual(metadataAgain, metadata) {
			t.Fatalf("got %v, %v, %v, want %v, %v", again, metadataAgain, err, ts, metadata)
		}
	})
}
