// Linear layers' weights as products of bfloat16 take them.
#pragma once

#include <ATen/core/Tensor.h>

#include "panel_products.h"

namespace imori {
namespace dense {

// The weight of a layer, out x in, float32, on the CPU. Of a parameter that an optimiser steps, what is rounded and
// laid out in panels is kept for each of its versions; any other is rounded on its way into each product.
class HalfWeights {
 public:
  explicit HalfWeights(const at::Tensor &w);

  // 32 rows from one on, a multiple of 32, with zeros where there are none; in `room` if they are not kept.
  panels::Operand<panels::Half> rows(int64_t first, const panels::Panels<panels::Half> &room) const;
  // `all` rows in pairs, from one on, both multiples of 32, with zeros where there are none, of some columns, the first
  // of which is a multiple of 32.
  void paired(int64_t first, int64_t all, int64_t column, int64_t columns,
              const panels::Panels<panels::Half> &to) const;

 private:
  int64_t out_, in_;
  at::Tensor kept_, rows_;  // the panels, or else the weight in rows that are stretches of memory
};

// A change of a parameter makes what is kept of it stale. Who changes all of one can keep both together.
class Renewal {
 public:
  Renewal() = default;  // of nothing
  // Before `parameter` changes. It is contiguous, or nothing is kept of it.
  explicit Renewal(const at::Tensor &parameter);
  // n numbers of the parameter, from one on, are those at `numbers` from now on. On any thread.
  void renew(const float *numbers, int64_t from, int64_t n) const;
  // After all of the parameter has changed, on the thread that began.
  void finish() const;

 private:
  at::Tensor parameter_, kept_;
};

}  // namespace dense
}  // namespace imori
