// Products of matrices in panels, on one thread. Those of bfloat16 are AMX's where there is one, for all rows but 8 at
// the end, and round otherwise there: how rows are cut must not depend on the number of threads.
#pragma once

#include "panels.h"

namespace imori {
namespace panels {

// Those of Half run only where our_bf16().

// Products have a multiple of so many rows.
constexpr int64_t kRows = 8;

// Where a product goes: 32 columns of a row lie side by side.
struct Result {
  float *data;
  int64_t row, panel;  // from a row to the next one, from 32 columns to the next ones

  Result(const Panels<float> &p) : data(p.data), row(kPanel), panel(p.stride * kPanel) {}
  Result(float *rows, int64_t length) : data(rows), row(length), panel(kPanel) {}  // no panels: rows of that length

  float *at(int64_t i, int64_t column) const { return data + i * row + column / kPanel * panel + column % kPanel; }
};

// The left side of a product, which is read row by row: panels, or plain rows.
template <typename T>
struct Operand {
  const T *data;
  int64_t row, panel;  // as in Result
  bool far = false;    // not in a cache of the core's own: products by vectors fetch it ahead

  Operand(const Panels<T> &p) : data(p.data), row(kPanel), panel(p.stride * kPanel) {}
  Operand(const T *rows, int64_t length) : data(rows), row(length), panel(kPanel) {}

  const T *at(int64_t i, int64_t column) const { return data + i * row + column / kPanel * panel + column % kPanel; }
};

// c = a b, or c += a b, for rows (a multiple of kRows) of a and c, inner columns of a (even for Half), and columns (a
// multiple of 32) of b. Rows of b are paired.
template <typename T>
void multiply(const Operand<T> &a, const Panels<T> &b, const Result &c, int64_t rows, int64_t inner, int64_t columns,
              bool more = false);

// c = a^T b, or c += a^T b, for rows of a and b, which are paired; across, a multiple of kRows, and columns, one of 32,
// are how many columns of theirs.
template <typename T>
void multiply_turned(const Panels<T> &a, const Panels<T> &b, const Result &c, int64_t rows, int64_t across,
                     int64_t columns, bool more);

// In bfloat16 the processor multiplies two numbers by two others at once, and adds both: it wants those of two rows,
// the first of which is even, side by side. In float32 a pair of rows is just these. All counts of rows are even.
inline void pair(const Panels<float> &, int64_t, int64_t, int64_t) {}
void pair(const Panels<Half> &m, int64_t first, int64_t last, int64_t columns);

// 32 numbers of a row, and of the next one where rows are paired, side by side as pair leaves them; past the caches if
// that is told.
void put_rows(const float *from, int64_t row, float *to, bool past);
void put_rows(const float *from, int64_t row, Half *to, bool past);
void put_rows(const Half *from, int64_t row, Half *to, bool past);

// n numbers of a row, a multiple of 32, rounded; each 32 of them go `panel` numbers behind the ones before. Past the
// caches if that is told: then `to` begins a line of the cache.
void spread(const float *from, int64_t n, Half *to, int64_t panel, bool past);

// The leaky ReLU of n numbers, a multiple of 16, to which others are added, if there are any; slope 1 is none.
template <typename T>
void finish(const float *from, T *to, int64_t n, const float *add = nullptr, float slope = 1);

}  // namespace panels
}  // namespace imori
