// Matrices cut into panels, and vectors of their numbers.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

#include "simd.h"

namespace imori {
namespace panels {

// What runs on CPUs with AVX-512 only; see has_avx512. The vectors would take too many of the registers of others.
#if defined(__x86_64__) && defined(__GNUC__)
#define IMORI_AVX512 __attribute__((target("avx512f")))
#else
#define IMORI_AVX512
#endif
#define IMORI_AVX512_INLINED IMORI_AVX512 IMORI_INLINED

inline bool has_avx512() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool has = __builtin_cpu_supports("avx512f");
  return kThreads && has;
#else
  return false;
#endif
}

constexpr int64_t kVector = 16, kPanel = 2 * kVector;

// May lie anywhere in an array of float.
typedef float Vector __attribute__((vector_size(kVector * sizeof(float)), aligned(sizeof(float)), may_alias));

// As many numbers of bfloat16, which are the upper halves of those of float32.
using Half = c10::BFloat16;
typedef uint16_t Halves __attribute__((vector_size(kVector * sizeof(uint16_t)), aligned(sizeof(uint16_t)), may_alias));
typedef uint32_t Bits __attribute__((vector_size(kVector * sizeof(uint32_t))));

IMORI_AVX512_INLINED Vector get(const float *p) { return *reinterpret_cast<const Vector *>(p); }
IMORI_AVX512_INLINED void put(float *p, const Vector &v) { *reinterpret_cast<Vector *>(p) = v; }

// Instructions by their names: of the loop, gcc makes several; and what may use those of bfloat16 by itself could not
// be inlined where there is only AVX-512.
IMORI_AVX512_INLINED Bits widened(const Half *p) {
  const Halves halves = *reinterpret_cast<const Halves *>(p);
#ifdef __x86_64__
  Bits bits;
  asm("vpmovzxwd %1, %0" : "=v"(bits) : "vm"(halves));
  return bits;
#else
  return __builtin_convertvector(halves, Bits);
#endif
}

IMORI_AVX512_INLINED Vector get(const Half *p) { return reinterpret_cast<Vector>(widened(p) << 16); }
// Rounds to the nearest, of two the even one. On x86 only where our_bf16().
IMORI_AVX512_INLINED void put(Half *p, const Vector &v) {
#ifdef __x86_64__
  typedef uint16_t Rounded __attribute__((vector_size(kVector * sizeof(uint16_t))));
  Rounded rounded;
  asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(v));
  *reinterpret_cast<Halves *>(p) = rounded;
#else
  for (int64_t i = 0; i < kVector; i++) store(p + i, v[i]);
#endif
}

// What fills a line of the cache, from whose beginning `to` must be if it goes past the caches; see apart.h.
IMORI_AVX512_INLINED void put_line(void *to, const Bits &line, bool past) {
#ifdef __x86_64__
  if (past) {
    asm volatile("vmovntdq %1, %0" : "=m"(*static_cast<Bits *>(to)) : "v"(line));
    return;
  }
#else
  static_cast<void>(past);
#endif
  std::memcpy(to, &line, sizeof line);
}

// As many numbers as fill a vector's memory, where they need not be in their order: 16 of float32 are v[0]; of 32 of
// bfloat16 the even ones are v[0] and the odd ones v[odd], which takes half of the instructions.
template <typename T>
constexpr int kApart = sizeof(float) / sizeof(T);

IMORI_AVX512_INLINED void take_apart(const float *p, Vector *v, int64_t) { *v = get(p); }
IMORI_AVX512_INLINED void put_together(float *p, const Vector *v, int64_t) { put(p, *v); }

#ifdef __x86_64__
IMORI_AVX512_INLINED void take_apart(const Half *p, Vector *v, int64_t odd) {
  typedef uint32_t Anywhere __attribute__((vector_size(sizeof(Bits)), aligned(sizeof(Half)), may_alias));
  const Bits pairs = *reinterpret_cast<const Anywhere *>(p);
  v[0] = reinterpret_cast<Vector>(pairs << 16);
  v[odd] = reinterpret_cast<Vector>(pairs & ~Bits{} << 16);
}
IMORI_AVX512_INLINED void put_together(Half *p, const Vector *v, int64_t odd) {
  typedef uint16_t Rounded __attribute__((vector_size(2 * kVector * sizeof(uint16_t))));
  typedef uint16_t Anywhere __attribute__((vector_size(sizeof(Rounded)), aligned(sizeof(Half)), may_alias));
  constexpr Rounded kInTurn{0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                            8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  Rounded halves, turns;
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(halves) : "v"(v[odd]), "v"(v[0]));
  asm("vpermw %1, %2, %0" : "=v"(turns) : "v"(halves), "v"(kInTurn));
  *reinterpret_cast<Anywhere *>(p) = turns;
}
#else
inline void take_apart(const Half *p, Vector *v, int64_t odd) {
  for (int64_t i = 0; i < kVector; i++) v[0][i] = load(p + 2 * i), v[odd][i] = load(p + 2 * i + 1);
}
inline void put_together(Half *p, const Vector *v, int64_t odd) {
  for (int64_t i = 0; i < kVector; i++) store(p + 2 * i, v[0][i]), store(p + 2 * i + 1, v[odd][i]);
}
#endif

// v behind a leaky ReLU, or a gradient, by the sign of what goes in or comes out. Infinity times 0 would be no number.
IMORI_AVX512_INLINED Vector leaky(const Vector &v, const Vector &sign, float slope) {
  return sign <= 0 ? (slope == 0 ? Vector{} : v * slope) : v;
}

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
