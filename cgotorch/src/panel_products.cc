#include "panel_products.h"

#include <algorithm>
#include <vector>

#include "amx.h"
#include "cpu.h"

#define IMORI_EACH_CPU "panel_products_loops.h"
#include "each_cpu.h"

namespace imori {
namespace panels {
namespace {

// By AMX, as far as there are blocks; returns how many rows and inner columns these are.
struct Done {
  int64_t rows, inner;
};
Done multiply_blocks(const Operand<Half> &a, const Panels<Half> &b, const Result &c, int64_t rows, int64_t inner,
                     int64_t columns, bool more) {
  const Done done{rows / 16 * 16, inner / amx::kSide * amx::kSide};
  if (!amx::available() || done.rows == 0 || done.inner == 0) return {0, 0};
  const amx::Tiles tiles;
  std::vector<amx::Factors> factors;
  for (int64_t k = 0; k < done.inner; k += amx::kSide) factors.push_back({a.at(0, k), b.at(k, 0)});
  for (int64_t j = 0; j < columns; j += amx::kSide) {
    for (int64_t i = 0; i < done.rows; i += amx::kSide) {
      tiles.multiply(factors, {i * a.row, b.at(0, j) - b.data},
                     {c.at(i, j), c.row, std::min(amx::kSide, done.rows - i), more}, a.row);
    }
  }
  return done;
}
Done multiply_blocks(const Operand<float> &, const Panels<float> &, const Result &, int64_t, int64_t, int64_t, bool) {
  return {0, 0};
}

template <typename T>
void multiply_rows(const Operand<T> &a, const Panels<T> &b, const Result &c, int64_t first, int64_t last, int64_t from,
                   int64_t inner, int64_t columns, bool more) {
  IMORI_CALL(T, multiply_rows(a, b, c, first, last, from, inner, columns, more));
}

}  // namespace

template <typename T>
void multiply(const Operand<T> &a, const Panels<T> &b, const Result &c, int64_t rows, int64_t inner, int64_t columns,
              bool more) {
  const Done done = multiply_blocks(a, b, c, rows, inner, columns, more);
  if (done.inner > 0 && done.inner < inner) multiply_rows(a, b, c, 0, done.rows, done.inner, inner, columns, true);
  if (done.rows < rows) multiply_rows(a, b, c, done.rows, rows, 0, inner, columns, more);
}

template <typename T>
void multiply_turned(const Panels<T> &a, const Panels<T> &b, const Result &c, int64_t rows, int64_t across,
                     int64_t columns, bool more) {
  IMORI_CALL(T, multiply_turned(a, b, c, rows, across, columns, more));
}

void put_rows(const float *from, int64_t row, float *to, bool past) {
  IMORI_CALL(float, put_rows(from, row, to, past));
}
void put_rows(const float *from, int64_t row, Half *to, bool past) { avx512::put_rows(from, row, to, past); }
void put_rows(const Half *from, int64_t row, Half *to, bool past) { avx512::put_rows(from, row, to, past); }

void spread(const float *from, int64_t n, Half *to, int64_t panel, bool past) {
  avx512::spread(from, n, to, panel, past);
}

void pair(const Panels<Half> &m, int64_t first, int64_t last, int64_t columns) {
  avx512::pair(m, first, last, columns);
}

template <typename T>
void finish(const float *from, T *to, int64_t n, const float *add, float slope) {
  IMORI_CALL(T, finish(from, to, n, add, slope));
}

#define IMORI_PRODUCTS_OF(T)                                                                                      \
  template void multiply(const Operand<T> &, const Panels<T> &, const Result &, int64_t, int64_t, int64_t, bool); \
  template void multiply_turned(const Panels<T> &, const Panels<T> &, const Result &, int64_t, int64_t, int64_t,  \
                                bool);                                                                            \
  template void finish(const float *, T *, int64_t, const float *, float);

IMORI_PRODUCTS_OF(float)
IMORI_PRODUCTS_OF(Half)
#undef IMORI_PRODUCTS_OF

}  // namespace panels
}  // namespace imori
