#include "conv.h"

#include <ATen/Context.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/convolution_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

#include "batch_norm.h"
#include "conv_gemm.h"
#include "direct.h"
#include "few_channels.h"
#include "precision.h"
#include "winograd.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

std::atomic<bool> plain_kernels{false};

// ---- the three sums, outside of autograd ----

// w for maps of a type.
at::Tensor kernel(const at::Tensor &w, at::ScalarType type) { return packed(copy_in(w, type)); }

std::tuple<at::Tensor, at::Tensor> gradients(const at::Tensor &g, const at::Tensor &x, const at::Tensor &w,
                                             const Conv &o, bool of_x, bool of_w) {
  auto all = at::convolution_backward(g, x, w, c10::nullopt, o.stride, o.padding, o.dilation, false, {0, 0}, o.groups,
                                      {of_x, of_w, false});
  return {std::get<0>(all), std::get<1>(all)};
}

// What oneDNN 2.6 does wrong where channels are last takes another way, whichever is the faster one:
//   - the weight's gradient of a strided kernel of one place, from few channels: it writes past its memory;
//   - in bfloat16 the input's gradient of a kernel of one place and one group, to an odd number of channels: wrong for
//     some sizes;
//   - in bfloat16 the weight's gradient with groups and dilation: it reads memory that nobody has written.
bool of_one_place(at::IntArrayRef w) { return w[2] == 1 && w[3] == 1; }
bool strided(const Conv &o) { return o.stride[0] > 1 || o.stride[1] > 1; }
bool dilated(const Conv &o) { return o.dilation[0] > 1 || o.dilation[1] > 1; }

at::Tensor sum_forward(const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b, const Conv &o);

// A convolution of stride 1 to few channels is the input's gradient of one from few channels: of the same kernel,
// turned by half a circle, with its channels exchanged. So are its gradients the other two sums of that one.
struct Exchanged {
  Conv o;
  std::vector<int64_t> size;  // of the turned kernel
  bool wins;                  // whether that is the faster form

  Exchanged(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &of)
      : o(of), size{w[1], w[0], w[2], w[3]}, wins(of.stride[0] == 1 && of.stride[1] == 1) {
    for (int i = 0; i < 2; i++) {
      o.padding[i] = w[2 + i] - 1 - of.padding[i];
      wins = wins && o.padding[i] >= 0;
    }
    wins = wins && few::input_wins(type, g, size, x, o);
  }

  static at::Tensor turned(const at::Tensor &w) { return packed(w.transpose(0, 1).flip({2, 3})); }
};

at::Tensor sum_forward(const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b, const Conv &o) {
  const at::Tensor x = packed(maps);
  std::vector<int64_t> g{x.size(0), w.size(0), 0, 0};
  for (int i = 0; i < 2; i++) {
    g[2 + i] = (x.size(2 + i) + 2 * o.padding[i] - o.dilation[i] * (w.size(2 + i) - 1) - 1) / o.stride[i] + 1;
  }
  if (direct::wins(x.scalar_type(), x.sizes(), w.sizes(), g, o)) {
    return direct::forward(x, kernel(w, at::kFloat), copy_in(b, at::kFloat), g, o);
  }
  if (winograd::wins(x.scalar_type(), x.sizes(), w.sizes(), g, o)) {
    return winograd::forward(x, kernel(w, at::kFloat), copy_in(b, at::kFloat), g, o);
  }
  const Exchanged other(x.scalar_type(), x.sizes(), w.sizes(), g, o);
  if (other.wins) return few::input(x, Exchanged::turned(copy_in(w, at::kFloat)), copy_in(b, at::kFloat), g, other.o);
  const at::Tensor k = kernel(w, x.scalar_type()), bias = copy_in(b, x.scalar_type());
  if (gemm::wins(gemm::kForward, x.scalar_type(), x.sizes(), k.sizes(), g, o)) return gemm::forward(x, k, bias, o);
  return at::conv2d(x, k, bias, o.stride, o.padding, o.dilation, o.groups);
}

// With a bias, as transposed convolutions have it.
at::Tensor sum_input(const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size,
                     const Conv &o) {
  const at::Tensor g = packed(maps);
  if (direct::wins(g.scalar_type(), size, w.sizes(), g.sizes(), o)) {
    return direct::input(g, kernel(w, at::kFloat), copy_in(b, at::kFloat), size, o);
  }
  if (winograd::wins(g.scalar_type(), size, w.sizes(), g.sizes(), o)) {
    return winograd::input(g, kernel(w, at::kFloat), copy_in(b, at::kFloat), size, o);
  }
  if (few::input_wins(g.scalar_type(), size, w.sizes(), g.sizes(), o)) {
    return few::input(g, kernel(w, at::kFloat), copy_in(b, at::kFloat), size, o);
  }
  const Exchanged other(g.scalar_type(), size, w.sizes(), g.sizes(), o);
  if (other.wins) return sum_forward(g, Exchanged::turned(copy_in(w, at::kFloat)), b, other.o);
  const at::Tensor k = kernel(w, g.scalar_type());
  const bool odd = g.scalar_type() == at::kBFloat16 && o.groups == 1 && of_one_place(w.sizes()) && g.size(1) % 2 == 1;
  const at::Tensor x = odd || gemm::wins(gemm::kInput, g.scalar_type(), size, k.sizes(), g.sizes(), o)
                           ? gemm::input(g, k, size, o)
                           // Of the input only the shape matters.
                           : std::get<0>(gradients(g, empty_maps(size, g.options()), k, o, true, false));
  if (b.defined()) x.add_(copy_in(b, g.scalar_type()).view({1, -1, 1, 1}));
  return x;
}

at::Tensor sum_weight(const at::Tensor &maps, const at::Tensor &gradient, at::IntArrayRef size, const Conv &o) {
  const at::Tensor x = packed(maps), g = packed(gradient);
  if (direct::wins(x.scalar_type(), x.sizes(), size, g.sizes(), o)) return direct::weight(x, g, size, o);
  if (winograd::wins(x.scalar_type(), x.sizes(), size, g.sizes(), o)) return winograd::weight(x, g, size, o);
  if (few::weight_wins(x.scalar_type(), x.sizes(), size, g.sizes(), o)) return few::weight(x, g, size, o);
  const Exchanged other(x.scalar_type(), x.sizes(), size, g.sizes(), o);
  if (other.wins) return Exchanged::turned(few::weight(g, x, other.size, other.o));
  const bool half = x.scalar_type() == at::kBFloat16;
  const bool places_apart = (half || x.scalar_type() == at::kFloat) && of_one_place(size) && strided(o);
  if ((places_apart && o.groups == 1) || gemm::wins(gemm::kWeight, x.scalar_type(), x.sizes(), size, g.sizes(), o)) {
    return gemm::weight(x, g, size, o);
  }
  if (places_apart || (half && o.groups > 1 && dilated(o))) {
    // contiguous() would leave maps of one place as they are, and oneDNN looks at the strides.
    constexpr auto kRows = at::MemoryFormat::Contiguous;
    const at::Tensor w = at::empty(size, g.options());
    return packed(std::get<1>(gradients(g.clone(kRows), x.clone(kRows), w, o, false, true)));
  }
  return packed(std::get<1>(gradients(g, x, empty_maps(size, g.options()), o, false, true)));
}

// ---- the same under autograd ----
// Each is linear in both of its arguments, and the derivatives are the other two, but for a bias: so they can be
// differentiated any number of times.

at::Tensor conv_forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o);
at::Tensor conv_input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size,
                      const Conv &o);
at::Tensor conv_weight(const at::Tensor &x, const at::Tensor &g, const at::Tensor &w, const Conv &o);

void remember(AutogradContext *ctx, const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias, const Conv &o) {
  ctx->save_for_backward({a, b});
  if (bias.defined()) ctx->saved_data["bias"] = static_cast<int64_t>(bias.scalar_type());
  ctx->saved_data["stride"] = o.stride;
  ctx->saved_data["padding"] = o.padding;
  ctx->saved_data["dilation"] = o.dilation;
  ctx->saved_data["groups"] = o.groups;
}

Conv remembered(AutogradContext *ctx) {
  return {ctx->saved_data["stride"].toIntVector(), ctx->saved_data["padding"].toIntVector(),
          ctx->saved_data["dilation"].toIntVector(), ctx->saved_data["groups"].toInt()};
}

// The gradient of the bias, argument number i: undefined where there is none, or it wants none. g is the gradient of
// what it was added to.
at::Tensor bias_gradient(AutogradContext *ctx, const at::Tensor &g, size_t i) {
  const auto type = ctx->saved_data.find("bias");
  if (type == ctx->saved_data.end() || !ctx->needs_input_grad(i)) return {};
  return channel_sums(g).to(static_cast<at::ScalarType>(type->second.toInt()));
}

struct Forward : torch::autograd::Function<Forward> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, const at::Tensor &w,
                            const c10::optional<at::Tensor> &bias, const Conv &o) {
    const at::Tensor b = bias.value_or(at::Tensor());
    remember(ctx, x, w, b, o);
    return sum_forward(x, w, b, o);
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &w = saved[1], &g = gradients[0];
    const Conv o = remembered(ctx);
    at::Tensor of_x, of_w;
    if (!g.defined()) return variable_list(4);
    if (ctx->needs_input_grad(0)) of_x = conv_input(g, w, {}, x.sizes(), o);
    if (ctx->needs_input_grad(1)) of_w = conv_weight(x, g, w, o);
    return {of_x, of_w, bias_gradient(ctx, g, 2), at::Tensor()};
  }
};

struct Input : torch::autograd::Function<Input> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &g, const at::Tensor &w,
                            const c10::optional<at::Tensor> &bias, at::IntArrayRef size, const Conv &o) {
    const at::Tensor b = bias.value_or(at::Tensor());
    remember(ctx, g, w, b, o);
    return sum_input(g, w, b, size, o);
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &g = saved[0], &w = saved[1], &x = gradients[0];
    const Conv o = remembered(ctx);
    at::Tensor of_g, of_w;
    if (!x.defined()) return variable_list(5);
    if (ctx->needs_input_grad(0)) of_g = conv_forward(x, w, {}, o);
    if (ctx->needs_input_grad(1)) of_w = conv_weight(x, g, w, o);
    return {of_g, of_w, bias_gradient(ctx, x, 2), at::Tensor(), at::Tensor()};
  }
};

struct Weight : torch::autograd::Function<Weight> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size,
                            const Conv &o) {
    remember(ctx, x, g, {}, o);
    return sum_weight(x, g, size, o);
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &g = saved[1], &w = gradients[0];
    const Conv o = remembered(ctx);
    at::Tensor of_x, of_g;
    if (!w.defined()) return {of_x, of_g, at::Tensor(), at::Tensor()};
    if (ctx->needs_input_grad(0)) of_x = conv_input(g, w, {}, x.sizes(), o);
    if (ctx->needs_input_grad(1)) of_g = conv_forward(x, w, {}, o);
    return {of_x, of_g, at::Tensor(), at::Tensor()};
  }
};

at::Tensor conv_forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o) {
  return Forward::apply(x, w, given(b), o);
}

at::Tensor conv_input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size,
                      const Conv &o) {
  return Input::apply(g, w, given(b), size, o);
}

// The gradient has w's shape and type.
at::Tensor conv_weight(const at::Tensor &x, const at::Tensor &g, const at::Tensor &w, const Conv &o) {
  return Weight::apply(x, g, w.sizes(), o).to(w.scalar_type());
}

// ---- which calls they take ----

// libtorch's own reports what does not fit; these take what fits and nothing unusual.
bool usual(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o, int64_t in, int64_t out) {
  // What channels last and the detour of transposed convolutions gain they gain in oneDNN.
  if (!at::hasMKLDNN() || !at::globalContext().userEnabledMkldnn()) return false;
  if (!x.device().is_cpu() || !w.device().is_cpu() || x.dim() != 4 || w.dim() != 4) return false;
  if (!x.is_floating_point() || !w.is_floating_point() || x.numel() == 0 || w.numel() == 0) return false;
  const bool copied = x.scalar_type() == at::kBFloat16 && w.scalar_type() == at::kFloat;
  if (x.scalar_type() != w.scalar_type() && !copied) return false;
  if (o.groups < 1 || x.size(1) != in || w.size(0) % o.groups != 0) return false;
  if (b.defined() && (b.dim() != 1 || b.size(0) != out || b.scalar_type() != w.scalar_type() || !b.device().is_cpu())) {
    return false;
  }
  for (const auto *values : {&o.stride, &o.padding, &o.dilation}) {
    if (values->size() != 2) return false;
  }
  for (int i = 0; i < 2; i++) {
    if (o.stride[i] < 1 || o.dilation[i] < 1 || o.padding[i] < 0) return false;
  }
  return true;
}

}  // namespace

at::Tensor packed(const at::Tensor &maps) {
  const auto type = maps.scalar_type();
  return type == at::kFloat || type == at::kBFloat16 ? maps.contiguous(at::MemoryFormat::ChannelsLast) : maps;
}

bool set_plain(bool on) { return plain_kernels.exchange(on); }
bool plain() { return plain_kernels; }

at::Tensor conv2d(const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b, const Conv &o) {
  const at::Tensor x = layer_input(maps);
  bool fits = w.dim() == 4 && usual(x, w, b, o, w.size(1) * o.groups, w.size(0));
  for (int i = 0; fits && i < 2; i++) {
    fits = x.size(2 + i) + 2 * o.padding[i] >= o.dilation[i] * (w.size(2 + i) - 1) + 1;
  }
  if (plain() || !fits) return at::conv2d(x, like(w, x), like(b, x), o.stride, o.padding, o.dilation, o.groups);
  return conv_forward(x, w, b, o);
}

at::Tensor conv_transpose2d(const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b, const Conv &o,
                            const std::vector<int64_t> &output_padding) {
  const at::Tensor x = layer_input(maps);
  bool fits = w.dim() == 4 && output_padding.size() == 2 && usual(x, w, b, o, w.size(0), w.size(1) * o.groups);
  std::vector<int64_t> size;
  if (fits) size = {x.size(0), w.size(1) * o.groups, 0, 0};
  for (int i = 0; fits && i < 2; i++) {
    size[2 + i] = (x.size(2 + i) - 1) * o.stride[i] - 2 * o.padding[i] + o.dilation[i] * (w.size(2 + i) - 1) +
                  output_padding[i] + 1;
    // A larger output padding would change how many outputs the convolution has.
    fits = output_padding[i] >= 0 && output_padding[i] < o.stride[i] && size[2 + i] >= 1;
  }
  if (plain() || !fits) {
    return at::conv_transpose2d(x, like(w, x), like(b, x), o.stride, o.padding, output_padding, o.groups, o.dilation);
  }
  return conv_input(x, w, b, size, o);
}

}  // namespace imori
