// Vectors of numbers, for each kind of processor; see each_cpu.h. No pragma once.

#include <cstdint>
#include <cstring>

#include "panels.h"
#include "simd.h"

namespace imori {
namespace panels {
namespace IMORI_CPU {

constexpr int64_t kVector = IMORI_VECTOR;

// May lie anywhere in an array of float.
typedef float Vector __attribute__((vector_size(kVector * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef uint32_t Bits __attribute__((vector_size(kVector * sizeof(uint32_t))));

IMORI_FOR_CPU_INLINED Vector get(const float *p) { return *reinterpret_cast<const Vector *>(p); }
IMORI_FOR_CPU_INLINED void put(float *p, const Vector &v) { *reinterpret_cast<Vector *>(p) = v; }

// A vector's memory, which must be aligned to its size if it goes past the caches; see apart.h.
IMORI_FOR_CPU_INLINED void put_bits(void *to, const Bits &bits, bool past) {
#ifdef __x86_64__
  if (past) {
    asm volatile("vmovntdq %1, %0" : "=m"(*static_cast<Bits *>(to)) : "v"(bits));
    return;
  }
#else
  static_cast<void>(past);
#endif
  std::memcpy(to, &bits, sizeof bits);
}

// v behind a leaky ReLU, or a gradient, by the sign of what goes in or comes out. Infinity times 0 would be no number.
IMORI_FOR_CPU_INLINED Vector leaky(const Vector &v, const Vector &sign, float slope) {
  return sign <= 0 ? (slope == 0 ? Vector{} : v * slope) : v;
}

// As many numbers as fill a vector's memory, where they need not be in their order: those of float32 are v[0]; of twice
// as many of bfloat16 the even ones are v[0] and the odd ones v[odd], which takes half of the instructions.
template <typename T>
constexpr int kApart = sizeof(float) / sizeof(T);

IMORI_FOR_CPU_INLINED void take_apart(const float *p, Vector *v, int64_t) { *v = get(p); }
IMORI_FOR_CPU_INLINED void put_together(float *p, const Vector *v, int64_t) { put(p, *v); }

#if IMORI_HALVES

typedef uint16_t Halves __attribute__((vector_size(kVector * sizeof(uint16_t)), aligned(sizeof(uint16_t)), may_alias));

// Instructions by their names: of the loop, gcc makes several; and what may use those of bfloat16 by itself could not
// be inlined where there is only AVX-512.
IMORI_FOR_CPU_INLINED Bits widened(const Half *p) {
  const Halves halves = *reinterpret_cast<const Halves *>(p);
#ifdef __x86_64__
  Bits bits;
  asm("vpmovzxwd %1, %0" : "=v"(bits) : "vm"(halves));
  return bits;
#else
  return __builtin_convertvector(halves, Bits);
#endif
}

IMORI_FOR_CPU_INLINED Vector get(const Half *p) { return reinterpret_cast<Vector>(widened(p) << 16); }
// Rounds to the nearest, of two the even one. On x86 only where our_bf16().
IMORI_FOR_CPU_INLINED void put(Half *p, const Vector &v) {
#ifdef __x86_64__
  typedef uint16_t Rounded __attribute__((vector_size(kVector * sizeof(uint16_t))));
  Rounded rounded;
  asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(v));
  *reinterpret_cast<Halves *>(p) = rounded;
#else
  for (int64_t i = 0; i < kVector; i++) store(p + i, v[i]);
#endif
}

#ifdef __x86_64__
typedef uint16_t Line __attribute__((vector_size(2 * kVector * sizeof(uint16_t))));

// Two vectors, rounded as put does, one behind the other.
IMORI_FOR_CPU_INLINED Line halves_of(const Vector &first, const Vector &second) {
  Line line;
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(line) : "v"(second), "v"(first));
  return line;
}
IMORI_FOR_CPU_INLINED void take_apart(const Half *p, Vector *v, int64_t odd) {
  typedef uint32_t Anywhere __attribute__((vector_size(sizeof(Bits)), aligned(sizeof(Half)), may_alias));
  const Bits pairs = *reinterpret_cast<const Anywhere *>(p);
  v[0] = reinterpret_cast<Vector>(pairs << 16);
  v[odd] = reinterpret_cast<Vector>(pairs & ~Bits{} << 16);
}
IMORI_FOR_CPU_INLINED void put_together(Half *p, const Vector *v, int64_t odd) {
  typedef uint16_t Anywhere __attribute__((vector_size(sizeof(Line)), aligned(sizeof(Half)), may_alias));
  constexpr Line kInTurn{0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                         8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  Line turns;
  asm("vpermw %1, %2, %0" : "=v"(turns) : "v"(halves_of(v[0], v[odd])), "v"(kInTurn));
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

#endif  // IMORI_HALVES

}  // namespace IMORI_CPU
}  // namespace panels
}  // namespace imori
