#include "precision.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "amx.h"
#include "kept.h"

namespace imori {
namespace {

thread_local bool bf16 = false;

}  // namespace

bool bf16_layers() { return bf16; }

bool set_bf16_layers(bool on) {
  const bool before = bf16;
  bf16 = on;
  return before;
}

at::Tensor layer_input(const at::Tensor &x) { return bf16 && x.scalar_type() == at::kFloat ? x.to(at::kBFloat16) : x; }

at::Tensor copy_in(const at::Tensor &w, at::ScalarType type) {
  if (!w.defined() || w.scalar_type() == type) return w;
  return kept(w, {Making::kCopy, type, 0, 0}, [&] { return w.detach().to(type); });
}

at::Tensor like(const at::Tensor &w, const at::Tensor &x) {
  if (!w.defined()) return w;
  const at::Tensor k = x.scalar_type() == at::kBFloat16 && w.scalar_type() == at::kFloat ? w.to(at::kBFloat16) : w;
  return x.numel() == 0 ? k.contiguous() : k;
}

at::Tensor full(const at::Tensor &x) { return x.defined() && x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x; }

namespace {

// A virtual machine's cpuid takes microseconds.
bool ask_avx512_bf16() {
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  // The compiler's function asks whether the system saves the registers of AVX-512, too.
  return __builtin_cpu_supports("avx512f") && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1) != 0;
#else
  return false;
#endif
}

}  // namespace

bool our_bf16() {
  static const bool has = ask_avx512_bf16();
  return has;
}

Bf16Hardware bf16_hardware() { return amx::available() ? kAMX : our_bf16() ? kAVX512 : kNone; }

}  // namespace imori
