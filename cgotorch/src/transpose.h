// Transposed copies of matrices, several times faster than libtorch's.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// m.t() with rows of its own, for a float32 matrix of rows on the CPU that is not empty. Outside of autograd. bias, if
// it is defined, has as many numbers as m has rows and the result columns, to which they are added.
at::Tensor transpose(const at::Tensor &m, const at::Tensor &bias = {});

// The rows x columns at from, whose rows are row floats apart, turned to columns x rows at to, without a gap.
void transpose_block(float *to, const float *from, int64_t row, int64_t rows, int64_t columns);

}  // namespace imori
