// Convolutions as products of matrices: the columns are what each output sees of the input.
#pragma once

#include "conv.h"

namespace imori {
namespace gemm {

enum Sum { kForward, kInput, kWeight };

// Whether this form is the faster one. Measured, not timed at run time: the same machine always takes the same form, so
// that the same seed gives the same run. x and g (the output or its gradient) are N x C x H x W, of float or bfloat16.
bool wins(Sum sum, at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o);

// All take and return tensors with channels last, of one type; one group, no dilation.
at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o);
at::Tensor input(const at::Tensor &g, const at::Tensor &w, at::IntArrayRef size, const Conv &o);
at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o);

}  // namespace gemm
}  // namespace imori
