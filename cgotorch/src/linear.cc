#include "linear.h"

#include <ATen/ops/linear.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "activation.h"
#include "conv.h"
#include "dense.h"
#include "gradients.h"
#include "precision.h"
#include "product.h"
#include "weight_gradient.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Affine : torch::autograd::Function<Affine> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, const at::Tensor &w,
                            const c10::optional<at::Tensor> &bias, double slope) {
    const at::Tensor b = bias.value_or(at::Tensor());
    const auto type = x.scalar_type();
    const at::Tensor y = dense::wins(x, w) ? dense::affine(x, w, b, slope)
                                           : activated(affine(x, copy_in(w, type), copy_in(b, type)), slope);
    ctx->save_for_backward({x, w, slope == 1 ? at::Tensor() : y});
    ctx->saved_data["bias"] = b.defined();
    ctx->saved_data["slope"] = slope;
    return y;
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &y = saved[2], &outer = gradients[0];
    const double slope = ctx->saved_data["slope"].toDouble();
    const bool of_x = ctx->needs_input_grad(0), of_w = ctx->needs_input_grad(1);
    const bool of_b = ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(2);
    variable_list result(4);
    if (!outer.defined()) return result;
    const auto type = x.scalar_type();
    // Copies and our own products are outside of autograd; where the gradient is to be differentiated, w itself must be
    // in it.
    if (c10::GradMode::is_enabled()) {
      const at::Tensor g = slope == 1 ? outer : leaky_gradient(outer, y.detach(), slope);
      if (of_x) result[0] = product(g, w.to(type));
      if (of_w) result[1] = product(g.t(), x).to(w.scalar_type());
      if (of_b) result[2] = g.sum(0, false, w.scalar_type());
      return result;
    }
    const dense::Behind inner = slope != 1 || of_b ? dense::behind(outer, y, slope) : dense::Behind{outer, {}};
    if (of_x) result[0] = dense::input_wins(outer, w) ? dense::input(inner.g, w) : product(inner.g, copy_in(w, type));
    if (of_w && !dense::WeightGradient::wins(outer, w)) {
      result[1] = product(inner.g.t(), x).to(w.scalar_type());
    } else if (of_w && !put_off(w, inner.g, x)) {
      result[1] = dense::WeightGradient({{inner.g, x}}).made();
    }
    if (of_b) result[2] = inner.sums;
    return result;
  }
};

// Layers of fewer inputs or outputs cost next to nothing, and what they make, logits and latents, wants all its digits.
constexpr int64_t kFewest = 16;

}  // namespace

at::Tensor linear(const at::Tensor &rows, const at::Tensor &w, const at::Tensor &b, double slope) {
  // Of the result of a leaky ReLU that turns negative numbers round, nobody could tell what went in.
  if (slope < 0) return activated(linear(rows, w, b, 1), slope);
  const bool narrow = w.dim() == 2 && w.scalar_type() == at::kFloat && std::min(w.size(0), w.size(1)) < kFewest;
  const at::Tensor x = narrow ? full(rows) : layer_input(rows);
  const bool typed = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  const bool fits = typed && w.scalar_type() == at::kFloat && x.dim() == 2 && w.dim() == 2 && x.device().is_cpu() &&
                    w.device().is_cpu() && x.size(1) == w.size(1) && x.numel() > 0 && w.numel() > 0 &&
                    (!b.defined() ||
                     (b.dim() == 1 && b.size(0) == w.size(0) && b.device().is_cpu() && b.scalar_type() == at::kFloat));
  if (plain() || !fits) return activated(at::linear(x, like(w, x), like(b, x)), slope);
  return Affine::apply(x, w, given(b), slope);
}

}  // namespace imori
