// Loops that the compiler makes in several versions, of which the program takes the one that fits the CPU it runs on.
#pragma once

#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

// Put before a function, which must not be a template. What it calls must be INLINED to be versioned with it. Version 4
// of x86-64 is AVX-512 with instructions for numbers of 16 bits, without which those of bfloat16 are rounded at a third
// of the speed. Who names a processor to the compiler wants its version alone.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__AVX2__)
#if __GNUC__ >= 12
#define IMORI_VERSIONED __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define IMORI_VERSIONED __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define IMORI_VERSIONED
#endif
#define IMORI_INLINED inline __attribute__((always_inline))

namespace imori {

// Whether at::parallel_for, most of which is in a header, has threads here. Where it has not, libtorch's own loops are
// better than ours.
#ifdef _OPENMP
constexpr bool kThreads = true;
#else
constexpr bool kThreads = false;
#endif

IMORI_INLINED float load(const float *p) { return *p; }
IMORI_INLINED float load(const c10::BFloat16 *p) {
  const uint32_t bits = static_cast<uint32_t>(p->x) << 16;
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

IMORI_INLINED void store(float *p, float v) { *p = v; }
// To the nearest, of two the even one; NaN stays NaN. Without branches, which would keep the loop from being
// vectorised.
IMORI_INLINED void store(c10::BFloat16 *p, float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  const uint32_t nan = -static_cast<uint32_t>((bits & 0x7fffffffu) > 0x7f800000u);
  p->x = static_cast<uint16_t>((rounded & ~nan) | (0x7fc0u & nan));
}

}  // namespace imori
