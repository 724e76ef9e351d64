#include "winograd_products.h"

#include <algorithm>

namespace imori {
namespace winograd {
namespace {

// Two vectors of each of 8 rows of a product: enough to keep the processor's multipliers busy, while each number that
// is loaded is used at least twice.
struct Block {
  Vector v[kRows][2];
};

IMORI_AVX512_INLINED void add(Block &sum, const float *a, int64_t a_step, const float *b) {
  const Vector b0 = get(b), b1 = get(b + kVector);
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; r++) {
    const float x = a[r * a_step];
    sum.v[r][0] += x * b0;
    sum.v[r][1] += x * b1;
  }
}

IMORI_AVX512_INLINED void fetch(Block &sum, const float *c) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; r++) {
    sum.v[r][0] = get(c + r * kPanel);
    sum.v[r][1] = get(c + r * kPanel + kVector);
  }
}

IMORI_AVX512_INLINED void leave(const Block &sum, float *c) {
#pragma GCC unroll 8
  for (int64_t r = 0; r < kRows; r++) {
    put(c + r * kPanel, sum.v[r][0]);
    put(c + r * kPanel + kVector, sum.v[r][1]);
  }
}

}  // namespace

IMORI_AVX512 void multiply(const Panels &a, const Panels &b, const Panels &c, int64_t rows, int64_t inner,
                           int64_t columns) {
  for (int64_t j = 0; j < columns; j += kPanel) {
    for (int64_t i = 0; i < rows; i += kRows) {
      Block sum{};
      const float *of_b = b.at(0, j);
      for (int64_t panel = 0; panel < inner; panel += kPanel) {
        const float *of_a = a.at(i, panel);
        for (int64_t k = 0; k < kPanel; k++, of_b += kPanel) add(sum, of_a + k, kPanel, of_b);
      }
      leave(sum, c.at(i, j));
    }
  }
}

IMORI_AVX512 void multiply_turned(const Panels &a, const Panels &b, const Panels &c, int64_t rows, int64_t across,
                                  int64_t columns, bool more) {
  constexpr int64_t kChunk = 256;  // rows of b that stay in the first cache
  for (int64_t first = 0; first < rows; first += kChunk) {
    const int64_t last = std::min(first + kChunk, rows);
    for (int64_t j = 0; j < columns; j += kPanel) {
      for (int64_t i = 0; i < across; i += kRows) {
        Block sum{};
        if (more || first > 0) fetch(sum, c.at(i, j));
        const float *of_a = a.at(first, i), *of_b = b.at(first, j);
        for (int64_t t = first; t < last; t++, of_a += kPanel, of_b += kPanel) add(sum, of_a, 1, of_b);
        leave(sum, c.at(i, j));
      }
    }
  }
}

}  // namespace winograd
}  // namespace imori
