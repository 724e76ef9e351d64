// Matrices cut into panels.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>

namespace imori {
namespace panels {

constexpr int64_t kPanel = 32;

// Numbers of bfloat16, which are the upper halves of those of float32.
using Half = c10::BFloat16;

// A matrix cut into panels of 32 columns, each of which lies row by row: whatever a product reads or writes of it is
// one stretch of memory.
template <typename T>
struct Panels {
  T *data;
  int64_t stride;  // rows of a panel, with those between it and the next one

  T *at(int64_t row, int64_t column) const {
    return data + (column / kPanel * stride + row) * kPanel + column % kPanel;
  }
  // The matrix from a column on, a multiple of 32.
  Panels from(int64_t column) const { return {at(0, column), stride}; }
};

// Panels a power of two apart would fall on the same lines of the cache.
inline int64_t stride_for(int64_t rows) { return rows | 1; }
inline int64_t numbers_for(int64_t rows, int64_t columns) { return stride_for(rows) * columns; }

}  // namespace panels
}  // namespace imori
