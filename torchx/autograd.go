package torchx

// #include "imori.h"
import "C"

import (
	"unsafe"

	torch "github.com/wangkuiyi/gotorch"
)

// Gradients returns d loss/d params[i] for a loss of one element, and accumulates nothing anywhere. It is the zero
// Tensor (T is nil) where the loss does not depend on a parameter. With createGraph the gradients can be differentiated
// again; without, the loss's graph is gone afterwards.
func Gradients(loss torch.Tensor, params []torch.Tensor, createGraph bool) []torch.Tensor {
	const op = "gradients"
	if len(params) == 0 {
		return nil // libtorch refuses
	}
	ps, gs := handles(op, params), make([]C.ix_tensor, len(params))
	check(op, C.ix_gradients(handle(op, loss), unsafe.SliceData(ps), C.int64_t(len(ps)), flag(createGraph), unsafe.SliceData(gs)),
		append([]torch.Tensor{loss}, params...)...)
	grads := make([]torch.Tensor, len(params))
	for i, g := range gs {
		if g != nil {
			grads[i] = own(g)
		}
	}
	return grads
}

// own makes a Tensor of a handle out of an array.
func own(h C.ix_tensor) torch.Tensor {
	out := newHandle()
	*out = unsafe.Pointer(h)
	return wrap(out)
}
