package torchx

// #include "imori.h"
import "C"

import (
	number "encoding/binary"
	"math"
	"unsafe"

	torch "github.com/wangkuiyi/gotorch"
)

// The kinds of ix_random.
const (
	uniformKind = 0
	normalKind  = 1
)

// ManualSeed seeds the default generators of all devices, as torch.manual_seed does.
func ManualSeed(seed int64) { check("manual seed", C.ix_manual_seed(C.uint64_t(seed))) }

func random(op string, kind C.int32_t, generator unsafe.Pointer, a, b float64, device string, shape []int64) torch.Tensor {
	count(op, shape)
	out := newHandle()
	withString(device, func(c *C.char) {
		check(op, C.ix_random(kind, generator, C.double(a), C.double(b), ints(shape), C.int64_t(len(shape)),
			C.int8_t(torch.Float), c, (*C.ix_tensor)(out)))
	})
	return wrap(out)
}

// Uniform draws float32 values from [lo, hi) with the device's default generator.
func Uniform(lo, hi float64, device string, shape ...int64) torch.Tensor {
	return random("uniform", uniformKind, nil, lo, hi, device, shape)
}

// Normal draws float32 values from a normal distribution with the device's default generator.
func Normal(mean, std float64, device string, shape ...int64) torch.Tensor {
	return random("normal", normalKind, nil, mean, std, device, shape)
}

// Generator draws random numbers that nothing else draws from: previews with one of their own do not change training.
type Generator struct {
	device string
	c      unsafe.Pointer
}

// NewGenerator makes a generator of a device. Close it.
func NewGenerator(device string, seed int64) *Generator {
	g := &Generator{device: device}
	withString(device, func(c *C.char) { check("generator", C.ix_generator_new(c, C.uint64_t(seed), &g.c)) })
	return g
}

// Uniform is the function Uniform with this generator, on its device.
func (g *Generator) Uniform(lo, hi float64, shape ...int64) torch.Tensor {
	return g.draw("uniform", uniformKind, lo, hi, shape)
}

// Normal is the function Normal with this generator, on its device.
func (g *Generator) Normal(mean, std float64, shape ...int64) torch.Tensor {
	return g.draw("normal", normalKind, mean, std, shape)
}

func (g *Generator) draw(op string, kind C.int32_t, a, b float64, shape []int64) torch.Tensor {
	if g.c == nil { // C would take the default generator
		fail(op, nil, "the generator is closed")
	}
	return random(op, kind, g.c, a, b, g.device, shape)
}

// Close frees the generator; a second call does nothing.
func (g *Generator) Close() {
	if g.c != nil {
		C.ix_generator_free(g.c)
		g.c = nil
	}
}

// GeneratorState returns the state of a device's default generator, for SetGeneratorState to go on from.
func GeneratorState(device string) []byte { return AppendGeneratorState(nil, device) }

// AppendGeneratorState is GeneratorState behind dst, in its memory if that is enough.
func AppendGeneratorState(dst []byte, device string) []byte {
	out := newHandle()
	withString(device, func(c *C.char) { check("generator state", C.ix_generator_state(c, (*C.ix_tensor)(out))) })
	t := wrap(out)
	defer Free(t)
	return appendBytes(dst, t)
}

// SetGeneratorState puts a device's default generator into a state that GeneratorState returned.
func SetGeneratorState(device string, state []byte) {
	if device == "cpu" {
		checkTwister(state)
	}
	t := FromBytes(state, torch.Byte, int64(len(state)))
	defer Free(t)
	withString(device, func(c *C.char) {
		check("set generator state", C.ix_set_generator_state(c, handle("set generator state", t)), t)
	})
}

// checkTwister refuses the state of a Mersenne twister that libtorch takes, and reads beyond the end of: with more numbers left
// than there are behind the next one. It begins with the seed in 8 bytes, left in 4, whether it is seeded in 4, next in 8.
func checkTwister(state []byte) {
	const numbers = 624
	if len(state) < 24 {
		return // libtorch says what it expects
	}
	left, next := number.NativeEndian.Uint32(state[8:]), number.NativeEndian.Uint64(state[16:])
	if left > numbers || next > numbers || uint64(left)+next > numbers+1 {
		fail("set generator state", nil, "the state is damaged: %d of %d numbers are left, and the next one is number %d", left, numbers, next)
	}
}

func randomInPlace(op string, kind C.int32_t, t torch.Tensor, a, b float64) {
	check(op, C.ix_random_(kind, handle(op, t), C.double(a), C.double(b)), t)
}

// InitNormal fills t from a normal distribution, with its device's default generator, unseen by gradients.
func InitNormal(t torch.Tensor, mean, std float64) {
	randomInPlace("init normal", normalKind, t, mean, std)
}

// InitUniform fills t from [lo, hi), with its device's default generator, unseen by gradients.
func InitUniform(t torch.Tensor, lo, hi float64) {
	randomInPlace("init uniform", uniformKind, t, lo, hi)
}

// InitConstant fills t with v, unseen by gradients.
func InitConstant(t torch.Tensor, v float64) {
	value := Full(v, infoOf("init constant", t).dtype, "cpu")
	defer Free(value)
	Copy(t, value)
}

// KaimingUniform fills a weight as PyTorch does by default for Linear and convolutions: kaiming_uniform_(a=sqrt(5)) of
// He et al. 2015, which is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) with fan_in = elements/shape[0].
func KaimingUniform(t torch.Tensor) {
	gain := math.Sqrt(2.0 / (1 + 5))
	bound := math.Sqrt(3) * (gain / math.Sqrt(fanIn(t))) // in PyTorch's order, so that it rounds alike
	InitUniform(t, -bound, bound)
}

// fanIn is the number of inputs that each output of a layer with this weight sums over, as PyTorch counts it: for a
// transposed convolution, whose shape[0] is its input channels, too.
func fanIn(weight torch.Tensor) float64 {
	shape := Shape(weight)
	if len(shape) < 2 {
		fail("kaiming uniform", []torch.Tensor{weight}, "a weight of two or more dimensions is needed")
	}
	return float64(count("kaiming uniform", shape[1:]))
}
