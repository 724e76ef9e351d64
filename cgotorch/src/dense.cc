#include "dense.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "apart.h"
#include "cpu.h"
#include "half_weights.h"
#include "panel_copies.h"
#include "precision.h"
#include "shares.h"
#include "simd.h"

namespace imori {
namespace dense {
namespace {

using namespace panels;

// Bytes of an input or output that stay in the cache.
constexpr int64_t kMost = 1 << 21;

// Calls work(first column, how many) for the columns of a panel, or several, at a time, on several threads.
template <typename Work>
void each_panel(int64_t columns, const Work &work, int64_t width = kPanel) {
  each_one(at::divup(columns, width), [&](int64_t i) { work(i * width, std::min(width, columns - i * width)); });
}

// A matrix in panels, with zeros up to `rows`.
template <typename T>
Panels<T> packed(const at::Tensor &m, int64_t rows, Scratch<T> &scratch) {
  const Panels<T> to = scratch.panels(rows, rounded(m.size(1), kPanel));
  const T *from = m.data_ptr<T>();
  const bool past = apart();
  each_panel(m.size(1), [&](int64_t column, int64_t n) {
    if (!past || n < kPanel) return copy(from + column, m.stride(0), m.size(0), n, to.from(column), rows);
    for (int64_t i = 0; i < m.size(0); i++) {
      const T *row = from + i * m.stride(0) + column;
      fetch_ahead(row, m.stride(0));
      write_past(to.at(i, column), row, kPanel);
    }
    clear(to.from(column), m.size(0), rows, kPanel);
    settle();
  });
  return to;
}

// m^T in panels, with its rows paired: two numbers of bfloat16 change places as one of float32 does.
template <typename T>
Panels<T> turned(const at::Tensor &m, Scratch<T> &scratch) {
  const int64_t rows = rounded(m.size(0), kPanel), columns = rounded(m.size(1), kTogether<T>);
  const Panels<T> to = scratch.panels(columns, rows);
  at::Tensor whole = m;
  if (m.size(0) != rows || m.size(1) != columns || m.stride(0) % kTogether<T> != 0) {
    whole = at::zeros({rows, columns}, m.options());
    whole.narrow(0, 0, m.size(0)).narrow(1, 0, m.size(1)).copy_(m);
  }
  const T *from = whole.data_ptr<T>();
  each_panel(columns, [&](int64_t column, int64_t n) {
    turn(from + column, whole.stride(0), rows, n, Panels<T>{to.at(column, 0), to.stride});
  });
  return to;
}

// Rows of 32 numbers, of which the first ones are wanted.
template <typename T>
void give(const float *from, int64_t rows, int64_t columns, const float *add, float slope, T *to, int64_t row) {
  for (int64_t i = 0; i < rows; i++, from += kPanel, to += row) {
    if (columns == kPanel) {
      finish(from, to, kPanel, add, slope);
      continue;
    }
    T padded[kPanel];
    finish(from, padded, kPanel, add, slope);
    std::copy_n(padded, columns, to);
  }
}

// As HalfWeights, for products of float32: where the weights are, if they fill a panel.
class FloatWeights {
 public:
  explicit FloatWeights(const at::Tensor &w) : w_(rows_of(w)) {}

  Operand<float> rows(int64_t first, const Panels<float> &room) const {
    const float *from = w_.data_ptr<float>() + first * w_.stride(0);
    const int64_t rows = std::min(kPanel, w_.size(0) - first);
    if (rows == kPanel) return {from, w_.stride(0)};
    copy(from, w_.stride(0), rows, w_.size(1), room, kPanel);
    return room;
  }
  void paired(int64_t first, int64_t all, int64_t column, int64_t columns, const Panels<float> &to) const {
    copy_paired(w_.data_ptr<float>() + first * w_.stride(0) + column, w_.stride(0), std::min(all, w_.size(0) - first),
                columns, to, all);
  }

 private:
  at::Tensor w_;
};

template <typename T>
using Weights = std::conditional_t<std::is_same_v<T, float>, FloatWeights, HalfWeights>;

template <typename T>
at::Tensor affine_of(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, float slope) {
  const Weights<T> w(weight);
  const int64_t n = x.size(0), in = x.size(1), out = weight.size(0), deep = rounded(in, kTogether<T>);
  const int64_t across = rounded(n, kPanel);
  Scratch<T> of_inputs(numbers_for(deep, across));
  const Panels<T> inputs = turned(x, of_inputs);  // few, where weights are many: y^T = w x^T
  at::Tensor y = at::empty({n, out}, x.options());
  T *to = y.data_ptr<T>();
  each_panel(out, [&](int64_t first, int64_t outs) {
    Scratch<T> of_weights(numbers_for(kPanel, rounded(in, kPanel)));
    Scratch<float> of_products(numbers_for(kPanel, across));
    const Panels<float> products = of_products.panels(kPanel, across);
    float add[kPanel] = {}, block[kPanel * kPanel];
    if (bias.defined()) std::copy_n(bias.data_ptr<float>() + first, outs, add);
    const Operand<T> weights = w.rows(first, of_weights.panels(kPanel, rounded(in, kPanel)));
    multiply<T>(weights, inputs, products, kPanel, deep, across);
    for (int64_t i = 0; i < n; i += kPanel) {
      transpose_block(block, products.at(0, i), kPanel, kPanel, kPanel);
      give(block, std::min(kPanel, n - i), outs, add, slope, to + i * out + first, out);
    }
  });
  return y;
}

// Rows of weights that a product takes at once: all of bfloat16, and as many of float32 as stay in the cache.
template <typename T>
constexpr int64_t kMostDeep = std::is_same_v<T, float> ? 128 : std::numeric_limits<int64_t>::max();

template <typename T>
at::Tensor input_of(const at::Tensor &g, const at::Tensor &weight) {
  const Weights<T> w(weight);
  const int64_t n = g.size(0), out = g.size(1), in = weight.size(1), rows = rounded(n);
  const int64_t deep = std::is_same_v<T, float> ? out : rounded(out, kPanel);  // AMX takes whole blocks
  const int64_t at_once = std::min(deep, kMostDeep<T>);
  Scratch<T> of_gradients(numbers_for(rows, rounded(out, kPanel)));
  const Panels<T> gradients = packed(g, rows, of_gradients);
  at::Tensor x = at::empty({n, in}, g.options());
  T *to = x.data_ptr<T>();
  const auto work = [&](int64_t first, int64_t ins) {
    const int64_t columns = rounded(ins, kPanel);
    Scratch<T> of_weights(numbers_for(at_once, columns));
    Scratch<float> of_products(numbers_for(rows, columns));
    const Panels<T> weights = of_weights.panels(at_once, columns);
    const Panels<float> products = of_products.panels(rows, columns);
    for (int64_t k = 0; k < deep; k += at_once) {
      const int64_t some = std::min(at_once, deep - k);
      w.paired(k, some, first, ins, weights);
      multiply<T>(gradients.from(k), weights, products, rows, some, columns, k > 0);
    }
    for (int64_t c = 0; c < ins; c += kPanel) {
      give(products.at(0, c), n, std::min(kPanel, ins - c), nullptr, 1, to + first + c, in);
    }
  };
  // Longer stretches of rows are read faster; all rows taken at once are to stay in the cache, and threads to have
  // work.
  const bool wide = at_once <= 1024 && in >= 8 * kPanel * at::get_num_threads();
  each_panel(in, work, wide ? 2 * kTogether<T> * kPanel : kPanel);
  return x;
}

// Sums are made for so many rows at a time, lest small numbers are added to large ones.
constexpr int64_t kRowsOfSum = 64;

template <typename T>
IMORI_INLINED void behind_columns(const T *__restrict g, int64_t g_row, const T *__restrict y, int64_t y_row,
                                  T *__restrict to, int64_t to_row, int64_t rows, int64_t columns, float slope,
                                  float *__restrict sums) {
  float part[kPanel];
  for (int64_t j = 0; j < columns; j++) sums[j] = 0;
  for (int64_t first = 0; first < rows; first += kRowsOfSum) {
    for (int64_t j = 0; j < columns; j++) part[j] = 0;
    for (int64_t i = first; i < std::min(first + kRowsOfSum, rows); i++) {
      for (int64_t j = 0; j < columns; j++) {
        float d = load(g + i * g_row + j);
        if (y != nullptr) {
          d = load(y + i * y_row + j) <= 0 ? (slope == 0 ? 0 : slope * d) : d;
          store(to + i * to_row + j, d);
        }
        part[j] += d;
      }
    }
    for (int64_t j = 0; j < columns; j++) sums[j] += part[j];
  }
}
IMORI_VERSIONED void behind_loop(const float *g, int64_t g_row, const float *y, int64_t y_row, float *to,
                                 int64_t to_row, int64_t rows, int64_t columns, float slope, float *sums) {
  behind_columns(g, g_row, y, y_row, to, to_row, rows, columns, slope, sums);
}
IMORI_VERSIONED void behind_loop(const Half *g, int64_t g_row, const Half *y, int64_t y_row, Half *to, int64_t to_row,
                                 int64_t rows, int64_t columns, float slope, float *sums) {
  behind_columns(g, g_row, y, y_row, to, to_row, rows, columns, slope, sums);
}

template <typename T>
Behind behind_of(const at::Tensor &g, const at::Tensor &y, float slope) {
  const int64_t n = g.size(0), out = g.size(1);
  Behind made{slope == 1 ? g : at::empty({n, out}, g.options()), at::empty({out}, g.options().dtype(at::kFloat))};
  const T *from = g.data_ptr<T>(), *of_y = slope == 1 ? nullptr : y.data_ptr<T>();
  T *to = slope == 1 ? nullptr : made.g.data_ptr<T>();
  float *sums = made.sums.data_ptr<float>();
  each_panel(out, [&](int64_t first, int64_t outs) {
    behind_loop(from + first, g.stride(0), of_y == nullptr ? of_y : of_y + first, of_y == nullptr ? 0 : y.stride(0),
                to == nullptr ? to : to + first, out, n, outs, slope, sums + first);
  });
  return made;
}

// Narrow products are the BLAS's.
constexpr int64_t kNarrow = 16;

}  // namespace

at::Tensor rows_of(const at::Tensor &m) { return m.stride(1) == 1 && m.stride(0) >= m.size(1) ? m : m.contiguous(); }

bool fits(const at::Tensor &rows, const at::Tensor &w) {
  const auto type = rows.scalar_type();
  const bool typed = w.scalar_type() == at::kFloat && (type == at::kFloat || (type == at::kBFloat16 && our_bf16()));
  const int64_t bytes = static_cast<int64_t>(rows.element_size());
  return has_kernels() && typed && rounded(rows.size(0), kPanel) * std::max(w.size(0), w.size(1)) * bytes <= kMost;
}

bool input_wins(const at::Tensor &g, const at::Tensor &w) {
  const bool wide = std::min(g.size(0), w.size(1)) >= kNarrow;
  return (g.scalar_type() == at::kBFloat16 || (wide && !uses_avx512())) && fits(g, w);
}

bool wins(const at::Tensor &x, const at::Tensor &w) {
  const bool wide = std::min(x.size(0), w.size(0)) >= kNarrow;
  return (x.scalar_type() == at::kBFloat16 || wide) && fits(x, w);
}

at::Tensor affine(const at::Tensor &maps, const at::Tensor &w, const at::Tensor &b, double slope) {
  const at::Tensor x = rows_of(maps), bias = b.defined() ? b.contiguous() : b;
  const float s = static_cast<float>(slope);
  return x.scalar_type() == at::kFloat ? affine_of<float>(x, w, bias, s) : affine_of<Half>(x, w, bias, s);
}

at::Tensor input(const at::Tensor &gradient, const at::Tensor &w) {
  const at::Tensor g = rows_of(gradient);
  return g.scalar_type() == at::kFloat ? input_of<float>(g, w) : input_of<Half>(g, w);
}

Behind behind(const at::Tensor &gradient, const at::Tensor &result, double slope) {
  const at::Tensor g = rows_of(gradient), y = slope == 1 ? result : rows_of(result);
  const float s = static_cast<float>(slope);
  return g.scalar_type() == at::kFloat ? behind_of<float>(g, y, s) : behind_of<Half>(g, y, s);
}

}  // namespace dense
}  // namespace imori
