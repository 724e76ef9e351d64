// Batch normalisation together with the activation behind it, and what else sums or sweeps over channels.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

struct BatchNorm {
  bool training;
  double momentum, eps;
  double slope;  // of the leaky ReLU behind it below 0: 0 is a ReLU, 1 is none
};

// In training by the batch's statistics, and moves mean and var. x is N x C or N x C x H x W; the others have C numbers
// and stay float32 where x is bfloat16. On the CPU two sweeps over x and two over the gradient, where libtorch makes
// those of the activation besides. The gradient's gradient is libtorch's.
at::Tensor batch_norm(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const at::Tensor &mean,
                      const at::Tensor &var, const BatchNorm &o);

// The sums of maps N x C x H x W for each channel, float32 for bfloat16. Differentiable.
at::Tensor channel_sums(const at::Tensor &x);

}  // namespace imori
