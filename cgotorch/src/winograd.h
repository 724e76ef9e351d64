// Convolutions by Winograd's algorithm: fewer multiplications than the convolution has itself.
#pragma once

#include "conv.h"

namespace imori {
namespace winograd {

// Whether this form is the faster one, and there is what it needs: a processor that there are kernels for, and maps of
// float32, or of bfloat16 where there are instructions for that, and no AMX. Like gemm::wins it is not timed at run
// time. x and g (the output or its gradient) are N x C x H x W.
bool wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);

// All take and return tensors with channels last. b, which may be undefined, is added to each place. Kernels, biases
// and their gradients are float32 always: of maps of bfloat16 it is the sums that are rounded, and only once. The
// results do not depend on the number of threads.
at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o);
at::Tensor input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o);
at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o);

}  // namespace winograd
}  // namespace imori
