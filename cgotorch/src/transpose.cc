#include "transpose.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "simd.h"

namespace imori {
namespace {

// The least that is turned in registers, and what fills the lines of the cache on both sides.
constexpr int64_t kBlock = 8, kTile = 2 * kBlock;

typedef float Row __attribute__((vector_size(kBlock * sizeof(float))));

#ifdef __clang__
#define IMORI_RIFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int Places __attribute__((vector_size(kBlock * sizeof(int))));
#define IMORI_RIFFLE(a, b, ...) __builtin_shuffle(a, b, Places{__VA_ARGS__})
#endif

// Numbers the elements of 8 rows of 8 from 0 to 63. Riffling the two halves of such a deck moves an element whose
// number has the bits abcdef to bcdefa; three times, and the bits of row and column have changed places.
IMORI_INLINED void turn_block(float *__restrict to, int64_t to_row, const float *__restrict from, int64_t from_row,
                              const float *__restrict bias) {
  Row rows[kBlock], riffled[kBlock], add{};
  for (int64_t i = 0; i < kBlock; i++) std::memcpy(&rows[i], from + i * from_row, sizeof(Row));
  for (int times = 0; times < 3; times++) {
    for (int64_t i = 0; i < kBlock / 2; i++) {
      riffled[2 * i] = IMORI_RIFFLE(rows[i], rows[i + kBlock / 2], 0, 8, 1, 9, 2, 10, 3, 11);
      riffled[2 * i + 1] = IMORI_RIFFLE(rows[i], rows[i + kBlock / 2], 4, 12, 5, 13, 6, 14, 7, 15);
    }
    for (int64_t i = 0; i < kBlock; i++) rows[i] = riffled[i];
  }
  if (bias != nullptr) std::memcpy(&add, bias, sizeof(Row));
  for (int64_t i = 0; i < kBlock; i++) {
    if (bias != nullptr) rows[i] += add;
    std::memcpy(to + i * to_row, &rows[i], sizeof(Row));
  }
}

// Columns first to last of a matrix become rows of another.
IMORI_VERSIONED void turn(float *__restrict to, const float *__restrict from, int64_t from_row, int64_t rows,
                          int64_t first, int64_t last, const float *__restrict bias) {
  for (int64_t c = first; c < last; c += kTile) {
    for (int64_t r = 0; r < rows; r += kTile) {
      if (r + kTile <= rows && c + kTile <= last) {
        for (int64_t i = 0; i < kTile; i += kBlock) {
          for (int64_t j = 0; j < kTile; j += kBlock) {
            turn_block(to + (c + j) * rows + r + i, rows, from + (r + i) * from_row + c + j, from_row,
                       bias == nullptr ? nullptr : bias + r + i);
          }
        }
        continue;
      }
      for (int64_t j = c; j < std::min(c + kTile, last); j++) {
        for (int64_t i = r; i < std::min(r + kTile, rows); i++) {
          const float *at = from + i * from_row + j;
          if (bias == nullptr) {
            std::memcpy(to + j * rows + i, at, sizeof(float));  // it may be two numbers of bfloat16
          } else {
            to[j * rows + i] = *at + bias[i];
          }
        }
      }
    }
  }
}

}  // namespace

void transpose_block(float *to, const float *from, int64_t row, int64_t rows, int64_t columns) {
  turn(to, from, row, rows, 0, columns, nullptr);
}

at::Tensor transpose(const at::Tensor &m, const at::Tensor &bias) {
  const int64_t rows = m.size(0), columns = m.size(1);
  at::Tensor out = at::empty({columns, rows}, m.options());
  const at::Tensor add = bias.defined() ? bias.contiguous() : bias;
  const int64_t tiles = (columns + kTile - 1) / kTile, grain = std::max<int64_t>(1, (1 << 14) / (kTile * rows));
  at::parallel_for(0, tiles, grain, [&](int64_t first, int64_t last) {
    turn(out.data_ptr<float>(), m.data_ptr<float>(), m.stride(0), rows, first * kTile, std::min(last * kTile, columns),
         add.defined() ? add.data_ptr<float>() : nullptr);
  });
  return out;
}

}  // namespace imori
