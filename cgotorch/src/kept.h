// What is made of a parameter, and used several times before it changes: a generator's steps of its critic use its
// weights, a critic's real and generated batches those of the critic.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace imori {

// What is made, for which type of maps, and how; of the rest only Winograd's sums depend.
struct Making {
  enum What { kCopy, kForwardSums, kInputSums } what;
  at::ScalarType type;
  int64_t stride, outputs;

  bool operator==(const Making &o) const {
    return what == o.what && type == o.type && stride == o.stride && outputs == o.outputs;
  }
};

// make(), outside of autograd, or what it gave before, if w is a parameter that has not changed since. Nothing is kept
// longer than for the number of uses that there were before the last change: kernels' sums are larger than kernels.
// make must not ask for anything kept. Each thread keeps its own.
at::Tensor kept(const at::Tensor &w, const Making &making, const std::function<at::Tensor()> &make);

}  // namespace imori
