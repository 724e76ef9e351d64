// What is made of a parameter and used several times before it changes. Each step of a critic, for instance, uses the
// generator, and uses the critic itself for a real and a generated batch.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

namespace imori {

// What is made, for which type of maps; and for which stride and tiles, 0 for copies, panels and blocks, which do not
// depend on them.
struct Making {
  enum What { kCopy, kPanels, kForwardSums, kInputSums, kForwardBlocks, kInputBlocks } what;
  at::ScalarType type;
  int64_t stride, outputs;

  bool operator==(const Making &o) const {
    return what == o.what && type == o.type && stride == o.stride && outputs == o.outputs;
  }
};

// make(), outside of autograd, or what it gave before, if w is a parameter that has not changed since. Kernels' sums
// are up to five times as large as kernels: so a result is dropped when it was used as often as before the last change,
// or once where that is not known. If it is used again, it is kept until the parameter changes, or is gone and others
// change. Panels are no larger than the parameter and are kept however often they are used. Results of more than 64 MiB
// are not kept. make must not ask for anything kept. Each thread keeps its own.
at::Tensor kept(const at::Tensor &w, const Making &making, const std::function<at::Tensor()> &make);

// Whether a result of so many bytes would be kept of w.
bool keeps(const at::Tensor &w, size_t bytes);

// What is kept of w now, or undefined, for who is about to change both; then it is kept no longer. Afterwards keep()
// has it for w as that is then.
at::Tensor take_kept(const at::Tensor &w, const Making &making);
void keep(const at::Tensor &w, const Making &making, const at::Tensor &result);

}  // namespace imori
