// Products of matrices.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// a b, as at::mm computes it, by oneDNN's kernel where that is the faster one: float32 on the CPU, b not transposed.
// Differentiable.
at::Tensor product(const at::Tensor &a, const at::Tensor &b);

}  // namespace imori
