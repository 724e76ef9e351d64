#include "group_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
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

// ---- one group of one image: rows places of width channels, stride numbers apart ----
//
// With xhat = (x - mean) r, r = 1/sqrt(var + eps), a = w g behind the activation, D numbers and the projection
// P t = t - mean(t) - xhat <xhat, t>/D:
//
//	gradient of x:  r P a
//
// and if v is the gradient of that, with L = <v, r P a>:
//
//	gradient of g:  w r P v behind the activation
//	gradient of w:  sum of g r P v
//	gradient of x:  -(r L/D) xhat - (r^2/D) (<xhat, a> P v + <xhat, v> P a)

struct Group {
  int64_t rows, width, stride;
  float mean, r, slope;
  const float *w, *b;
};

// Sums over the rows, for each channel, are float over a block of rows and double beyond it.
constexpr int64_t kBlock = 64;

class Sums {
 public:
  // f(from, rows, sums) adds up a block's n sums.
  template <typename F>
  void add(int64_t rows, int64_t n, F f) {
    total_.assign(static_cast<size_t>(n), 0.0);
    for (int64_t from = 0; from < rows; from += kBlock) {
      block_.assign(static_cast<size_t>(n), 0.0f);
      f(from, std::min(kBlock, rows - from), block_.data());
      for (size_t j = 0; j < block_.size(); j++) total_[j] += block_[j];
    }
  }

  const double *data() const { return total_.data(); }

  // The total of width sums, from one on, each times its weight.
  double total(int64_t from, int64_t width, const float *weights = nullptr) const {
    double t = 0;
    for (int64_t j = 0; j < width; j++) t += data()[from + j] * (weights != nullptr ? weights[j] : 1);
    return t;
  }

 private:
  std::vector<float> block_;
  std::vector<double> total_;
};

template <typename T>
IMORI_INLINED void moments_of(const T *__restrict x, int64_t rows, int64_t width, int64_t stride, float mean,
                              bool square, float *__restrict sum) {
  for (int64_t i = 0; i < rows; i++, x += stride) {
    if (square) {
      for (int64_t j = 0; j < width; j++) {
        const float d = load(x + j) - mean;
        sum[j] += d * d;
      }
    } else {
      for (int64_t j = 0; j < width; j++) sum[j] += load(x + j);
    }
  }
}

template <typename T>
IMORI_INLINED void normal_of(const T *__restrict x, T *__restrict y, const Group &o) {
  const float *__restrict w = o.w, *__restrict b = o.b;
  const float mean = o.mean, r = o.r, slope = o.slope;
  for (int64_t i = 0; i < o.rows; i++, x += o.stride, y += o.stride) {
    for (int64_t j = 0; j < o.width; j++) {
      const float t = (load(x + j) - mean) * r * w[j] + b[j];
      store(y + j, t > 0 ? t : slope * t);
    }
  }
}

// The gradient before the activation.
IMORI_INLINED float behind(float xhat, float g, float w, float b, float slope) {
  return xhat * w + b > 0 ? g : slope * g;
}

// Sums of g and g xhat behind the activation.
template <typename T>
IMORI_INLINED void first_sums_of(const T *__restrict x, const T *__restrict g, int64_t rows, const Group &o,
                                 float *__restrict of_b, float *__restrict of_w) {
  const float *__restrict w = o.w, *__restrict b = o.b;
  const float mean = o.mean, r = o.r, slope = o.slope;
  for (int64_t i = 0; i < rows; i++, x += o.stride, g += o.stride) {
    for (int64_t j = 0; j < o.width; j++) {
      const float xhat = (load(x + j) - mean) * r, d = behind(xhat, load(g + j), w[j], b[j], slope);
      of_b[j] += d;
      of_w[j] += d * xhat;
    }
  }
}

template <typename T>
IMORI_INLINED void first_of(const T *__restrict x, const T *__restrict g, T *__restrict out, const Group &o, float ma,
                            float sa) {
  const float *__restrict w = o.w, *__restrict b = o.b;
  const float mean = o.mean, r = o.r, slope = o.slope;
  for (int64_t i = 0; i < o.rows; i++, x += o.stride, g += o.stride, out += o.stride) {
    for (int64_t j = 0; j < o.width; j++) {
      const float xhat = (load(x + j) - mean) * r, a = behind(xhat, load(g + j), w[j], b[j], slope) * w[j];
      store(out + j, r * (a - ma - xhat * sa));
    }
  }
}

// Sums of a, a xhat, v, v xhat, v a.
template <typename T>
IMORI_INLINED void second_sums_of(const T *__restrict x, const T *__restrict g, const T *__restrict v, int64_t rows,
                                  const Group &o, float *__restrict sum) {
  const float *__restrict w = o.w, *__restrict b = o.b;
  const float mean = o.mean, r = o.r, slope = o.slope;
  const int64_t n = o.width;
  for (int64_t i = 0; i < rows; i++, x += o.stride, g += o.stride, v += o.stride) {
    for (int64_t j = 0; j < n; j++) {
      const float xhat = (load(x + j) - mean) * r, a = behind(xhat, load(g + j), w[j], b[j], slope) * w[j];
      const float u = load(v + j);
      sum[j] += a;
      sum[n + j] += a * xhat;
      sum[2 * n + j] += u;
      sum[3 * n + j] += u * xhat;
      sum[4 * n + j] += u * a;
    }
  }
}

// What the sums make of the formulas above: means, <., xhat>/D, and L/D.
struct Second {
  float ma, sa, mv, sv, l;
};

template <typename T>
IMORI_INLINED void second_of(const T *__restrict x, const T *__restrict g, const T *__restrict v, T *__restrict of_g,
                             T *__restrict of_x, int64_t rows, const Group &o, const Second &s,
                             float *__restrict of_w) {
  const float *__restrict w = o.w, *__restrict b = o.b;
  const float mean = o.mean, r = o.r, slope = o.slope;
  for (int64_t i = 0; i < rows; i++, x += o.stride, g += o.stride, v += o.stride, of_g += o.stride, of_x += o.stride) {
    for (int64_t j = 0; j < o.width; j++) {
      const float xhat = (load(x + j) - mean) * r, d = behind(xhat, load(g + j), w[j], b[j], slope), a = d * w[j];
      const float q = load(v + j) - s.mv - xhat * s.sv, p = a - s.ma - xhat * s.sa;
      of_w[j] += d * r * q;
      store(of_g + j, behind(xhat, w[j] * r * q, w[j], b[j], slope));
      store(of_x + j, -r * s.l * xhat - r * r * (s.sa * q + s.sv * p));
    }
  }
}

// clang-format off
#define IMORI_LOOPS(T)                                                                                              \
  IMORI_VERSIONED void moments(const T *x, int64_t rows, int64_t width, int64_t stride, float mean, bool square,    \
                               float *sum) {                                                                        \
    moments_of(x, rows, width, stride, mean, square, sum);                                                          \
  }                                                                                                                 \
  IMORI_VERSIONED void normal(const T *x, T *y, const Group &o) { normal_of(x, y, o); }                             \
  IMORI_VERSIONED void first_sums(const T *x, const T *g, int64_t rows, const Group &o, float *of_b, float *of_w) { \
    first_sums_of(x, g, rows, o, of_b, of_w);                                                                       \
  }                                                                                                                 \
  IMORI_VERSIONED void first(const T *x, const T *g, T *out, const Group &o, float ma, float sa) {                  \
    first_of(x, g, out, o, ma, sa);                                                                                 \
  }                                                                                                                 \
  IMORI_VERSIONED void second_sums(const T *x, const T *g, const T *v, int64_t rows, const Group &o, float *sum) {  \
    second_sums_of(x, g, v, rows, o, sum);                                                                          \
  }                                                                                                                 \
  IMORI_VERSIONED void second(const T *x, const T *g, const T *v, T *of_g, T *of_x, int64_t rows, const Group &o,   \
                              const Second &s, float *of_w) {                                                       \
    second_of(x, g, v, of_g, of_x, rows, o, s, of_w);                                                               \
  }
IMORI_LOOPS(float)
IMORI_LOOPS(c10::BFloat16)
// clang-format on
#undef IMORI_LOOPS

// ---- with tensors ----

struct Options {
  int64_t groups;
  double eps, slope;
};

// Runs f on each group of each image: its number, where it begins, and what it is. statistics holds mean and r of each.
template <typename F>
void each_group(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const at::Tensor &statistics,
                const Options &o, F f) {
  const int64_t c = x.size(1), rows = x.size(2) * x.size(3), width = c / o.groups;
  const float *known = statistics.data_ptr<float>(), *ws = w.data_ptr<float>(), *bs = b.data_ptr<float>();
  at::parallel_for(0, x.size(0) * o.groups, 1, [&](int64_t from, int64_t to) {
    Sums sums;
    for (int64_t i = from; i < to; i++) {
      const int64_t first_channel = i % o.groups * width;
      const Group g{rows,
                    width,
                    c,
                    known[2 * i],
                    known[2 * i + 1],
                    static_cast<float>(o.slope),
                    ws + first_channel,
                    bs + first_channel};
      f(i, i / o.groups * rows * c + first_channel, g, sums);
    }
  });
}

template <typename T>
at::Tensor sweep_forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, at::Tensor statistics,
                         const Options &o) {
  at::Tensor y = at::empty_like(x);
  const T *in = x.data_ptr<T>();
  T *out = y.data_ptr<T>();
  float *known = statistics.data_ptr<float>();
  constexpr int64_t kTogether = 4;
  each_group(x, w, b, statistics, o, [&](int64_t i, int64_t at, Group g, Sums &sums) {
    // Of a single group only the total counts: four rows are taken as one, for four times as many independent sums.
    const int64_t together = g.width == g.stride && g.rows % kTogether == 0 ? kTogether : 1;
    const int64_t width = g.width * together, stride = g.stride * together;
    const auto moment = [&](bool square) {
      sums.add(g.rows / together, width, [&](int64_t from, int64_t rows, float *s) {
        moments(in + at + from * stride, rows, width, stride, g.mean, square, s);
      });
      return sums.total(0, width) / static_cast<double>(g.rows * g.width);
    };
    g.mean = known[2 * i] = static_cast<float>(moment(false));
    g.r = known[2 * i + 1] = static_cast<float>(1 / std::sqrt(moment(true) + o.eps));
    normal(in + at, out + at, g);
  });
  return y;
}

// Sums what each image has for each channel.
at::Tensor over_images(const at::Tensor &of_images) { return of_images.sum(0); }

template <typename T>
variable_list sweep_first(const at::Tensor &g, const at::Tensor &x, const at::Tensor &w, const at::Tensor &b,
                          const at::Tensor &statistics, const Options &o) {
  at::Tensor of_x = at::empty_like(x);
  const auto numbers = w.options().requires_grad(false);
  at::Tensor of_w = at::zeros({x.size(0), x.size(1)}, numbers), of_b = at::zeros_like(of_w);
  const T *xs = x.data_ptr<T>(), *gs = g.data_ptr<T>();
  T *out = of_x.data_ptr<T>();
  float *ws = of_w.data_ptr<float>(), *bs = of_b.data_ptr<float>();
  each_group(x, w, b, statistics, o, [&](int64_t i, int64_t at, const Group &k, Sums &sums) {
    const double n = static_cast<double>(k.rows * k.width);
    sums.add(k.rows, 2 * k.width, [&](int64_t from, int64_t rows, float *s) {
      first_sums(xs + at + from * k.stride, gs + at + from * k.stride, rows, k, s, s + k.width);
    });
    std::copy_n(sums.data(), k.width, bs + i * k.width);
    std::copy_n(sums.data() + k.width, k.width, ws + i * k.width);
    const double a = sums.total(0, k.width, k.w) / n, ax = sums.total(k.width, k.width, k.w) / n;
    first(xs + at, gs + at, out + at, k, static_cast<float>(a), static_cast<float>(ax));
  });
  return {of_x, over_images(of_w), over_images(of_b)};
}

template <typename T>
variable_list sweep_second(const at::Tensor &v, const at::Tensor &g, const at::Tensor &x, const at::Tensor &w,
                           const at::Tensor &b, const at::Tensor &statistics, const Options &o) {
  at::Tensor of_g = at::empty_like(g), of_x = at::empty_like(x);
  at::Tensor of_w = at::zeros({x.size(0), x.size(1)}, w.options().requires_grad(false));
  const T *xs = x.data_ptr<T>(), *gs = g.data_ptr<T>(), *vs = v.data_ptr<T>();
  T *out_g = of_g.data_ptr<T>(), *out_x = of_x.data_ptr<T>();
  float *ws = of_w.data_ptr<float>();
  each_group(x, w, b, statistics, o, [&](int64_t i, int64_t at, const Group &k, Sums &sums) {
    sums.add(k.rows, 5 * k.width, [&](int64_t from, int64_t rows, float *s) {
      const int64_t place = at + from * k.stride;
      second_sums(xs + place, gs + place, vs + place, rows, k, s);
    });
    double t[5];
    for (int j = 0; j < 5; j++) t[j] = sums.total(j * k.width, k.width) / static_cast<double>(k.rows * k.width);
    const Second s{static_cast<float>(t[0]), static_cast<float>(t[1]), static_cast<float>(t[2]),
                   static_cast<float>(t[3]), static_cast<float>(k.r * (t[4] - t[2] * t[0] - t[3] * t[1]))};
    sums.add(k.rows, k.width, [&](int64_t from, int64_t rows, float *of) {
      const int64_t place = at + from * k.stride;
      second(xs + place, gs + place, vs + place, out_g + place, out_x + place, rows, k, s, of);
    });
    std::copy_n(sums.data(), k.width, ws + i * k.width);
  });
  return {of_g, of_x, over_images(of_w)};
}

// libtorch's own.
at::Tensor composed(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Options &o) {
  const at::Tensor y = at::group_norm(full(x), o.groups, w, b, o.eps);
  return activated(y, o.slope).to(x.scalar_type());
}

void remember(AutogradContext *ctx, const Options &o, const at::Tensor &statistics) {
  ctx->saved_data["groups"] = o.groups;
  ctx->saved_data["eps"] = o.eps;
  ctx->saved_data["slope"] = o.slope;
  ctx->saved_data["statistics"] = statistics;
}

Options remembered(AutogradContext *ctx) {
  return {ctx->saved_data["groups"].toInt(), ctx->saved_data["eps"].toDouble(), ctx->saved_data["slope"].toDouble()};
}

// The gradients of the normalisation, as a function of the gradient that comes in, of x and of w.
struct First : torch::autograd::Function<First> {
  static variable_list forward(AutogradContext *ctx, const at::Tensor &gradient, const at::Tensor &maps,
                               const at::Tensor &w, const at::Tensor &b, const at::Tensor &statistics,
                               const Options &o) {
    ctx->set_materialize_grads(false);  // zeros for those that nobody differentiates would make work
    ctx->save_for_backward({gradient, maps, w, b});
    remember(ctx, o, statistics);
    const at::Tensor g = packed(gradient), x = packed(maps);
    return x.scalar_type() == at::kFloat ? sweep_first<float>(g, x, w, b, statistics, o)
                                         : sweep_first<at::BFloat16>(g, x, w, b, statistics, o);
  }

  static variable_list backward(AutogradContext *ctx, variable_list v) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &gradient = saved[0], &maps = saved[1], &w = saved[2], &b = saved[3];
    const Options o = remembered(ctx);
    const at::Tensor statistics = ctx->saved_data["statistics"].toTensor();
    variable_list result(6);
    if (!v[0].defined() && !v[1].defined() && !v[2].defined()) return result;
    if (c10::GradMode::is_enabled() || v[1].defined() || v[2].defined()) {
      return composed_gradients(gradient, maps, w, b, v, o, std::move(result));
    }
    const at::Tensor g = packed(gradient), x = packed(maps), outer = packed(v[0]);
    variable_list found = x.scalar_type() == at::kFloat ? sweep_second<float>(outer, g, x, w, b, statistics, o)
                                                        : sweep_second<at::BFloat16>(outer, g, x, w, b, statistics, o);
    std::move(found.begin(), found.end(), result.begin());
    return result;
  }

  // Where the gradients of w and b are differentiated, or a third time: by libtorch's operations, made once more.
  static variable_list composed_gradients(const at::Tensor &g, const at::Tensor &x, const at::Tensor &w,
                                          const at::Tensor &b, const variable_list &v, const Options &o,
                                          variable_list result) {
    const bool again = c10::GradMode::is_enabled();
    at::AutoGradMode on(true);
    // Stand-ins, since one may be made from another, and these derivatives are of each by itself.
    const auto input = [&](const at::Tensor &t) {
      return again && t.requires_grad() ? t.view_as(t) : t.detach().requires_grad_();
    };
    const variable_list inputs{input(g), input(x), input(w), input(b)};
    const at::Tensor y = composed(inputs[1], inputs[2], inputs[3], o);
    const auto first = torch::autograd::grad({y}, {inputs[1], inputs[2], inputs[3]}, {inputs[0]}, true, true);
    variable_list outputs, gradients;
    for (size_t i = 0; i < 3; i++) {
      if (!v[i].defined()) continue;
      outputs.push_back(first[i]);
      gradients.push_back(v[i]);
    }
    const auto found = torch::autograd::grad(outputs, inputs, gradients, true, again, /*allow_unused=*/true);
    std::copy(found.begin(), found.end(), result.begin());
    return result;
  }
};

struct Normal : torch::autograd::Function<Normal> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b,
                            const Options &o) {
    const at::Tensor x = packed(maps),
                     statistics = at::empty({x.size(0) * o.groups, 2}, w.options().requires_grad(false));
    ctx->save_for_backward({maps, w, b});
    remember(ctx, o, statistics);
    return x.scalar_type() == at::kFloat ? sweep_forward<float>(x, w, b, statistics, o)
                                         : sweep_forward<at::BFloat16>(x, w, b, statistics, o);
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor none;
    if (!gradients[0].defined()) return {none, none, none, none};
    const auto found = First::apply(gradients[0], saved[0], saved[1], saved[2],
                                    ctx->saved_data["statistics"].toTensor(), remembered(ctx));
    return {found[0], found[1], found[2], none};
  }
};

bool numbers(const at::Tensor &t, int64_t c) {
  return t.defined() && t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 1 && t.size(0) == c &&
         t.is_contiguous();
}

}  // namespace

at::Tensor group_norm(const at::Tensor &x, int64_t groups, const at::Tensor &w, const at::Tensor &b, double eps,
                      double slope) {
  const Options o{groups, eps, slope};
  const bool fits = kThreads && x.device().is_cpu() && x.dim() == 4 && x.numel() > 0 && groups > 0 &&
                    x.size(1) % groups == 0 && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16) &&
                    numbers(w, x.size(1)) && numbers(b, x.size(1));
  return plain() || !fits ? composed(x, w, b, o) : Normal::apply(x, w, b, o);
}

}  // namespace imori
