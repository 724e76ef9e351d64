// What follows is for processors with AVX-512; see each_cpu.h. No pragma once.
#undef IMORI_CPU
#undef IMORI_VECTOR
#undef IMORI_HALVES
#undef IMORI_FOR_CPU
#undef IMORI_FOR_CPU_INLINED

#define IMORI_CPU avx512
#define IMORI_VECTOR 16  // numbers of float32
#define IMORI_HALVES 1   // there may be instructions for bfloat16; see our_bf16
#if defined(__x86_64__) && defined(__GNUC__)
#define IMORI_FOR_CPU __attribute__((target("avx512f")))
#else
#define IMORI_FOR_CPU
#endif
#define IMORI_FOR_CPU_INLINED IMORI_FOR_CPU IMORI_INLINED
