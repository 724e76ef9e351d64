// The binary cross-entropy of logits.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// The mean of max(x, 0) - x target + log(1 + exp(-|x|)), which is -target log sigmoid(x) - (1 - target) log(1 -
// sigmoid(x)). libtorch's goes over the numbers more than ten times. x and target have one shape.
at::Tensor cross_entropy(const at::Tensor &x, const at::Tensor &target);

}  // namespace imori
