// Memory for matrices in panels.
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <utility>

#include "panel_products.h"

namespace imori {
namespace panels {

// Lives as long as the matrices are needed.
template <typename T>
class Scratch {
 public:
  // Past libtorch's dispatcher, which takes longer than some of the products.
  explicit Scratch(int64_t numbers)
      : Scratch(at::Tensor(at::detail::empty_cpu({numbers}, c10::CppTypeToScalarType<T>::value))) {}
  // Memory of another one, whose panels are where they were if they are asked for in the same order.
  explicit Scratch(at::Tensor memory) : memory_(std::move(memory)), next_(memory_.data_ptr<T>()) {}

  const at::Tensor &memory() const { return memory_; }
  T *numbers() const { return memory_.data_ptr<T>(); }

  Panels<T> panels(int64_t rows, int64_t columns) {
    const Panels<T> made{next_, stride_for(rows)};
    next_ += numbers_for(rows, columns);
    return made;
  }

 private:
  at::Tensor memory_;
  T *next_;
};

inline int64_t rounded(int64_t n, int64_t to = kRows) { return (n + to - 1) / to * to; }

// Rows that nobody fills, but products read.
template <typename T>
void clear(const Panels<T> &m, int64_t first, int64_t last, int64_t columns) {
  for (int64_t c = 0; c < columns; c += kPanel) std::fill(m.at(first, c), m.at(last, c), T(0));
}

}  // namespace panels
}  // namespace imori
