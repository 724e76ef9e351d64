// The sums of convolutions from few channels, an image's for instance, to many: all but the forward one, which oneDNN
// makes well. Convolutions of stride 1 to few channels are the same sums with the two sides exchanged.
#pragma once

#include "conv.h"

namespace imori {
namespace few {

// Whether these are the faster forms: on processors that there are kernels for, and for maps of float32, or of bfloat16
// where there are instructions for that. x and g (the output or its gradient) are N x C x H x W.
bool input_wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);
bool weight_wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);

// The gradients of the input, to which b is added if it is defined, and of the weight. Both take and return tensors
// with channels last; kernels, their gradients and b are float32. The results do not depend on the number of threads.
at::Tensor input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o);
at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o);

}  // namespace few
}  // namespace imori
