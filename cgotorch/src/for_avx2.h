// What follows is for processors with AVX2 and FMA; see each_cpu.h. No pragma once.
#undef IMORI_CPU
#undef IMORI_VECTOR
#undef IMORI_HALVES
#undef IMORI_FOR_CPU
#undef IMORI_FOR_CPU_INLINED

#define IMORI_CPU avx2
#define IMORI_VECTOR 8
#define IMORI_HALVES 0
#if defined(__x86_64__) && defined(__GNUC__)
#define IMORI_FOR_CPU __attribute__((target("avx2,fma")))
#else
#define IMORI_FOR_CPU
#endif
#define IMORI_FOR_CPU_INLINED IMORI_FOR_CPU IMORI_INLINED
