#include "cross_entropy.h"

#include <ATen/Parallel.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sigmoid.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "conv.h"
#include "simd.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// ---- loops without branches, which the compiler vectorises ----

IMORI_INLINED float magnitude(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits &= 0x7fffffffu;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// e^-a for a >= 0, to 2 in the last digit: 2^n e^r with |r| <= ln 2 / 2, and the series of e^r. What is below e^-87, of
// which float32 has not all digits, is 0.
IMORI_INLINED float exp_of_minus(float a) {
  constexpr float kLog2e = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f, kRound = 12582912.0f;
  const float x = a > 87.0f ? -87.0f : -a;  // NaN stays NaN
  const float shifted = x * kLog2e + kRound, n = shifted - kRound;
  const float r = x - n * kLn2High - n * kLn2Low;
  const float tail = r * (1.0f / 6 + r * (1.0f / 24 + r * (1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040)))));
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);  // its last ones are n
  bits = (bits + 127u) << 23;
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  const float power = scale * (1 + r * (1 + r * (0.5f + tail)));
  return a > 87.0f ? 0.0f : power;
}

// log(1 + e) for 0 <= e <= 1, as exact where e is small: 2 artanh(e / (2 + e)).
IMORI_INLINED float log_of_1_plus(float e) {
  const float s = e / (2 + e), q = s * s;
  const float tail = q * (1.0f / 7 + q * (1.0f / 9 + q * (1.0f / 11 + q * (1.0f / 13 + q * (1.0f / 15)))));
  return 2 * s * (1 + q * (1.0f / 3 + q * (1.0f / 5 + tail)));
}

// Sums are float over a block and double beyond it.
constexpr int64_t kLanes = 64, kBlock = 16 * kLanes;

IMORI_VERSIONED double sum_of_losses(const float *x, const float *target, int64_t n) {
  double total = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t last = std::min(first + kBlock, n);
    float sums[kLanes] = {};
    for (int64_t i = first; i < last; i += kLanes) {
      const int64_t lanes = std::min(kLanes, last - i);
      for (int64_t j = 0; j < lanes; j++) {
        const float v = x[i + j];
        sums[j] += (v > 0 ? v : 0) - v * target[i + j] + log_of_1_plus(exp_of_minus(magnitude(v)));
      }
    }
    for (int64_t j = 0; j < kLanes; j++) total += sums[j];
  }
  return total;
}

// (sigmoid(x) - target) scale
IMORI_VERSIONED void differences(const float *__restrict x, const float *__restrict target, float *__restrict to,
                                 int64_t n, float scale) {
  for (int64_t i = 0; i < n; i++) {
    const float e = exp_of_minus(magnitude(x[i]));
    to[i] = ((x[i] < 0 ? e : 1) / (1 + e) - target[i]) * scale;
  }
}

// Calls work(part, from, how many) for parts of n numbers, which do not depend on the number of threads.
constexpr int64_t kPart = 1 << 14;
int64_t parts_of(int64_t n) { return (n + kPart - 1) / kPart; }

template <typename Work>
void each_part(int64_t n, const Work &work) {
  at::parallel_for(0, parts_of(n), 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) work(i, i * kPart, std::min(kPart, n - i * kPart));
  });
}

// ---- with tensors, of float32 ----

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &logits, const at::Tensor &targets) {
    const at::Tensor x = logits.contiguous(), target = targets.contiguous();
    ctx->save_for_backward({logits, targets});
    std::vector<double> parts(parts_of(x.numel()));
    const float *of_x = x.data_ptr<float>(), *of_target = target.data_ptr<float>();
    each_part(x.numel(), [&](int64_t part, int64_t from, int64_t n) {
      parts[part] = sum_of_losses(of_x + from, of_target + from, n);
    });
    double total = 0;
    for (const double part : parts) total += part;
    at::Tensor mean = at::empty({}, x.options());
    *mean.data_ptr<float>() = static_cast<float>(total / static_cast<double>(x.numel()));
    return mean;
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &target = saved[1], &g = gradients[0];
    at::Tensor of_x, of_target;
    if (!g.defined()) return {of_x, of_target};
    const double count = static_cast<double>(x.numel());
    if (ctx->needs_input_grad(0)) {
      const bool recorded = c10::GradMode::is_enabled();
      of_x = recorded ? at::sigmoid(x).sub(target).mul(g.div(count)) : of_logits(x, target, g, count);
    }
    if (ctx->needs_input_grad(1)) of_target = x.neg().mul(g.div(count));
    return {of_x, of_target};
  }

  static at::Tensor of_logits(const at::Tensor &logits, const at::Tensor &targets, const at::Tensor &g, double count) {
    const at::Tensor x = logits.contiguous(), target = targets.contiguous();
    at::Tensor made = at::empty_like(x);
    const float scale = static_cast<float>(*g.contiguous().data_ptr<float>() / count);
    const float *of_x = x.data_ptr<float>(), *of_target = target.data_ptr<float>();
    float *to = made.data_ptr<float>();
    each_part(x.numel(), [&](int64_t, int64_t from, int64_t n) {
      differences(of_x + from, of_target + from, to + from, n, scale);
    });
    return made;
  }
};

bool takes(const at::Tensor &t) { return t.scalar_type() == at::kFloat && t.device().is_cpu(); }

}  // namespace

at::Tensor cross_entropy(const at::Tensor &x, const at::Tensor &target) {
  if (plain() || !kThreads || !takes(x) || !takes(target) || x.numel() == 0) {
    return at::binary_cross_entropy_with_logits(x, target);
  }
  return CrossEntropy::apply(x, target);
}

}  // namespace imori
