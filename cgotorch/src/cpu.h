// The processors that there are kernels for, beside libtorch's.
#pragma once

#include <atomic>
#include <type_traits>

#include "simd.h"

namespace imori {

inline bool has_avx512() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool has = __builtin_cpu_supports("avx512f");
  return kThreads && has;
#else
  return false;
#endif
}

// Whether there are kernels of float32 for this processor: it has AVX-512, or AVX2 and FMA. Those of bfloat16 need
// more; see our_bf16.
inline bool has_kernels() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has_avx512() || (kThreads && has);
#else
  return false;
#endif
}

// Whether layers' kernels of float32 are those for AVX-512; tests turn that off to have the others.
inline std::atomic<bool> avx512_used{true};
inline bool uses_avx512() { return has_avx512() && avx512_used.load(std::memory_order_relaxed); }

// Where there are kernels, returns what this processor's function does with numbers of type T; see each_cpu.h.
#define IMORI_CALL(T, call)                   \
  do {                                        \
    if constexpr (std::is_same_v<T, float>) { \
      if (!uses_avx512()) return avx2::call;  \
    }                                         \
    return avx512::call;                      \
  } while (false)

}  // namespace imori
