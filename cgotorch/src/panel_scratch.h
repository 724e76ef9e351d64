// Memory for matrices in panels.
#pragma once

#include <ATen/EmptyTensor.h>
#include <ATen/core/Tensor.h>
#include <c10/core/Allocator.h>

#include <algorithm>
#include <utility>

#include "panel_products.h"

namespace imori {
namespace panels {

// Memory that a thread uses over and over. Threads that work on parts of one operation would wait for each other in
// malloc, and the kernel wake them.
class Lent {
 public:
  explicit Lent(size_t bytes);
  ~Lent();
  Lent(const Lent &) = delete;
  Lent &operator=(const Lent &) = delete;

  void *data() const { return memory_.get(); }

 private:
  size_t bytes_;
  at::DataPtr memory_;
};

// Memory for what is kept. Past libtorch's dispatcher, which takes longer than some of the products.
template <typename T>
at::Tensor lasting(int64_t numbers) {
  return at::Tensor(at::detail::empty_cpu({numbers}, c10::CppTypeToScalarType<T>::value));
}

// Deals out memory for matrices, one behind the other.
template <typename T>
class Room {
 public:
  // Of memory that was dealt out before, matrices are where they were if they are asked for in the same order.
  explicit Room(const at::Tensor &memory) : Room(memory.data_ptr<T>()) {}
  explicit Room(at::Tensor &&) = delete;  // it must outlive the room

  T *numbers() const { return first_; }

  Panels<T> panels(int64_t rows, int64_t columns) {
    const Panels<T> made{next_, stride_for(rows)};
    next_ += numbers_for(rows, columns);
    return made;
  }

 protected:
  explicit Room(T *first) : first_(first), next_(first) {}

 private:
  T *first_, *next_;
};

// Memory of its own for as long as it lives.
template <typename T>
class Scratch : Lent, public Room<T> {
 public:
  explicit Scratch(int64_t numbers)
      : Lent(static_cast<size_t>(numbers) * sizeof(T)), Room<T>(static_cast<T *>(data())) {}
};

inline int64_t rounded(int64_t n, int64_t to = kRows) { return (n + to - 1) / to * to; }

// Rows that nobody fills, but products read.
template <typename T>
void clear(const Panels<T> &m, int64_t first, int64_t last, int64_t columns) {
  for (int64_t c = 0; c < columns; c += kPanel) std::fill(m.at(first, c), m.at(last, c), T(0));
}

}  // namespace panels
}  // namespace imori
