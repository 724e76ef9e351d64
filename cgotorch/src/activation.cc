#include "activation.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/leaky_relu_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "conv.h"
#include "simd.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// v, or slope times v where sign is not above 0. Infinity times 0 would be no number; and what is no number has, as in
// libtorch, a gradient with the slope behind it, or with 1 behind ReLU.
template <typename T>
IMORI_INLINED void by_sign_of(const T *__restrict v, const T *__restrict sign, T *__restrict to, int64_t n,
                              float slope) {
  for (int64_t i = 0; i < n; i++) {
    const float from = load(v + i), by = load(sign + i);
    store(to + i, slope == 0 ? (by <= 0 ? 0 : from) : (by > 0 ? from : slope * from));
  }
}

IMORI_VERSIONED void by_sign_loop(const float *v, const float *sign, float *to, int64_t n, float slope) {
  by_sign_of(v, sign, to, n, slope);
}
IMORI_VERSIONED void by_sign_loop(const c10::BFloat16 *v, const c10::BFloat16 *sign, c10::BFloat16 *to, int64_t n,
                                  float slope) {
  by_sign_of(v, sign, to, n, slope);
}

template <typename T>
at::Tensor by_sign_here(const at::Tensor &v, const at::Tensor &sign, double slope) {
  constexpr int64_t kGrain = 1 << 14;
  // As sign lies in memory.
  const at::Tensor from = v.strides() == sign.strides() ? v : at::empty_like(sign, v.options()).copy_(v);
  const at::Tensor made = at::empty_like(sign);
  const T *in = from.data_ptr<T>(), *signs = sign.data_ptr<T>();
  T *to = made.data_ptr<T>();
  at::parallel_for(0, sign.numel(), kGrain, [&](int64_t first, int64_t last) {
    by_sign_loop(in + first, signs + first, to + first, last - first, static_cast<float>(slope));
  });
  return made;
}

// libtorch's loops are several times slower in bfloat16; it makes what there is none for here.
template <typename Libtorch>
at::Tensor by_sign(const at::Tensor &v, const at::Tensor &sign, double slope, const Libtorch &libtorch) {
  const auto type = sign.scalar_type();
  const bool fits = kThreads && !plain() && sign.device().is_cpu() && v.device().is_cpu() && v.scalar_type() == type &&
                    v.sizes() == sign.sizes() && sign.is_non_overlapping_and_dense();
  if (fits && type == at::kFloat) return by_sign_here<float>(v, sign, slope);
  if (fits && type == at::kBFloat16) return by_sign_here<c10::BFloat16>(v, sign, slope);
  return libtorch();
}

// y is the leaky ReLU's result, which has the sign of what went in: the next layer keeps it anyway.
struct LeakyGradient : torch::autograd::Function<LeakyGradient> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &g, const at::Tensor &y, double slope) {
    ctx->save_for_backward({y});
    ctx->saved_data["slope"] = slope;
    return by_sign(g, y, slope, [&] {
      return slope == 0 ? at::threshold_backward(g, y, 0) : at::leaky_relu_backward(g, y, slope, true);
    });
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const at::Tensor y = ctx->get_saved_variables()[0], &g = gradients[0];
    at::Tensor of_g;
    if (g.defined() && ctx->needs_input_grad(0)) of_g = LeakyGradient::apply(g, y, ctx->saved_data["slope"].toDouble());
    return {of_g, at::Tensor(), at::Tensor()};
  }
};

struct Leaky : torch::autograd::Function<Leaky> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, double slope) {
    const at::Tensor y = by_sign(x, x, slope, [&] { return slope == 0 ? at::relu(x) : at::leaky_relu(x, slope); });
    ctx->save_for_backward({y});
    ctx->saved_data["slope"] = slope;
    return y;
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const at::Tensor y = ctx->get_saved_variables()[0], &g = gradients[0];
    at::Tensor of_x;
    if (g.defined()) of_x = leaky_gradient(g, y.detach(), ctx->saved_data["slope"].toDouble());
    return {of_x, at::Tensor()};
  }
};

}  // namespace

at::Tensor leaky_relu(const at::Tensor &x, double slope) {
  if (plain() || slope < 0) return slope == 0 ? at::relu(x) : at::leaky_relu(x, slope);
  return Leaky::apply(x, slope);
}

at::Tensor leaky_gradient(const at::Tensor &g, const at::Tensor &y, double slope) {
  return LeakyGradient::apply(g, y, slope);
}

}  // namespace imori
