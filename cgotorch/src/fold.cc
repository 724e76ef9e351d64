#include "fold.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/constant_pad_nd.h>

namespace imori {
namespace {

// The sum of w of 3 x 3 shifted to the four corners of 4 x 4.
at::Tensor corners(const at::Tensor &w) {
  TORCH_CHECK(w.dim() == 4 && w.size(2) == 3 && w.size(3) == 3, "only kernels of 3 x 3 can be folded, found shape ",
              w.sizes());
  const at::Tensor rows = at::constant_pad_nd(w, {0, 0, 0, 1}).add(at::constant_pad_nd(w, {0, 0, 1, 0}));
  return at::constant_pad_nd(rows, {0, 1}).add(at::constant_pad_nd(rows, {1, 0}));
}

}  // namespace

at::Tensor fold_avg_pool(const at::Tensor &w) { return corners(w).mul(0.25); }

at::Tensor fold_upsample(const at::Tensor &w) { return corners(w.flip({2, 3})).transpose(0, 1); }

}  // namespace imori
