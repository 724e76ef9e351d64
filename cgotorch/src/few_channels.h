// The gradients of convolutions from few channels, an image's for instance, to many.
#pragma once

#include "conv.h"

namespace imori {
namespace few {

// Whether these are the faster forms: for AVX-512, and maps of float32, or of bfloat16 where AVX-512 is what multiplies
// that. x and g (the output or its gradient) are N x C x H x W.
bool input_wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);
bool weight_wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);

// Both take and return tensors with channels last; kernels and their gradients are float32. The results do not depend
// on the number of threads.
at::Tensor input(const at::Tensor &g, const at::Tensor &w, at::IntArrayRef size, const Conv &o);
at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o);

}  // namespace few
}  // namespace imori
