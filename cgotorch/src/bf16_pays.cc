#include <algorithm>
#include <chrono>

#include "amx.h"
#include "precision.h"

namespace imori {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)

#define IMORI_REGISTERS                                                                                               \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
      "xmm14", "xmm15"

// Twelve sums keep all multipliers of a processor busy.
#define IMORI_TWELVE(op)                                                                                   \
  asm volatile(".irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11\n" op " %%zmm12, %%zmm13, %%zmm\\i\n.endr" :: \
                   : IMORI_REGISTERS)

constexpr int kTurns = 500;

void sums_of_float() {
  for (int i = 0; i < kTurns; i++) IMORI_TWELVE("vfmadd231ps");
}
void sums_of_bf16() {
  for (int i = 0; i < kTurns; i++) IMORI_TWELVE("vdpbf16ps");
}

std::chrono::nanoseconds time_of(void (*sums)()) {
  asm volatile("vzeroall" ::: IMORI_REGISTERS);
  const auto start = std::chrono::steady_clock::now();
  sums();
  const auto took = std::chrono::steady_clock::now() - start;
  asm volatile("vzeroupper");
  return took;
}

// Of bfloat16 an instruction adds up two products for a sum, of float32 one. EPYCs make as many of the former, Xeons
// half as many.
bool measure() {
  auto of_float = std::chrono::nanoseconds::max(), of_bf16 = of_float;
  for (int i = 0; i < 20; i++) {  // processors are slow at first, and other programs come between
    of_float = std::min(of_float, time_of(sums_of_float));
    of_bf16 = std::min(of_bf16, time_of(sums_of_bf16));
  }
  return 2 * of_bf16 < 3 * of_float;
}

#else

bool measure() { return false; }

#endif

}  // namespace

bool bf16_pays() {
  if (amx::available()) return true;
  static const bool fast = our_bf16() && measure();
  return fast;
}

}  // namespace imori
