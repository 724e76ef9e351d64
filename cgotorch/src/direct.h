// Convolutions of bfloat16 as they are defined, as sums of products of blocks by AMX.
#pragma once

#include "conv.h"

namespace imori {
namespace direct {

// Whether this form is the faster one, and there is what it needs. x and g (the output or its gradient) are N x C x H x
// W.
bool wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);

// All take and return tensors with channels last, maps in bfloat16; kernels, their gradients and b, which is added to
// each place if it is defined, are float32. The results do not depend on the number of threads.
// They add products with zeros, too: of maps or kernels that are not finite, more becomes NaN than should.
at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o);
at::Tensor input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o);
at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o);

}  // namespace direct
}  // namespace imori
