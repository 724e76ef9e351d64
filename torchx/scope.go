package torchx

// #include "imori.h"
import "C"

import (
	"runtime"

	torch "github.com/wangkuiyi/gotorch"
)

// Scoped runs f and then frees every tensor made in it, on this goroutine, that Keep or KeepAll did not take out. The
// storage goes at once, whatever the garbage collector does, and also when f panics or ends its goroutine. Scopes nest.
// A tensor used after its scope is a panic with *Error.
//
// Outside a scope a finalizer may free a temporary that a running operation uses: make tensors in scopes only.
func Scoped(f func()) {
	runtime.LockOSThread() // scopes belong to threads
	C.ix_scope_begin()
	defer func() {
		C.ix_scope_end()
		runtime.UnlockOSThread()
	}()
	f()
}

// NoGrad runs f without recording anything for gradients.
func NoGrad(f func()) {
	runtime.LockOSThread() // the mode belongs to the thread
	previous := C.ix_grad_mode(0)
	defer func() {
		C.ix_grad_mode(previous)
		runtime.UnlockOSThread()
	}()
	f()
}

// gradEnabled tells whether operations are recorded for gradients here.
func gradEnabled() bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mode := C.ix_grad_mode(0) // there is no way to ask but to set it
	C.ix_grad_mode(mode)
	return mode != 0
}

// Keep moves t to the enclosing scope, the result of the running one. It returns t.
func Keep(t torch.Tensor) torch.Tensor {
	check("keep", C.ix_keep(handle("keep", t)), t)
	return t
}

// KeepAll takes tensors out of every scope: they live until nothing in Go refers to them. Parameters, buffers.
func KeepAll(ts ...torch.Tensor) {
	for _, t := range ts {
		check("keep all", C.ix_keep_all(handle("keep all", t)), t)
	}
}

// Free gives the tensors' storage back now. Views of a tensor stay good. The zero Tensor is skipped.
func Free(ts ...torch.Tensor) {
	for _, t := range ts {
		if t.T != nil {
			C.ix_release(C.ix_tensor(*t.T))
			runtime.KeepAlive(t.T)
		}
	}
}

// LiveTensors counts the tensors that have storage, on all threads: tests assert with it that nothing leaks.
func LiveTensors() int { return int(C.ix_live_tensors()) }
