// A row of squares: n places of c channels, a multiple of 16, below two rows of 2 n places. For each kind of processor;
// see each_cpu.h. No pragma once.

#include "vectors.h"

namespace imori {
namespace IMORI_CPU {
namespace {

using namespace panels::IMORI_CPU;

// Which place of its square is the maximum, of the channels of a vector.
typedef int32_t Places __attribute__((vector_size(kVector * sizeof(int32_t))));
typedef uint8_t Bytes __attribute__((vector_size(kVector), aligned(1), may_alias));

IMORI_FOR_CPU_INLINED Places places(const uint8_t *p) {
  return __builtin_convertvector(*reinterpret_cast<const Bytes *>(p), Places);
}

// A gradient behind a leaky ReLU, by the sign of what came out of that, which is null if there is none.
template <typename T>
IMORI_FOR_CPU_INLINED Vector behind(const Vector &g, const T *y, int64_t at, float slope) {
  return y == nullptr ? g : leaky(g, get(y + at), slope);
}

// A vector of channels at each of the four places of a square.
template <typename T>
struct Square {
  T *at[4];
  Square(T *upper, T *lower, int64_t c) : at{upper, upper + c, lower, lower + c} {}
};

template <typename T>
IMORI_FOR_CPU void max_row(const T *upper, const T *lower, T *y, uint8_t *which, int64_t n, int64_t c, float slope) {
  for (int64_t i = 0; i < n; i++, upper += c, lower += c) {
    for (int64_t j = 0; j < c; j += kVector, upper += kVector, lower += kVector, y += kVector, which += kVector) {
      const Square<const T> from(upper, lower, c);
      Vector most = get(from.at[0]);
      Places place{};
      for (int k = 1; k < 4; k++) {
        const Vector v = get(from.at[k]);
        const auto more = (v > most) | (v != v);
        most = more ? v : most;
        place = more ? Places{} + k : place;
      }
      put(y, slope == 1 ? most : leaky(most, most, slope));
      *reinterpret_cast<Bytes *>(which) = __builtin_convertvector(place, Bytes);
    }
  }
}

// The gradient of each square goes to its maximum.
template <typename T>
IMORI_FOR_CPU void scatter_row(const T *g, const T *y, const uint8_t *which, T *upper, T *lower, int64_t n, int64_t c,
                               float slope) {
  for (int64_t at = 0; at < n * c; upper += c, lower += c) {
    for (int64_t j = 0; j < c; j += kVector, at += kVector, upper += kVector, lower += kVector) {
      const Vector d = behind(get(g + at), y, at, slope);
      const Places place = places(which + at);
      const Square<T> to(upper, lower, c);
      for (int k = 0; k < 4; k++) put(to.at[k], place == k ? d : Vector{});
    }
  }
}

// The transposed of scatter_row.
template <typename T>
IMORI_FOR_CPU void gather_row(const T *upper, const T *lower, const T *y, const uint8_t *which, T *to, int64_t n,
                              int64_t c, float slope) {
  for (int64_t at = 0; at < n * c; upper += c, lower += c) {
    for (int64_t j = 0; j < c; j += kVector, at += kVector, upper += kVector, lower += kVector) {
      const Places place = places(which + at);
      const Square<const T> from(upper, lower, c);
      Vector d = get(from.at[0]);
      for (int k = 1; k < 4; k++) d = place == k ? get(from.at[k]) : d;
      put(to + at, behind(d, y, at, slope));
    }
  }
}

template <typename T>
IMORI_FOR_CPU void sum_row(const T *upper, const T *lower, T *to, int64_t n, int64_t c, float scale) {
  for (int64_t i = 0; i < n; i++, upper += c, lower += c) {
    for (int64_t j = 0; j < c; j += kVector, upper += kVector, lower += kVector, to += kVector) {
      const Square<const T> from(upper, lower, c);
      put(to, ((get(from.at[0]) + get(from.at[1])) + (get(from.at[2]) + get(from.at[3]))) * scale);
    }
  }
}

template <typename T>
IMORI_FOR_CPU void spread_row(const T *from, T *upper, T *lower, int64_t n, int64_t c, float scale) {
  for (int64_t i = 0; i < n; i++, upper += c, lower += c) {
    for (int64_t j = 0; j < c; j += kVector, upper += kVector, lower += kVector, from += kVector) {
      const Vector v = get(from) * scale;
      const Square<T> to(upper, lower, c);
      for (int k = 0; k < 4; k++) put(to.at[k], v);
    }
  }
}

}  // namespace
}  // namespace IMORI_CPU
}  // namespace imori
