// Linear layers.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// x w^T + b for x of ... x in, w of out x in, in the type that layer_input gives, or float32 if in or out is below 16,
// and then the leaky ReLU with a slope, of which 0 is ReLU and 1 nothing.
at::Tensor linear(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, double slope);

}  // namespace imori
