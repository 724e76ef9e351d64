#include "cross_entropy.h"

#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softplus.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "conv.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct CrossEntropy : torch::autograd::Function<CrossEntropy> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, const at::Tensor &target) {
    ctx->save_for_backward({x, target});
    // Exact for targets of 0 and 1 too, where one of the terms is all that is left.
    const at::Tensor rest = at::softplus(x.abs().neg_());
    return rest.add_(at::relu(x).addcmul_(x, target, -1)).mean();
  }

  // Of operations that can be differentiated themselves.
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &target = saved[1], &g = gradients[0];
    at::Tensor of_x, of_target;
    if (!g.defined()) return {of_x, of_target};
    const at::Tensor each = g.div(static_cast<double>(x.numel()));
    if (ctx->needs_input_grad(0)) {
      of_x =
          c10::GradMode::is_enabled() ? at::sigmoid(x).sub(target).mul(each) : at::sigmoid(x).sub_(target).mul_(each);
    }
    if (ctx->needs_input_grad(1)) of_target = x.neg().mul(each);
    return {of_x, of_target};
  }
};

}  // namespace

at::Tensor cross_entropy(const at::Tensor &x, const at::Tensor &target) {
  const bool usual = x.is_floating_point() && x.scalar_type() == target.scalar_type() && x.device() == target.device();
  if (plain() || !usual || x.numel() == 0) return at::binary_cross_entropy_with_logits(x, target);
  return CrossEntropy::apply(x, target);
}

}  // namespace imori
