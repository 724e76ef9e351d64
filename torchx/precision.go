package torchx

// #include "imori.h"
import "C"

import (
	"fmt"
	"runtime"
	"strings"

	torch "github.com/wangkuiyi/gotorch"
)

// BF16 runs f with linear layers and convolutions in bfloat16: their inputs and weights are rounded to it on the way into the
// sums, which are float32, and what they return is bfloat16. Linear layers of fewer than 16 inputs or outputs stay float32, as
// do the weights themselves, their gradients, the statistics of batch norms, and losses. It holds for this thread, and for the
// gradients of what f computes.
func BF16(f func()) {
	runtime.LockOSThread() // the mode belongs to the thread
	before := C.ix_set_bf16_layers(1)
	defer func() {
		C.ix_set_bf16_layers(before)
		runtime.UnlockOSThread()
	}()
	f()
}

// CheckBF16 tells why a CPU has no instructions for bfloat16; nil: it has. CUDA devices are not asked: before compute
// capability 8.0 (A100) theirs is slow.
func CheckBF16(device string) error {
	if strings.HasPrefix(device, "cuda") || C.ix_bf16_hardware() > 0 {
		return nil
	}
	return fmt.Errorf("this CPU does not multiply bfloat16: it has neither amx_bf16 nor avx512_bf16 (see /proc/cpuinfo)")
}

// BF16Pays tells whether this CPU makes more products of bfloat16 than of float32 in a second: AMX does, and AVX-512 on AMD's
// processors; on Intel's its instruction for bfloat16 takes longer than two for float32. It is measured once, in less
// than half a millisecond.
func BF16Pays() bool { return C.ix_bf16_pays() != 0 }

// withoutAMX runs f as on a CPU that has not got it, for the whole process, and tells whether this one has.
func withoutAMX(f func()) (has bool) {
	has = C.ix_bf16_hardware() == 2
	before := C.ix_set_amx(0)
	defer C.ix_set_amx(before)
	f()
	return has
}

// withoutAVX512 runs f with our kernels of float32 for layers as on a CPU that has not got it, for the whole process.
func withoutAVX512(f func()) {
	before := C.ix_set_avx512(0)
	defer C.ix_set_avx512(before)
	f()
}

// floatKernels tells which these are: 0 none, 1 those for AVX2, 2 those for AVX-512.
func floatKernels() int { return int(C.ix_float_kernels()) }

// Float returns t in float32 if it is bfloat16, else t itself: for what bfloat16's three digits would spoil.
func Float(t torch.Tensor) torch.Tensor { return unary("float", C.IX_FULL, t, 0, 0) }

// Plain runs f with libtorch's own kernels wherever torchx has faster ones, to compare the two. It holds for the whole
// process.
func Plain(f func()) {
	before := C.ix_set_plain(flag(true))
	defer C.ix_set_plain(before)
	f()
}
