// Matrices and vectors of Winograd's algorithm.
#pragma once

#include <cstdint>

#include "simd.h"

namespace imori {
namespace winograd {

// What runs on CPUs with AVX-512 only; see available. The vectors would take too many of the registers of others.
#if defined(__x86_64__) && defined(__GNUC__)
#define IMORI_AVX512 __attribute__((target("avx512f")))
#else
#define IMORI_AVX512
#endif
#define IMORI_AVX512_INLINED IMORI_AVX512 IMORI_INLINED

constexpr int64_t kVector = 16, kPanel = 2 * kVector;

// May lie anywhere in an array of float.
typedef float Vector __attribute__((vector_size(kVector * sizeof(float)), aligned(sizeof(float)), may_alias));

IMORI_AVX512_INLINED Vector get(const float *p) { return *reinterpret_cast<const Vector *>(p); }
IMORI_AVX512_INLINED void put(float *p, const Vector &v) { *reinterpret_cast<Vector *>(p) = v; }

// A matrix cut into panels of 32 columns, each of which lies row by row: whatever a product reads or writes of it is
// one stretch of memory.
struct Panels {
  float *data;
  int64_t stride;  // rows of a panel, with those between it and the next one

  float *at(int64_t row, int64_t column) const {
    return data + (column / kPanel * stride + row) * kPanel + column % kPanel;
  }
  // The matrix from a column on, a multiple of 32.
  Panels from(int64_t column) const { return {at(0, column), stride}; }
};

// Panels a power of two apart would fall on the same lines of the cache.
inline int64_t stride_for(int64_t rows) { return rows | 1; }
inline int64_t floats_for(int64_t rows, int64_t columns) { return stride_for(rows) * columns; }

}  // namespace winograd
}  // namespace imori
