// From plain rows to panels.
#pragma once

#include <algorithm>

#include "apart.h"
#include "panel_scratch.h"
#include "transpose.h"

namespace imori {
namespace panels {

// How many rows a pair of them is.
template <typename T>
constexpr int64_t kTogether = sizeof(float) / sizeof(T);

// A stretch of a row, of 32 numbers at most, and zeros behind it to fill the panel.
template <typename T>
void copy(const T *from, int64_t n, T *to) {
  std::copy_n(from, n, to);
  std::fill(to + n, to + kPanel, T(0));
}
inline void copy(const float *from, int64_t n, Half *to) {
  if (n == kPanel) return finish(from, to, kPanel);
  float padded[kPanel] = {};
  std::copy_n(from, n, padded);
  finish(padded, to, kPanel);
}

// The processor does not foresee such short stretches. So many rows ahead is soon enough for memory.
template <typename From>
void fetch_ahead(const From *from, int64_t row) {
  for (int64_t i = 0; i < kPanel; i += 64 / int64_t{sizeof(From)}) __builtin_prefetch(from + i + 8 * row);
}

// Rows that are `row` numbers apart, in panels, and zeros behind them up to `all` rows.
template <typename From, typename T>
void copy(const From *from, int64_t row, int64_t rows, int64_t columns, const Panels<T> &to, int64_t all) {
  for (int64_t i = 0; i < rows; i++, from += row) {
    for (int64_t c = 0; c < columns; c += kPanel) {
      fetch_ahead(from + c, row);
      copy(from + c, std::min(kPanel, columns - c), to.at(i, c));
    }
  }
  clear(to, rows, all, columns);
}

// The same with rows paired; past the caches if that is told, for what other threads read.
template <typename From, typename T>
void copy_paired(const From *from, int64_t row, int64_t rows, int64_t columns, const Panels<T> &to, int64_t all,
                 bool past = false) {
  constexpr int64_t kRowsOfPair = kTogether<T>;
  for (int64_t i = 0; i < rows; i += kRowsOfPair, from += kRowsOfPair * row) {
    for (int64_t c = 0; c < columns; c += kPanel) {
      for (int64_t r = 0; r < kRowsOfPair; r++) fetch_ahead(from + r * row + c, row);
      const int64_t n = std::min(kPanel, columns - c), there = std::min(kRowsOfPair, rows - i);
      if (n == kPanel && there == kRowsOfPair) {
        put_rows(from + c, row, to.at(i, c), past);
        continue;
      }
      From padded[kRowsOfPair * kPanel] = {};
      for (int64_t r = 0; r < there; r++) std::copy_n(from + r * row + c, n, padded + r * kPanel);
      put_rows(padded, kPanel, to.at(i, c), past);
    }
  }
  clear(to, rounded(rows, kRowsOfPair), all, columns);
  if (past) settle();
}

// The transposed of rows, a multiple of 32 of them, with its own rows paired: two numbers of bfloat16 change places as
// one of float32 does, so row and columns are even in that type.
template <typename T>
void turn(const T *from, int64_t row, int64_t rows, int64_t columns, const Panels<T> &to) {
  for (int64_t r = 0; r < rows; r += kPanel) {
    transpose_block(reinterpret_cast<float *>(to.at(0, r)), reinterpret_cast<const float *>(from + r * row),
                    row / kTogether<T>, kPanel, columns / kTogether<T>);
  }
}

}  // namespace panels
}  // namespace imori
