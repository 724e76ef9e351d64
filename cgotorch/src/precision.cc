#include "precision.h"

#include <c10/core/GradMode.h>
#include <c10/util/intrusive_ptr.h>

#include <unordered_map>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace imori {
namespace {

thread_local bool bf16 = false;

using Weak = c10::weak_intrusive_ptr<at::TensorImpl, c10::UndefinedTensorImpl>;

struct Copy {
  Weak of;
  uint32_t version;
  at::Tensor copy;
};

thread_local std::unordered_map<const at::TensorImpl *, Copy> copies;

void forget_dead() {
  for (auto i = copies.begin(); i != copies.end();) {
    i = i->second.of.expired() ? copies.erase(i) : std::next(i);
  }
}

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
  c10::NoGradGuard no_grad;
  if (!w.is_leaf() || !w.requires_grad()) return w.detach().to(type);
  at::TensorImpl *impl = w.unsafeGetTensorImpl();
  const uint32_t version = static_cast<uint32_t>(w._version());
  auto found = copies.find(impl);
  if (found != copies.end()) {
    const Copy &c = found->second;  // of w itself: while there is an entry, its address is not used again
    if (c.version == version && c.copy.scalar_type() == type && c.copy.device() == w.device()) {
      return c.copy;
    }
  }
  forget_dead();
  at::Tensor copy = w.detach().to(type);
  copies.insert_or_assign(impl, Copy{Weak(w.getIntrusivePtr()), version, copy});
  return copy;
}

at::Tensor like(const at::Tensor &w, const at::Tensor &x) {
  if (!w.defined()) return w;
  const at::Tensor k = x.scalar_type() == at::kBFloat16 && w.scalar_type() == at::kFloat ? w.to(at::kBFloat16) : w;
  return x.numel() == 0 ? k.contiguous() : k;
}

at::Tensor full(const at::Tensor &x) { return x.defined() && x.scalar_type() == at::kBFloat16 ? x.to(at::kFloat) : x; }

namespace {

Bf16Hardware ask_bf16_hardware() {
#if defined(__x86_64__)
  // The compiler's function asks whether the system saves the registers of AVX-512, too; of AMX's that is oneDNN's
  // business.
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__builtin_cpu_supports("avx512f")) return kNone;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1) != 0) return kAMX;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 5 & 1) != 0) return kAVX512;
#endif
  return kNone;
}

}  // namespace

Bf16Hardware bf16_hardware() {
  static const Bf16Hardware found = ask_bf16_hardware();  // a virtual machine's cpuid takes microseconds
  return found;
}

}  // namespace imori
