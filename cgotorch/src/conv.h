// Transposed convolution computed as the input gradient of a convolution.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace imori {

struct ConvTranspose {
  std::vector<int64_t> stride, padding, output_padding, dilation;
  int64_t groups;
};

// libtorch's own transposed convolution on the CPU multiplies matrices image by image; oneDNN runs the input gradient
// of a convolution, which is the same sum, several times faster. Used for 4-d tensors on the CPU; elsewhere, and with
// plain, libtorch's own. Differentiable any number of times.
at::Tensor conv_transpose2d(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const ConvTranspose &o,
                            bool plain = false);

}  // namespace imori
