// Products of matrices.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// a b, as at::mm computes it, by oneDNN's kernel where that is the faster one: float32 on the CPU, b with rows.
// Differentiable.
at::Tensor product(const at::Tensor &a, const at::Tensor &b);

// x w^T + b, where b, which may be undefined, is added to each row. Outside of autograd.
at::Tensor affine(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b);

}  // namespace imori
