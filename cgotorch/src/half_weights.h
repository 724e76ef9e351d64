// Linear layers' weights as products of bfloat16 take them.
#pragma once

#include <ATen/core/Tensor.h>

#include "panels.h"

namespace imori {
namespace dense {

// The weight of a layer, out x in, float32, on the CPU: rounded and in panels once for each version of a parameter,
// else on its way into each product.
class HalfWeights {
 public:
  // The rows of w are stretches of memory; of is w, or what it is a copy of.
  HalfWeights(const at::Tensor &w, const at::Tensor &of);

  // 32 rows from one on, a multiple of 32, with zeros where there are none; in `room` if they are not kept.
  panels::Panels<panels::Half> rows(int64_t first, const panels::Panels<panels::Half> &room) const;
  // Rows in pairs, from one on, `all` of them, a multiple of 32, with zeros where there are none, of some columns.
  void paired(int64_t first, int64_t all, int64_t column, int64_t columns,
              const panels::Panels<panels::Half> &to) const;

 private:
  at::Tensor w_, made_;  // made_ is undefined where nothing is kept
};

// What is kept of a parameter is as old as that, unless who changes the parameter changes it, too.
class Renewal {
 public:
  // Before p, contiguous, changes.
  explicit Renewal(const at::Tensor &p);
  // n numbers of p from one on are now those at p. On any thread.
  void renew(const float *p, int64_t from, int64_t n) const;
  // After all of p has changed, on the thread that began.
  void finish();

 private:
  at::Tensor p_, made_;
};

}  // namespace dense
}  // namespace imori
