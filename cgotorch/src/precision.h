// The type that layers with weights compute in: the weights' own, or bfloat16, to which they are rounded.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// Whether layers with weights compute in bfloat16 on this thread. Weights stay as they are, float32; sums and losses
// are made in float32.
bool bf16_layers();
bool set_bf16_layers(bool on);  // returns what it was

// x for a layer with weights: in bfloat16 if that is on and x is float32. Differentiable.
at::Tensor layer_input(const at::Tensor &x);

// w in a type, outside of autograd; see kept.
at::Tensor copy_in(const at::Tensor &w, at::ScalarType type);

// A weight as libtorch's own functions take it: they want one type and, for no maps at all, no channels last.
// Differentiable.
at::Tensor like(const at::Tensor &w, const at::Tensor &x);

// t as an argument of an autograd function, which takes no undefined tensors.
inline c10::optional<at::Tensor> given(const at::Tensor &t) {
  return t.defined() ? c10::make_optional(t) : c10::nullopt;
}

// x in float32 if it is bfloat16, for what must not be rounded so coarsely. Differentiable.
at::Tensor full(const at::Tensor &x);

// What the CPU multiplies bfloat16 with.
enum Bf16Hardware { kNone = 0, kAVX512 = 1, kAMX = 2 };
Bf16Hardware bf16_hardware();
// Whether it makes more products of bfloat16 than of float32 in a second: AMX does, AVX-512 as is measured once.
bool bf16_pays();

// Whether our own products take bfloat16: on CPUs that have AVX-512's instructions for that type.
bool our_bf16();

// Whether they take a type, on CPUs that there are kernels for.
inline bool our_type(at::ScalarType type) { return type == at::kFloat || (type == at::kBFloat16 && our_bf16()); }

}  // namespace imori
