// gotorch's torch.nn.functional and torch.nn.init.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <string>

#include "batch_norm.h"
#include "call.h"
#include "conv.h"
#include "gotorch.h"
#include "linear.h"
#include "precision.h"

using imori::full;
using imori::get;
using imori::guard;
using imori::into;
using imori::ints;
using imori::optional;
using imori::wrap;

namespace {

std::vector<int64_t> vec(const int64_t *data, int64_t length) { return std::vector<int64_t>(data, data + length); }

int64_t reduction(const std::string &name) {
  if (name == "mean") return at::Reduction::Mean;
  if (name == "sum") return at::Reduction::Sum;
  TORCH_CHECK(name == "none", "reduction must be mean, sum or none, not ", name);
  return at::Reduction::None;
}

// Initialisers work on a parameter in place, outside autograd.
template <typename F>
const char *initialise(Tensor *t, F &&f) {
  return guard([&] {
    TORCH_CHECK(t != nullptr, "a tensor is missing (nil)");
    c10::NoGradGuard no_grad;
    f(get(*t));
  });
}

struct Fan {
  int64_t in, out;
};

Fan fan(const at::Tensor &t) {
  TORCH_CHECK(t.dim() >= 2, "fan in and fan out need a tensor of at least 2 dimensions, found shape ", t.sizes());
  const int64_t field = t.size(0) * t.size(1) == 0 ? 1 : t.numel() / (t.size(0) * t.size(1));
  return {t.size(1) * field, t.size(0) * field};
}

// torch.nn.init.calculate_gain.
double gain(const std::string &nonlinearity, double a) {
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") return std::sqrt(2 / (1 + a * a));
  for (const char *name : {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                           "conv_transpose3d", "sigmoid"}) {
    if (nonlinearity == name) return 1;
  }
  TORCH_CHECK(false, "unknown nonlinearity ", nonlinearity);
}

}  // namespace

const char *BatchNorm(Tensor input, Tensor weight, Tensor bias, Tensor running_mean, Tensor running_var,
                      int8_t training, double momentum, double eps, Tensor *result) {
  return into(result, [&] {
    return imori::batch_norm(get(input), optional(weight), optional(bias), optional(running_mean),
                             optional(running_var), {training != 0, momentum, eps, /*slope=*/1});
  });
}
const char *Conv2d(Tensor input, Tensor weight, Tensor bias, int64_t *stride_data, int64_t stride_len,
                   int64_t *padding_data, int64_t padding_len, int64_t *dilation_data, int64_t dilation_len,
                   int64_t groups, Tensor *result) {
  return into(result, [&] {
    const imori::Conv o{vec(stride_data, stride_len), vec(padding_data, padding_len), vec(dilation_data, dilation_len),
                        groups};
    return imori::conv2d(get(input), get(weight), optional(bias), o);
  });
}
const char *ConvTranspose2d(Tensor input, Tensor weight, Tensor bias, int64_t *stride_data, int64_t stride_len,
                            int64_t *padding_data, int64_t padding_len, int64_t *output_padding_data,
                            int64_t output_padding_len, int64_t groups, int64_t *dilation_data, int64_t dilation_len,
                            Tensor *result) {
  return into(result, [&] {
    const imori::Conv o{vec(stride_data, stride_len), vec(padding_data, padding_len), vec(dilation_data, dilation_len),
                        groups};
    return imori::conv_transpose2d(get(input), get(weight), optional(bias), o,
                                   vec(output_padding_data, output_padding_len));
  });
}
const char *BinaryCrossEntropy(Tensor input, Tensor target, Tensor weight, const char *reduction_name, Tensor *result) {
  return into(result, [&] {
    return at::binary_cross_entropy(full(get(input)), get(target), optional(weight), reduction(reduction_name));
  });
}
const char *CrossEntropy(Tensor input, Tensor target, Tensor weight, int64_t ignore_index, const char *reduction_name,
                         Tensor *result) {
  return into(result, [&] {
    return at::cross_entropy_loss(full(get(input)), get(target), optional(weight), reduction(reduction_name),
                                  ignore_index);
  });
}
const char *NllLoss(Tensor input, Tensor target, Tensor weight, int64_t ignore_index, const char *reduction_name,
                    Tensor *result) {
  return into(result, [&] {
    return at::nll_loss_nd(full(get(input)), get(target), optional(weight), reduction(reduction_name), ignore_index);
  });
}
const char *FRelu(Tensor input, int8_t inplace, Tensor *result) {
  return into(result, [&] { return inplace ? at::relu_(get(input)) : at::relu(get(input)); });
}
const char *FLeakyRelu(Tensor input, double negative_slope, int8_t inplace, Tensor *result) {
  return into(result, [&] {
    return inplace ? at::leaky_relu_(get(input), negative_slope) : at::leaky_relu(get(input), negative_slope);
  });
}
const char *Linear(Tensor input, Tensor weight, Tensor bias, Tensor *result) {
  return into(result, [&] { return imori::linear(get(input), get(weight), optional(bias), 1); });
}
const char *MaxPool2d(Tensor input, int64_t *kernel_data, int64_t kernel_len, int64_t *stride_data, int64_t stride_len,
                      int64_t *padding_data, int64_t padding_len, int64_t *dilation_data, int64_t dilation_len,
                      int8_t ceil_mode, Tensor *result) {
  return into(result, [&] {
    return at::max_pool2d(get(input), ints(kernel_data, kernel_len), ints(stride_data, stride_len),
                          ints(padding_data, padding_len), ints(dilation_data, dilation_len), ceil_mode != 0);
  });
}
const char *AdaptiveAvgPool2d(Tensor input, int64_t *output_size_data, int64_t output_size_len, Tensor *result) {
  return into(result, [&] { return at::adaptive_avg_pool2d(get(input), ints(output_size_data, output_size_len)); });
}

const char *Zeros_(Tensor *tensor) {
  return initialise(tensor, [](at::Tensor &t) { t.zero_(); });
}
const char *Ones_(Tensor *tensor) {
  return initialise(tensor, [](at::Tensor &t) { t.fill_(1); });
}
const char *Uniform_(Tensor *tensor, double low, double high) {
  return initialise(tensor, [&](at::Tensor &t) { t.uniform_(low, high); });
}
const char *Normal_(Tensor *tensor, double mean, double std) {
  return initialise(tensor, [&](at::Tensor &t) { t.normal_(mean, std); });
}
const char *KaimingUniform_(double a, const char *fan_mod, const char *non_linearity, Tensor *tensor) {
  return initialise(tensor, [&](at::Tensor &t) {
    const std::string mode = fan_mod;
    TORCH_CHECK(mode == "fan_in" || mode == "fan_out", "mode must be fan_in or fan_out, not ", mode);
    const Fan f = fan(t);
    const double n = static_cast<double>(mode == "fan_in" ? f.in : f.out);
    const double bound = std::sqrt(3.0) * gain(non_linearity, a) / std::sqrt(n);
    t.uniform_(-bound, bound);
  });
}
const char *CalculateFanInAndFanOut(Tensor tensor, int64_t *fan_in, int64_t *fan_out) {
  return guard([&] {
    const Fan f = fan(get(tensor));
    *fan_in = f.in;
    *fan_out = f.out;
  });
}
// at::manual_seed seeds the default generators of the CPU and of every CUDA device.
void ManualSeed(int64_t seed) {
  imori::guard_or([&] { at::manual_seed(static_cast<uint64_t>(seed)); }, [](const char *) {});
}
