// Group normalisation together with the activation behind it.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// Wu and He 2018. x is N x C x H x W, w and b have C numbers, or are undefined; slope is that of the leaky ReLU behind
// it below 0: 0 is a ReLU, 1 is none. The gradient and its gradient, which a gradient penalty needs, are two sweeps
// each on the CPU, where libtorch composes the second of some thirty operations. Those of higher order are libtorch's.
at::Tensor group_norm(const at::Tensor &x, int64_t groups, const at::Tensor &w, const at::Tensor &b, double eps,
                      double slope);

}  // namespace imori
