#include "pool.h"

#include <ATen/Parallel.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#include "activation.h"
#include "conv.h"
#include "cpu.h"
#include "precision.h"

#define IMORI_EACH_CPU "pool_loops.h"
#include "each_cpu.h"

namespace imori {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Channels that fill vectors, whichever the processor has.
constexpr int64_t kChannels = 16;

// The type of what there is a pointer to.
template <typename Pointer>
using Of = std::remove_pointer_t<Pointer>;

// ---- with tensors ----

// The maps with the squares: those pooled, or those that come out of upsampling.
struct Squares {
  int64_t n, c, h, w;

  explicit Squares(at::IntArrayRef x) : n(x[0]), c(x[1]), h(x[2]), w(x[3]) {}

  bool whole() const { return h % 2 == 0 && w % 2 == 0; }

  at::Tensor small(const at::TensorOptions &o) const { return empty_maps({n, c, h / 2, w / 2}, o); }
  // No square has the last row and column of an odd number of them.
  at::Tensor large(const at::TensorOptions &o) const {
    at::Tensor made = empty_maps({n, c, h, w}, o);
    return whole() ? made : made.zero_();
  }

  // Calls work(upper row, lower row, number in small maps) where each row of squares of maps begins, on several
  // threads.
  template <typename Work>
  void each_row(const at::Tensor &maps, const Work &work) const {
    maps.scalar_type() == at::kFloat ? each_row_of<float>(maps, work) : each_row_of<at::BFloat16>(maps, work);
  }

 private:
  template <typename T, typename Work>
  void each_row_of(const at::Tensor &maps, const Work &work) const {
    const int64_t rows = h / 2, row = w * c, few = std::max<int64_t>(1, 16384 / row);
    T *data = maps.data_ptr<T>();
    at::parallel_for(0, n * rows, few, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; i++) {
        T *upper = data + (i / rows * h + i % rows * 2) * row;
        work(upper, upper + row, i * (w / 2) * c);
      }
    });
  }
};

// Where number `at` of maps is, null if there are none; the type is that of a row of others.
template <typename T>
T *at_number(const at::Tensor &maps, int64_t at, T *) {
  return maps.defined() ? maps.data_ptr<T>() + at : nullptr;
}

// What the gradients of a maximum go by: the maps' sizes, which place of its square it was, and, if there is an
// activation behind it, what came out.
struct Maxima {
  Squares squares;
  at::Tensor y, which;
  double slope;

  uint8_t *which_at(int64_t number) const { return which.data_ptr<uint8_t>() + number; }

  void remember(AutogradContext *ctx) const {
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({y, which});
    ctx->saved_data["sizes"] = std::vector<int64_t>{squares.n, squares.c, squares.h, squares.w};
    ctx->saved_data["slope"] = slope;
  }
  static Maxima remembered(AutogradContext *ctx) {
    const auto saved = ctx->get_saved_variables();
    return {Squares(ctx->saved_data["sizes"].toIntVector()), saved[0].defined() ? saved[0].detach() : saved[0],
            saved[1], ctx->saved_data["slope"].toDouble()};
  }
};

// Two linear functions of the gradient, each of which is the other one's gradient.
struct Gather;

struct Scatter : torch::autograd::Function<Scatter> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &gradient, const Maxima &m) {
    m.remember(ctx);
    const at::Tensor g = packed(gradient), x = m.squares.large(g.options());
    const Squares &s = m.squares;
    s.each_row(x, [&](auto *upper, auto *lower, int64_t at) {
      IMORI_CALL(Of<decltype(upper)>, scatter_row(at_number(g, at, upper), at_number(m.y, at, upper), m.which_at(at),
                                                  upper, lower, s.w / 2, s.c, static_cast<float>(m.slope)));
    });
    return x;
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients);
};

struct Gather : torch::autograd::Function<Gather> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &gradient, const Maxima &m) {
    m.remember(ctx);
    const at::Tensor g = packed(gradient), y = m.squares.small(g.options());
    const Squares &s = m.squares;
    s.each_row(g, [&](auto *upper, auto *lower, int64_t at) {
      IMORI_CALL(Of<decltype(upper)>, gather_row(upper, lower, at_number(m.y, at, upper), m.which_at(at),
                                                 at_number(y, at, upper), s.w / 2, s.c, static_cast<float>(m.slope)));
    });
    return y;
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    if (!gradients[0].defined()) return variable_list(2);
    return {Scatter::apply(gradients[0], Maxima::remembered(ctx)), at::Tensor()};
  }
};

variable_list Scatter::backward(AutogradContext *ctx, variable_list gradients) {
  if (!gradients[0].defined()) return variable_list(2);
  return {Gather::apply(gradients[0], Maxima::remembered(ctx)), at::Tensor()};
}

struct Max : torch::autograd::Function<Max> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &maps, double slope) {
    const at::Tensor x = packed(maps);
    const Squares s(x.sizes());
    const at::Tensor maxima = s.small(x.options());
    const Maxima m{s, slope == 1 ? at::Tensor() : maxima, s.small(x.options().dtype(at::kByte)), slope};
    s.each_row(x, [&](auto *upper, auto *lower, int64_t at) {
      IMORI_CALL(Of<decltype(upper)>, max_row(upper, lower, at_number(maxima, at, upper), m.which_at(at), s.w / 2, s.c,
                                              static_cast<float>(slope)));
    });
    m.remember(ctx);
    return maxima;
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    if (!gradients[0].defined()) return variable_list(2);
    return {Scatter::apply(gradients[0], Maxima::remembered(ctx)), at::Tensor()};
  }
};

// The sum of each square, and its transposed, each times a number.
struct Spread;

struct Sum : torch::autograd::Function<Sum> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &maps, double scale) {
    const at::Tensor x = packed(maps);
    const Squares s(x.sizes());
    ctx->set_materialize_grads(false);
    ctx->saved_data["sizes"] = x.sizes().vec();
    ctx->saved_data["scale"] = scale;
    const at::Tensor y = s.small(x.options());
    s.each_row(x, [&](auto *upper, auto *lower, int64_t at) {
      IMORI_CALL(Of<decltype(upper)>,
                 sum_row(upper, lower, at_number(y, at, upper), s.w / 2, s.c, static_cast<float>(scale)));
    });
    return y;
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients);
};

struct Spread : torch::autograd::Function<Spread> {
  static at::Tensor forward(AutogradContext *ctx, const at::Tensor &maps, at::IntArrayRef sizes, double scale) {
    const at::Tensor x = packed(maps);
    const Squares s(sizes);
    ctx->set_materialize_grads(false);
    ctx->saved_data["scale"] = scale;
    const at::Tensor y = s.large(x.options());
    s.each_row(y, [&](auto *upper, auto *lower, int64_t at) {
      IMORI_CALL(Of<decltype(upper)>,
                 spread_row(at_number(x, at, upper), upper, lower, s.w / 2, s.c, static_cast<float>(scale)));
    });
    return y;
  }
  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    if (!gradients[0].defined()) return variable_list(3);
    return {Sum::apply(gradients[0], ctx->saved_data["scale"].toDouble()), at::Tensor(), at::Tensor()};
  }
};

variable_list Sum::backward(AutogradContext *ctx, variable_list gradients) {
  if (!gradients[0].defined()) return variable_list(2);
  const auto sizes = ctx->saved_data["sizes"].toIntVector();
  return {Spread::apply(gradients[0], sizes, ctx->saved_data["scale"].toDouble()), at::Tensor()};
}

// What libtorch's loops are left to: they report what is wrong, too.
bool ours(const at::Tensor &x) {
  return !plain() && has_kernels() && our_type(x.scalar_type()) && x.device().is_cpu() && x.dim() == 4 &&
         x.numel() > 0 && x.size(1) % kChannels == 0;
}

bool has_squares(const at::Tensor &x, int64_t kernel) {
  return ours(x) && kernel == 2 && x.size(2) >= 2 && x.size(3) >= 2;
}

}  // namespace

at::Tensor max_pool2d(const at::Tensor &x, int64_t kernel, double slope) {
  TORCH_CHECK(slope >= 0, "the slope of an activation behind a maximum must not be below 0, found ", slope);
  if (has_squares(x, kernel)) return Max::apply(x, slope);
  return activated(at::max_pool2d(x, {kernel, kernel}), slope);
}

at::Tensor avg_pool2d(const at::Tensor &x, int64_t kernel) {
  return has_squares(x, kernel) ? Sum::apply(x, 0.25) : at::avg_pool2d(x, {kernel, kernel});
}

at::Tensor upsample_nearest2d(const at::Tensor &x, int64_t factor) {
  TORCH_CHECK(x.dim() == 4, "upsampling needs N x C x H x W, found shape ", x.sizes());
  TORCH_CHECK(factor >= 1, "the factor of upsampling must be at least 1, found ", factor);
  const std::vector<int64_t> size{x.size(2) * factor, x.size(3) * factor};
  if (ours(x) && factor == 2) return Spread::apply(x, at::IntArrayRef({x.size(0), x.size(1), size[0], size[1]}), 1.0);
  // libtorch before 2.1 has no kernel of bfloat16 for CUDA.
  if (x.is_cuda() && x.scalar_type() == at::kBFloat16) return at::upsample_nearest2d(full(x), size).to(x.scalar_type());
  return at::upsample_nearest2d(x, size);
}

}  // namespace imori
