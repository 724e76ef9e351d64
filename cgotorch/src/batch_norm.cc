#include "batch_norm.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "activation.h"
#include "conv.h"
#include "precision.h"
#include "simd.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// ---- loops over rows of c channels ----
// Sums are float over a block of rows and double beyond it.
constexpr int64_t kBlock = 64;

// Numbers, or if there is a mean the squares of their distances from it. Several rows are added up before they are
// added to the sums, each of which waits for the one before.
template <typename T>
IMORI_INLINED void add_rows(const T *__restrict x, int64_t rows, int64_t c, const float *__restrict mean,
                            float *__restrict sum) {
  const auto term = [=](int64_t at, int64_t j) __attribute__((always_inline)) {
    const float d = load(x + at + j) - (mean == nullptr ? 0 : mean[j]);
    return mean == nullptr ? d : d * d;
  };
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const int64_t at = i * c;
    for (int64_t j = 0; j < c; j++) {
      sum[j] += (term(at, j) + term(at + c, j)) + (term(at + 2 * c, j) + term(at + 3 * c, j));
    }
  }
  for (; i < rows; i++) {
    for (int64_t j = 0; j < c; j++) sum[j] += term(i * c, j);
  }
}

template <typename T>
IMORI_INLINED void normalise_rows(const T *__restrict x, T *__restrict y, int64_t rows, int64_t c,
                                  const float *__restrict mean, const float *__restrict scale,
                                  const float *__restrict shift, float slope) {
  for (int64_t i = 0; i < rows; i++, x += c, y += c) {
    for (int64_t j = 0; j < c; j++) {
      const float v = (load(x + j) - mean[j]) * scale[j] + shift[j];
      store(y + j, v > 0 ? v : slope * v);
    }
  }
}

// What the gradient is before the activation.
IMORI_INLINED float behind(float x, float g, float mean, float scale, float shift, float slope) {
  return (x - mean) * scale + shift > 0 ? g : slope * g;
}

template <typename T>
IMORI_INLINED void gradient_sums(const T *__restrict x, const T *__restrict g, int64_t rows, int64_t c,
                                 const float *__restrict mean, const float *__restrict scale,
                                 const float *__restrict shift, float slope, float *__restrict sum,
                                 float *__restrict product) {
  for (int64_t i = 0; i < rows; i++, x += c, g += c) {
    for (int64_t j = 0; j < c; j++) {
      const float v = load(x + j), d = behind(v, load(g + j), mean[j], scale[j], shift[j], slope);
      sum[j] += d;
      product[j] += d * (v - mean[j]);
    }
  }
}

template <typename T>
IMORI_INLINED void gradient_rows(const T *__restrict x, const T *__restrict g, T *__restrict out, int64_t rows,
                                 int64_t c, const float *__restrict mean, const float *__restrict scale,
                                 const float *__restrict shift, float slope, const float *__restrict a,
                                 const float *__restrict b) {
  for (int64_t i = 0; i < rows; i++, x += c, g += c, out += c) {
    for (int64_t j = 0; j < c; j++) {
      const float v = load(x + j), d = behind(v, load(g + j), mean[j], scale[j], shift[j], slope);
      store(out + j, scale[j] * (d - a[j] - (v - mean[j]) * b[j]));
    }
  }
}

// clang-format off
#define IMORI_LOOPS(T)                                                                                               \
  IMORI_VERSIONED void add(const T *x, int64_t rows, int64_t c, const float *mean, float *sum) {                     \
    add_rows(x, rows, c, mean, sum);                                                                                 \
  }                                                                                                                  \
  IMORI_VERSIONED void normalise(const T *x, T *y, int64_t rows, int64_t c, const float *mean, const float *scale,   \
                                 const float *shift, float slope) {                                                  \
    normalise_rows(x, y, rows, c, mean, scale, shift, slope);                                                        \
  }                                                                                                                  \
  IMORI_VERSIONED void sums(const T *x, const T *g, int64_t rows, int64_t c, const float *mean, const float *scale,  \
                            const float *shift, float slope, float *sum, float *product) {                           \
    gradient_sums(x, g, rows, c, mean, scale, shift, slope, sum, product);                                           \
  }                                                                                                                  \
  IMORI_VERSIONED void gradient(const T *x, const T *g, T *out, int64_t rows, int64_t c, const float *mean,          \
                                const float *scale, const float *shift, float slope, const float *a,                 \
                                const float *b) {                                                                    \
    gradient_rows(x, g, out, rows, c, mean, scale, shift, slope, a, b);                                              \
  }
IMORI_LOOPS(float)
IMORI_LOOPS(c10::BFloat16)
// clang-format on
#undef IMORI_LOOPS

// Shares rows out to the threads, in a number of parts that depends on the sizes alone.
template <typename F>
void parts(int64_t rows, int64_t n, F f) {
  at::parallel_for(0, n, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) f(i, rows * i / n, rows * (i + 1) / n);
  });
}

int64_t number_of_parts(int64_t rows, int64_t c) {
  return std::max<int64_t>(1, std::min<int64_t>({rows, rows * c / 16384, 64}));
}

// Sums over all rows: f(from row, rows, partial sums of c numbers, sums).
template <typename F>
std::vector<double> sum_rows(int64_t rows, int64_t c, int64_t sums, F f) {
  const int64_t n = number_of_parts(rows, c), width = sums * c;
  std::vector<double> partial(n * width);
  parts(rows, n, [&](int64_t part, int64_t from, int64_t to) {
    std::vector<float> block(width);
    for (int64_t at = from; at < to; at += kBlock) {
      std::fill(block.begin(), block.end(), 0.0f);
      f(at, std::min(kBlock, to - at), block.data());
      for (int64_t j = 0; j < width; j++) partial[part * width + j] += block[j];
    }
  });
  std::vector<double> total(partial.begin(), partial.begin() + width);
  for (int64_t part = 1; part < n; part++) {
    for (int64_t j = 0; j < width; j++) total[j] += partial[part * width + j];
  }
  return total;
}

// ---- with tensors ----

at::Tensor rows_of(const at::Tensor &x) {
  return x.dim() == 4 ? x.contiguous(at::MemoryFormat::ChannelsLast) : x.contiguous();
}

template <typename T>
std::vector<double> sums_of(const T *data, int64_t rows, int64_t c) {
  return sum_rows(rows, c, 1, [&](int64_t at, int64_t n, float *s) { add(data + at * c, n, c, nullptr, s); });
}

template <typename T>
at::Tensor sums_of(const at::Tensor &x) {
  const int64_t c = x.size(1), rows = x.numel() / c;
  // Rows too short for vectors are taken several at a time.
  const int64_t together = c < 16 && rows % 16 == 0 ? 16 : 1;
  const auto parts = sums_of(x.data_ptr<T>(), rows / together, c * together);
  std::vector<double> total(c);
  for (size_t j = 0; j < parts.size(); j++) total[j % total.size()] += parts[j];
  const at::Tensor made = at::empty({c}, x.options().dtype(at::kFloat));
  std::copy(total.begin(), total.end(), made.data_ptr<float>());
  return made;
}

template <typename T>
struct Sweeps {
  static at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const at::Tensor &statistics,
                            const BatchNorm &o) {
    const int64_t c = x.size(1), rows = x.numel() / c;
    const T *data = x.data_ptr<T>();
    float *mean = statistics.data_ptr<float>(), *var = mean + c, *scale = var + c, *shift = scale + c;
    const auto sum = sums_of(data, rows, c);
    for (int64_t j = 0; j < c; j++) mean[j] = static_cast<float>(sum[j] / rows);
    const auto squares =
        sum_rows(rows, c, 1, [&](int64_t at, int64_t n, float *s) { add(data + at * c, n, c, mean, s); });
    for (int64_t j = 0; j < c; j++) {
      const double variance = squares[j] / rows;
      var[j] = static_cast<float>(variance);
      scale[j] = static_cast<float>((w.defined() ? w.data_ptr<float>()[j] : 1) / std::sqrt(variance + o.eps));
      shift[j] = b.defined() ? b.data_ptr<float>()[j] : 0;
    }
    at::Tensor y = at::empty_like(x);
    T *out = y.data_ptr<T>();
    parts(rows, number_of_parts(rows, c), [&](int64_t, int64_t from, int64_t to) {
      normalise(data + from * c, out + from * c, to - from, c, mean, scale, shift, static_cast<float>(o.slope));
    });
    return y;
  }

  static at::Tensor backward(const at::Tensor &x, const at::Tensor &g, const at::Tensor &statistics, const BatchNorm &o,
                             at::Tensor &of_w, at::Tensor &of_b, bool of_x) {
    const int64_t c = x.size(1), rows = x.numel() / c;
    const T *data = x.data_ptr<T>(), *gradients = g.data_ptr<T>();
    const float *mean = statistics.data_ptr<float>(), *var = mean + c, *scale = var + c, *shift = scale + c;
    const float slope = static_cast<float>(o.slope);
    const auto total = sum_rows(rows, c, 2, [&](int64_t at, int64_t n, float *s) {
      sums(data + at * c, gradients + at * c, n, c, mean, scale, shift, slope, s, s + c);
    });
    const auto numbers = x.options().dtype(at::kFloat);
    of_w = at::empty({c}, numbers);
    of_b = at::empty({c}, numbers);
    std::vector<float> a(c), b(c);
    for (int64_t j = 0; j < c; j++) {
      const double inverse = 1 / (var[j] + o.eps);
      of_b.data_ptr<float>()[j] = static_cast<float>(total[j]);
      of_w.data_ptr<float>()[j] = static_cast<float>(total[c + j] * std::sqrt(inverse));
      a[j] = static_cast<float>(total[j] / rows);
      b[j] = static_cast<float>(total[c + j] / rows * inverse);
    }
    if (!of_x) return {};
    at::Tensor out = at::empty_like(x);
    T *to_data = out.data_ptr<T>();
    parts(rows, number_of_parts(rows, c), [&](int64_t, int64_t from, int64_t to) {
      gradient(data + from * c, gradients + from * c, to_data + from * c, to - from, c, mean, scale, shift, slope,
               a.data(), b.data());
    });
    return out;
  }
};

// libtorch's own; running statistics are those of float32.
at::Tensor composed(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const at::Tensor &mean,
                    const at::Tensor &var, const BatchNorm &o) {
  const at::Tensor y =
      at::batch_norm(full(x), w, b, mean, var, o.training, o.momentum, o.eps, at::globalContext().userEnabledCuDNN());
  return activated(y, o.slope).to(x.scalar_type());
}

using Optional = c10::optional<at::Tensor>;

struct Fused : torch::autograd::Function<Fused> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &maps, const Optional &weight, const Optional &bias,
                            const Optional &running_mean, const Optional &running_var, const BatchNorm &o) {
    const at::Tensor none, w = weight.value_or(none), b = bias.value_or(none);
    const at::Tensor x = rows_of(maps);
    const int64_t c = x.size(1), rows = x.numel() / c;
    const at::Tensor statistics = at::empty({4, c}, x.options().dtype(at::kFloat));  // mean, variance, scale, shift
    const at::Tensor y = x.scalar_type() == at::kFloat ? Sweeps<float>::forward(x, w, b, statistics, o)
                                                       : Sweeps<at::BFloat16>::forward(x, w, b, statistics, o);
    if (running_mean) at::Tensor(*running_mean).mul_(1 - o.momentum).add_(statistics[0], o.momentum);
    if (running_var) at::Tensor(*running_var).mul_(1 - o.momentum).add_(statistics[1], o.momentum * rows / (rows - 1));
    ctx->save_for_backward({maps, w, b});
    ctx->saved_data["statistics"] = statistics;
    ctx->saved_data["eps"] = o.eps;
    ctx->saved_data["slope"] = o.slope;
    return y;
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &maps = saved[0], &w = saved[1], &b = saved[2], &g = gradients[0];
    const BatchNorm o{true, 0, ctx->saved_data["eps"].toDouble(), ctx->saved_data["slope"].toDouble()};
    variable_list result(6);
    if (!g.defined()) return result;
    if (c10::GradMode::is_enabled()) return differentiable(maps, w, b, g, o, std::move(result));
    const at::Tensor x = rows_of(maps), statistics = ctx->saved_data["statistics"].toTensor();
    const at::Tensor outer = rows_of(g);
    at::Tensor of_w, of_b;
    const bool of_x = ctx->needs_input_grad(0);
    result[0] = x.scalar_type() == at::kFloat
                    ? Sweeps<float>::backward(x, outer, statistics, o, of_w, of_b, of_x)
                    : Sweeps<at::BFloat16>::backward(x, outer, statistics, o, of_w, of_b, of_x);
    if (w.defined()) result[1] = of_w;
    if (b.defined()) result[2] = of_b;
    return result;
  }

  // Gradients that can be differentiated again: those of libtorch's operations, made once more.
  static variable_list differentiable(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b,
                                      const at::Tensor &g, const BatchNorm &o, variable_list result) {
    variable_list all{x, w, b}, inputs;
    std::vector<size_t> places;
    for (size_t i = 0; i < all.size(); i++) {
      if (!all[i].defined() || !all[i].requires_grad()) continue;
      all[i] = all[i].view_as(all[i]);  // a stand-in: x may be made from w, and these are the derivatives of each alone
      places.push_back(i);
      inputs.push_back(all[i]);
    }
    if (inputs.empty()) return result;
    const at::Tensor y = composed(all[0], all[1], all[2], {}, {}, o);
    const auto found = torch::autograd::grad({y}, inputs, {g}, /*retain_graph=*/true, /*create_graph=*/true);
    for (size_t i = 0; i < places.size(); i++) result[places[i]] = found[i];
    return result;
  }
};

bool numbers(const at::Tensor &t, int64_t c) {
  return !t.defined() ||
         (t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 1 && t.size(0) == c && t.is_contiguous());
}

}  // namespace

at::Tensor channel_sums(const at::Tensor &x) {
  const auto type = x.scalar_type();
  if (!kThreads || !x.device().is_cpu() || x.numel() == 0 || (type != at::kFloat && type != at::kBFloat16) ||
      (x.requires_grad() && c10::GradMode::is_enabled())) {
    return x.sum({0, 2, 3}, false, type == at::kBFloat16 ? at::kFloat : type);
  }
  return type == at::kFloat ? sums_of<float>(rows_of(x)) : sums_of<c10::BFloat16>(rows_of(x));
}

at::Tensor batch_norm(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const at::Tensor &mean,
                      const at::Tensor &var, const BatchNorm &o) {
  const auto type = x.scalar_type();
  TORCH_CHECK(!o.training || x.dim() < 2 || x.numel() != x.size(1) || x.size(1) == 0,
              "training needs more than one value per channel, found shape ", x.sizes());
  const bool fits = kThreads && x.device().is_cpu() && (type == at::kFloat || type == at::kBFloat16) &&
                    (x.dim() == 2 || x.dim() == 4) && x.size(1) > 0 && x.numel() > x.size(1) && o.training &&
                    numbers(w, x.size(1)) && numbers(b, x.size(1)) && numbers(mean, x.size(1)) &&
                    numbers(var, x.size(1));
  if (plain() || !fits) return composed(x, w, b, mean, var, o);
  return Fused::apply(x, given(w), given(b), given(mean), given(var), o);
}

}  // namespace imori
