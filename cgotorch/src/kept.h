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
// change. Results of more than 64 MiB are not kept. Neither holds for what is renewed. make must not ask for anything
// kept. Each thread keeps its own.
at::Tensor kept(const at::Tensor &w, const Making &making, const std::function<at::Tensor()> &make);

// Whether who changes w, a parameter, on this thread has taken what is kept of it to change that, too.
bool renewed(const at::Tensor &w, const Making &making);

// What is kept of w and has been used since the last change, or undefined; it is kept no longer. Who takes it changes
// it as w changes, and then gives it back by keep().
at::Tensor take_kept(const at::Tensor &w, const Making &making);
void keep(const at::Tensor &w, const Making &making, const at::Tensor &result);

}  // namespace imori
