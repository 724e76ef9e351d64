// Pooling and nearest upsampling, with the gradients of any order.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// All take x of N x C x H x W. Pooling is over tiles of kernel x kernel, and drops what is left at the right and lower
// edge. Squares of 2 x 2 have loops of their own on processors that there are kernels for, for float32 and, where
// that is multiplied, bfloat16, and channels that are a multiple of 16; all else is libtorch's.

// The maximum, and then the leaky ReLU with a slope from 0 on, of which 0 is a ReLU and 1 none; that is also the
// maximum of what the leaky ReLU makes. Keeps for the gradient which of the four it was, and not x. Of equal ones that
// is the first; NaN is larger than all, and of several the last one counts.
at::Tensor max_pool2d(const at::Tensor &x, int64_t kernel, double slope);

at::Tensor avg_pool2d(const at::Tensor &x, int64_t kernel);

// Repeats each place factor times in both directions.
at::Tensor upsample_nearest2d(const at::Tensor &x, int64_t factor);

}  // namespace imori
