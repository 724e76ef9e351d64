// Stores past the caches, for each kind of processor; see each_cpu.h. No pragma once.

#include <cstdint>
#include <cstring>

#include "apart.h"
#include "vectors.h"

namespace imori {
namespace IMORI_CPU {
namespace {

using panels::IMORI_CPU::Bits;

IMORI_FOR_CPU void write_lines(char *to, const char *from, int64_t lines) {
  constexpr int64_t kBytes = sizeof(Bits);
  for (int64_t i = 0; i < lines * kLine; i += kBytes) {
    Bits bits;
    std::memcpy(&bits, from + i, kBytes);
    panels::IMORI_CPU::put_bits(to + i, bits, true);
  }
}

IMORI_FOR_CPU void fill_lines(float *to, int64_t lines, uint32_t number, bool past) {
  const Bits bits = number - Bits{};
  for (int64_t i = 0; i < lines * kLine / int64_t{sizeof(float)}; i += panels::IMORI_CPU::kVector) {
    panels::IMORI_CPU::put_bits(to + i, bits, past);
  }
}

}  // namespace
}  // namespace IMORI_CPU
}  // namespace imori
