// Transposed copies of matrices, several times faster than libtorch's.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// m.t() with rows of its own, for a float32 matrix of rows on the CPU. Outside of autograd. bias, if it is defined, has
// a number for each row of m, and so for each column of the result, to which it is added.
at::Tensor transpose(const at::Tensor &m, const at::Tensor &bias = {});

}  // namespace imori
