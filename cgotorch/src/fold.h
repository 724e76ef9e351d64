// Exact foldings of a convolution with a change of resolution beside it.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// conv(3 x 3, padding 1) and then the average over 2 x 2 is conv(4 x 4, stride 2, padding 1) with this kernel: the
// average of w shifted to the four corners. At the borders too.
at::Tensor fold_avg_pool(const at::Tensor &w);

// Doubling height and width by repetition and then conv(3 x 3, padding 1) is the transposed conv(4 x 4, stride 2,
// padding 1) with this kernel of in x out: the sum of w, turned around, shifted to the four corners.
at::Tensor fold_upsample(const at::Tensor &w);

}  // namespace imori
