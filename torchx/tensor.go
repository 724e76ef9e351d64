package torchx

// #include <stdlib.h>
// #include "imori.h"
import "C"

import (
	"runtime"
	"slices"
	"unsafe"

	torch "github.com/wangkuiyi/gotorch"
)

type dtypeInfo struct {
	dtype    int8
	name     string // in safetensors files
	size     int64  // bytes
	floating bool
}

// dtypes are the element types known here.
var dtypes = []dtypeInfo{
	{torch.Byte, "U8", 1, false}, {torch.Char, "I8", 1, false}, {torch.Short, "I16", 2, false},
	{torch.Int, "I32", 4, false}, {torch.Long, "I64", 8, false}, {torch.Bool, "BOOL", 1, false},
	{torch.Half, "F16", 2, true}, {torch.BFloat16, "BF16", 2, true}, {torch.Float, "F32", 4, true}, {torch.Double, "F64", 8, true},
}

// lookUp finds a dtype. Others must not reach libtorch, which ends the process on some.
func lookUp(op string, dtype int8) dtypeInfo {
	i := slices.IndexFunc(dtypes, func(d dtypeInfo) bool { return d.dtype == dtype })
	if i < 0 {
		fail(op, nil, "dtype %d is not supported", dtype)
	}
	return dtypes[i]
}

// shell is what a Tensor points to. Go keeps the finalizers of a page of equal objects in one sorted list, and walks it for
// each new one: of bare pointers a page has a thousand, which doubles the cost of a tensor.
type shell struct {
	handle unsafe.Pointer
	_      [7]uintptr
}

// newHandle is where a C function puts a handle, for wrap.
func newHandle() *unsafe.Pointer { return &new(shell).handle }

// wrap makes a Tensor of the handle that a C function put into newHandle's out.
func wrap(out *unsafe.Pointer) torch.Tensor {
	runtime.SetFinalizer((*shell)(unsafe.Pointer(out)), closeHandle)
	return torch.Tensor{T: out}
}

func closeHandle(s *shell) { C.ix_close(C.ix_tensor(s.handle)) }

// handle is what a C function takes for t.
func handle(op string, t torch.Tensor) C.ix_tensor {
	if t.T == nil || *t.T == nil {
		fail(op, nil, "a tensor is missing: the zero Tensor stands where one is needed")
	}
	return C.ix_tensor(*t.T)
}

// optional is handle where the zero Tensor stands for "none".
func optional(t torch.Tensor) C.ix_tensor {
	if t.T == nil {
		return nil
	}
	return C.ix_tensor(*t.T)
}

// handles is handle for several tensors. They are C pointers, so C may be given the slice.
func handles(op string, ts []torch.Tensor) []C.ix_tensor {
	hs := make([]C.ix_tensor, len(ts))
	for i, t := range ts {
		hs[i] = handle(op, t)
	}
	return hs
}

func ints(s []int64) *C.int64_t { return (*C.int64_t)(unsafe.Pointer(unsafe.SliceData(s))) }

func flag(on bool) C.int8_t {
	if on {
		return 1
	}
	return 0
}

// withString runs f with a C copy of s.
func withString(s string, f func(*C.char)) {
	c := C.CString(s)
	defer C.free(unsafe.Pointer(c))
	f(c)
}

const maxElements = 1 << 56 // keeps the bytes within 64 bits

// count is the number of elements of a shape, which must not have negative sizes.
func count(op string, shape []int64) int64 {
	n := int64(1)
	for _, size := range shape {
		if size < 0 {
			fail(op, nil, "shape %v has a negative size", shape)
		}
		if size > 0 && n > maxElements/size {
			fail(op, nil, "shape %v is too large", shape)
		}
		n *= size
	}
	return n
}

// info is what a tensor says about itself.
type info struct {
	shape        []int64
	dtype        int8
	requiresGrad bool
}

// query asks t, which is not the zero Tensor, and returns C's message if it cannot say.
func query(t torch.Tensor) (info, *C.char) {
	var dims C.int64_t
	var sizes [16]int64
	var dtype, requiresGrad, leaf C.int8_t
	message := C.ix_info(C.ix_tensor(*t.T), &dims, ints(sizes[:]), &dtype, &requiresGrad, &leaf)
	runtime.KeepAlive(t.T)
	if message != nil {
		return info{}, message
	}
	return info{slices.Clone(sizes[:min(int(dims), len(sizes))]), int8(dtype), requiresGrad != 0}, nil
}

func infoOf(op string, t torch.Tensor) info {
	handle(op, t)
	in, message := query(t)
	check(op, message)
	return in
}

// Shape returns the sizes of t's dimensions; none for a scalar.
func Shape(t torch.Tensor) []int64 { return infoOf("shape", t).shape }

// RequiresGrad tells whether gradients flow to t.
func RequiresGrad(t torch.Tensor) bool { return infoOf("requires grad", t).requiresGrad }

// SetRequiresGrad makes t, which no operation may have produced, a value to take gradients for, or an ordinary one again.
func SetRequiresGrad(t torch.Tensor, on bool) {
	check("set requires grad", C.ix_set_requires_grad(handle("set requires grad", t), flag(on)), t)
}

// Device returns where t lives: "cpu", "cuda:0".
func Device(t torch.Tensor) string {
	var name *C.char
	check("device", C.ix_device(handle("device", t), &name), t)
	defer C.ix_free_string(name)
	return C.GoString(name)
}

// Item returns the value of a tensor of one element, whatever its dtype.
func Item(t torch.Tensor) float64 {
	var value C.double
	check("item", C.ix_item(handle("item", t), &value), t)
	return float64(value)
}

// FromFloat32 makes a tensor on the CPU from a copy of data, row-major; it panics if shape does not have as many elements.
func FromFloat32(data []float32, shape ...int64) torch.Tensor { return from(data, torch.Float, shape) }

// FromFloat64 is FromFloat32 for float64.
func FromFloat64(data []float64, shape ...int64) torch.Tensor { return from(data, torch.Double, shape) }

// FromInt64 is FromFloat32 for int64.
func FromInt64(data []int64, shape ...int64) torch.Tensor { return from(data, torch.Long, shape) }

func from[V float32 | float64 | int64](data []V, dtype int8, shape []int64) torch.Tensor {
	if n := count("from data", shape); n != int64(len(data)) {
		fail("from data", nil, "there are %d values, shape %v takes %d", len(data), shape, n)
	}
	return fromData(unsafe.Pointer(unsafe.SliceData(data)), dtype, shape)
}

// FromBytes makes a tensor on the CPU from a copy of its elements' bytes, row-major, in the machine's (little-endian)
// order: the inverse of Bytes.
func FromBytes(data []byte, dtype int8, shape ...int64) torch.Tensor {
	d := lookUp("from bytes", dtype)
	if n := count("from bytes", shape) * d.size; n != int64(len(data)) {
		fail("from bytes", nil, "there are %d bytes, shape %v of %s takes %d", len(data), shape, d.name, n)
	}
	return fromData(unsafe.Pointer(unsafe.SliceData(data)), dtype, shape)
}

func fromData(data unsafe.Pointer, dtype int8, shape []int64) torch.Tensor {
	out := newHandle()
	check("from data", C.ix_from_data((*C.uint8_t)(data), C.int8_t(dtype), ints(shape), C.int64_t(len(shape)), (*C.ix_tensor)(out)))
	return wrap(out)
}

// Full makes a tensor of one value. Dtypes are gotorch's: torch.Float, torch.Double, torch.Long, ...
func Full(value float64, dtype int8, device string, shape ...int64) torch.Tensor {
	count("full", shape)
	lookUp("full", dtype)
	out := newHandle()
	withString(device, func(c *C.char) {
		check("full", C.ix_full(ints(shape), C.int64_t(len(shape)), C.double(value), C.int8_t(dtype), c, (*C.ix_tensor)(out)))
	})
	return wrap(out)
}

// Float32s returns a copy of t's elements, row-major, converted.
func Float32s(t torch.Tensor) []float32 { return values[float32](t, torch.Float) }

// Float64s returns a copy of t's elements, row-major, converted.
func Float64s(t torch.Tensor) []float64 { return values[float64](t, torch.Double) }

// Int64s returns a copy of t's elements, row-major, converted.
func Int64s(t torch.Tensor) []int64 { return values[int64](t, torch.Long) }

func values[V float32 | float64 | int64](t torch.Tensor, dtype int8) []V {
	data := make([]V, count("to data", infoOf("to data", t).shape))
	toData(t, dtype, unsafe.Pointer(unsafe.SliceData(data)), len(data)*int(unsafe.Sizeof(*new(V))))
	return data
}

// CopyFloat32s copies t's elements, row-major, converted, into dst, which has exactly their number.
func CopyFloat32s(dst []float32, t torch.Tensor) {
	if n := count("to data", infoOf("to data", t).shape); n != int64(len(dst)) {
		fail("to data", []torch.Tensor{t}, "there are %d elements and room for %d", n, len(dst))
	}
	toData(t, torch.Float, unsafe.Pointer(unsafe.SliceData(dst)), len(dst)*4)
}

// Bytes returns a copy of t's elements as they are in memory, row-major.
func Bytes(t torch.Tensor) []byte { return appendBytes(nil, t) }

func appendBytes(dst []byte, t torch.Tensor) []byte {
	in := infoOf("to data", t)
	n := int(count("to data", in.shape) * lookUp("to data", in.dtype).size)
	all := slices.Grow(dst, n)[:len(dst)+n]
	toData(t, in.dtype, unsafe.Pointer(unsafe.SliceData(all[len(dst):])), n)
	return all
}

func toData(t torch.Tensor, dtype int8, dst unsafe.Pointer, bytes int) {
	check("to data", C.ix_to_data(handle("to data", t), C.int8_t(dtype), (*C.uint8_t)(dst), C.int64_t(bytes)), t)
}

// Copy copies src, of the same shape or a scalar that fills, into dst, in place and unseen by gradients. Devices and dtypes
// may differ.
func Copy(dst, src torch.Tensor) {
	check("copy", C.ix_copy_(handle("copy", dst), handle("copy", src)), dst, src)
}

// ClampInPlace limits t's elements to [lo, hi], unseen by gradients: weight clipping.
func ClampInPlace(t torch.Tensor, lo, hi float64) {
	check("clamp in place", C.ix_clamp_(handle("clamp in place", t), C.double(lo), C.double(hi)), t)
}

// To returns t on a device, as a dtype; dtype -1 leaves it as it is.
func To(t torch.Tensor, device string, dtype int8) torch.Tensor {
	if dtype != -1 {
		lookUp("to", dtype)
	}
	out := newHandle()
	withString(device, func(c *C.char) {
		check("to", C.ix_to(handle("to", t), c, C.int8_t(dtype), (*C.ix_tensor)(out)), t)
	})
	return wrap(out)
}

// SetData makes t hold data's storage, dtype and device; t stays the same parameter to whoever holds it. Afterwards change t, not
// data: layers keep what they make of a weight until that itself changes.
func SetData(t, data torch.Tensor) {
	check("set data", C.ix_set_data(handle("set data", t), handle("set data", data)), t, data)
}

// channelsLast lays out the data of a tensor of four dimensions with the second one last, as convolutions read them. What
// the tensor says of itself stays.
func channelsLast(t torch.Tensor) {
	check("channels last", C.ix_channels_last_(handle("channels last", t)), t)
}
