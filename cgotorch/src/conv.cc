#include "conv.h"

#include <ATen/ops/add.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The gradients of conv2d(input, w): with respect to the input, the weight, or both.
std::tuple<at::Tensor, at::Tensor> conv2d_gradients(const at::Tensor &gradient, const at::Tensor &input,
                                                    const at::Tensor &w, const ConvTranspose &o, bool of_input,
                                                    bool of_weight) {
  const std::vector<int64_t> no_padding(2, 0);
  auto all = at::convolution_backward(gradient, input, w, c10::nullopt, o.stride, o.padding, o.dilation, false,
                                      no_padding, o.groups, {of_input, of_weight, false});
  return {std::get<0>(all), std::get<1>(all)};
}

std::vector<int64_t> output_size(const at::Tensor &x, const at::Tensor &w, const ConvTranspose &o) {
  std::vector<int64_t> size{x.size(0), w.size(1) * o.groups, 0, 0};
  for (int i = 0; i < 2; i++) {
    size[2 + i] = (x.size(2 + i) - 1) * o.stride[i] - 2 * o.padding[i] + o.dilation[i] * (w.size(2 + i) - 1) +
                  o.output_padding[i] + 1;
  }
  return size;
}

struct FastConvTranspose : torch::autograd::Function<FastConvTranspose> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, const at::Tensor &w, const ConvTranspose &o) {
    ctx->save_for_backward({x, w});
    ctx->saved_data["stride"] = o.stride;
    ctx->saved_data["padding"] = o.padding;
    ctx->saved_data["dilation"] = o.dilation;
    ctx->saved_data["groups"] = o.groups;
    // Only the shape of the convolution's input matters to its gradient.
    at::Tensor shape = at::empty(output_size(x, w, o), x.options(), x.suggest_memory_format());
    return std::get<0>(conv2d_gradients(x, shape, w, o, true, false));
  }

  // Written in differentiable operations, so that the gradient of the gradient is autograd's.
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &gradient = gradients[0];
    ConvTranspose o{ctx->saved_data["stride"].toIntVector(),
                    ctx->saved_data["padding"].toIntVector(),
                    {},
                    ctx->saved_data["dilation"].toIntVector(),
                    ctx->saved_data["groups"].toInt()};
    at::Tensor of_x, of_w;
    if (!gradient.defined()) return {of_x, of_w, at::Tensor()};
    if (ctx->needs_input_grad(0)) of_x = at::conv2d(gradient, w, {}, o.stride, o.padding, o.dilation, o.groups);
    if (ctx->needs_input_grad(1)) of_w = std::get<1>(conv2d_gradients(x, gradient, w, o, false, true));
    return {of_x, of_w, at::Tensor()};
  }
};

// libtorch's own reports what does not fit; the fast path takes what fits and nothing unusual.
bool fast(const at::Tensor &x, const at::Tensor &w, const ConvTranspose &o) {
  if (!x.device().is_cpu() || !w.device().is_cpu() || x.dim() != 4 || w.dim() != 4) return false;
  if (x.scalar_type() != w.scalar_type() || !x.is_floating_point() || x.numel() == 0 || w.numel() == 0) return false;
  if (o.groups < 1 || x.size(1) != w.size(0) || w.size(0) % o.groups != 0) return false;
  for (const auto *values : {&o.stride, &o.padding, &o.output_padding, &o.dilation}) {
    if (values->size() != 2) return false;
  }
  for (int i = 0; i < 2; i++) {
    if (o.stride[i] < 1 || o.dilation[i] < 1 || o.padding[i] < 0 || o.output_padding[i] < 0) return false;
    // A larger output padding would change how many outputs the convolution has.
    if (o.output_padding[i] >= o.stride[i]) return false;
    if (output_size(x, w, o)[2 + i] < 1) return false;
  }
  return true;
}

}  // namespace

at::Tensor conv_transpose2d(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const ConvTranspose &o,
                            bool plain) {
  bool bias_fits = !b.defined() || (b.scalar_type() == x.scalar_type() && b.device() == x.device() && b.dim() == 1 &&
                                    w.dim() == 4 && b.size(0) == w.size(1) * o.groups);
  if (plain || !bias_fits || !fast(x, w, o)) {
    return at::conv_transpose2d(x, w, b, o.stride, o.padding, o.output_padding, o.groups, o.dilation);
  }
  at::Tensor y = FastConvTranspose::apply(x, w, o);
  return b.defined() ? y.add(b.view({1, -1, 1, 1})) : y;
}

}  // namespace imori
