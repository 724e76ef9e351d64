#include "linear_bf16.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cstring>

#include "panel_scratch.h"
#include "precision.h"
#include "simd.h"
#include "transpose.h"

namespace imori {
namespace bf16 {
namespace {

using namespace panels;

// Numbers of an input or output that stay in the cache.
constexpr int64_t kMost = 1 << 20;

at::Tensor rows_of(const at::Tensor &m) { return m.stride(1) == 1 && m.stride(0) >= m.size(1) ? m : m.contiguous(); }

// Calls work(first column, how many) for the columns of a panel, or several, at a time, on several threads.
template <typename Work>
void each_panel(int64_t columns, const Work &work, int64_t width = kPanel) {
  at::parallel_for(0, rounded(columns, width) / width, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) work(i * width, std::min(width, columns - i * width));
  });
}

// A stretch of a row, of 32 numbers at most, and zeros behind it to fill the panel.
void copy(const Half *from, int64_t n, Half *to) {
  std::copy_n(from, n, to);
  std::fill(to + n, to + kPanel, Half(0));
}

void copy(const float *from, int64_t n, Half *to) {
  if (n == kPanel) return round(from, to, kPanel);
  float padded[kPanel] = {};
  std::copy_n(from, n, padded);
  round(padded, to, kPanel);
}

// Rows that are `row` numbers apart, in panels, and zeros behind them.
template <typename T>
void copy(const T *from, int64_t row, int64_t rows, int64_t columns, const Panels<Half> &to, int64_t all) {
  for (int64_t i = 0; i < rows; i++, from += row) {
    for (int64_t c = 0; c < columns; c += kPanel) copy(from + c, std::min(kPanel, columns - c), to.at(i, c));
  }
  clear(to, rows, all, columns);
}

// A matrix in panels, with zeros up to `rows`.
Panels<Half> packed(const at::Tensor &m, int64_t rows, bool paired, Scratch<Half> &scratch) {
  const Panels<Half> to = scratch.panels(rows, rounded(m.size(1), kPanel));
  const Half *from = m.data_ptr<Half>();
  each_panel(m.size(1), [&](int64_t column, int64_t n) {
    copy(from + column, m.stride(0), m.size(0), n, to.from(column), rows);
    if (paired) pair(to.from(column), 0, rows, kPanel);
  });
  return to;
}

int64_t numbers_of(const at::Tensor &m, int64_t rows) { return numbers_for(rows, rounded(m.size(1), kPanel)); }

// m^T in panels, with its rows paired: pairs of m's numbers change places as those of float32 do.
Panels<Half> turned(const at::Tensor &m, Scratch<Half> &scratch) {
  const int64_t rows = rounded(m.size(0), kPanel), columns = rounded(m.size(1), kPanel);
  const Panels<Half> to = scratch.panels(columns, rows);
  at::Tensor whole = m;
  if (m.size(0) != rows || m.size(1) != columns || m.stride(0) % 2 != 0) {
    whole = at::zeros({rows, columns}, m.options());
    whole.narrow(0, 0, m.size(0)).narrow(1, 0, m.size(1)).copy_(m);
  }
  const Half *from = whole.data_ptr<Half>();
  each_panel(columns, [&](int64_t column, int64_t) {
    for (int64_t row = 0; row < rows; row += kPanel) {
      transpose_block(reinterpret_cast<float *>(to.at(column, row)),
                      reinterpret_cast<const float *>(from + row * whole.stride(0) + column), whole.stride(0) / 2,
                      kPanel, kPanel / 2);
    }
  });
  return to;
}

// Rounds rows of 32 numbers, of which the first ones are wanted.
void give(const float *from, int64_t rows, int64_t columns, const float *add, Half *to, int64_t row) {
  for (int64_t i = 0; i < rows; i++, from += kPanel, to += row) {
    if (columns == kPanel) {
      round(from, to, kPanel, add);
      continue;
    }
    Half padded[kPanel];
    round(from, padded, kPanel, add);
    std::copy_n(padded, columns, to);
  }
}

}  // namespace

bool wins(const at::Tensor &x, const at::Tensor &w) {
  return has_avx512() && our_bf16() && x.scalar_type() == at::kBFloat16 && w.scalar_type() == at::kFloat &&
         x.size(0) * std::max(x.size(1), w.size(0)) <= kMost;
}

at::Tensor affine(const at::Tensor &maps, const at::Tensor &weight, const at::Tensor &b) {
  const at::Tensor x = rows_of(maps), w = rows_of(weight), bias = b.defined() ? b.contiguous() : b;
  const int64_t n = x.size(0), in = x.size(1), out = w.size(0), deep = rounded(in, kPanel), across = rounded(n, kPanel);
  Scratch<Half> of_inputs(numbers_for(deep, across));
  const Panels<Half> inputs = turned(x, of_inputs);  // few, where weights are many: y^T = w x^T
  at::Tensor y = at::empty({n, out}, x.options());
  const float *from = w.data_ptr<float>();
  Half *to = y.data_ptr<Half>();
  each_panel(out, [&](int64_t first, int64_t outs) {
    Scratch<Half> of_weights(numbers_for(kPanel, deep));
    Scratch<float> of_products(numbers_for(kPanel, across));
    const Panels<Half> weights = of_weights.panels(kPanel, deep);
    const Panels<float> products = of_products.panels(kPanel, across);
    float add[kPanel] = {}, block[kPanel * kPanel];
    if (bias.defined()) std::copy_n(bias.data_ptr<float>() + first, outs, add);
    copy(from + first * w.stride(0), w.stride(0), outs, in, weights, kPanel);
    multiply(weights, inputs, products, kPanel, deep, across);
    for (int64_t i = 0; i < n; i += kPanel) {
      transpose_block(block, products.at(0, i), kPanel, kPanel, kPanel);
      give(block, std::min(kPanel, n - i), outs, add, to + i * out + first, out);
    }
  });
  return y;
}

at::Tensor input(const at::Tensor &gradient, const at::Tensor &weight) {
  const at::Tensor g = rows_of(gradient), w = rows_of(weight);
  const int64_t n = g.size(0), out = g.size(1), in = w.size(1), rows = rounded(n), deep = rounded(out, kPanel);
  Scratch<Half> of_gradients(numbers_of(g, rows));
  const Panels<Half> gradients = packed(g, rows, false, of_gradients);
  at::Tensor x = at::empty({n, in}, g.options());
  const float *from = w.data_ptr<float>();
  Half *to = x.data_ptr<Half>();
  // Longer stretches of rows are read faster; those of all rows are to stay in the cache.
  const int64_t width = deep <= 1024 ? 4 * kPanel : kPanel;
  const auto work = [&](int64_t first, int64_t ins) {
    const int64_t columns = rounded(ins, kPanel);
    Scratch<Half> of_weights(numbers_for(deep, columns));
    Scratch<float> of_products(numbers_for(rows, columns));
    const Panels<Half> weights = of_weights.panels(deep, columns);
    const Panels<float> products = of_products.panels(rows, columns);
    copy(from + first, w.stride(0), out, ins, weights, deep);
    pair(weights, 0, deep, columns);
    multiply(gradients, weights, products, rows, deep, columns);
    for (int64_t c = 0; c < ins; c += kPanel) {
      give(products.at(0, c), n, std::min(kPanel, ins - c), nullptr, to + first + c, in);
    }
  };
  each_panel(in, work, width);
  return x;
}

at::Tensor weight(const at::Tensor &gradient, const at::Tensor &maps) {
  const at::Tensor g = rows_of(gradient), x = rows_of(maps);
  const int64_t n = g.size(0), out = g.size(1), in = x.size(1), rows = rounded(n, 2);
  Scratch<Half> of_both(numbers_of(g, rows) + numbers_of(x, rows));
  const Panels<Half> gradients = packed(g, rows, true, of_both), inputs = packed(x, rows, true, of_both);
  at::Tensor w = at::empty({out, in}, g.options().dtype(at::kFloat));
  float *to = w.data_ptr<float>();
  each_panel(in, [&](int64_t first, int64_t ins) {
    if (ins == kPanel && out % kRows == 0) {
      return multiply_turned(gradients, inputs.from(first), {to + first, in}, rows, out, kPanel, false);
    }
    Scratch<float> of_products(numbers_for(rounded(out), kPanel));
    const Panels<float> products = of_products.panels(rounded(out), kPanel);
    multiply_turned(gradients, inputs.from(first), products, rows, rounded(out), kPanel, false);
    for (int64_t i = 0; i < out; i++) std::copy_n(products.at(i, 0), ins, to + i * in + first);
  });
  return w;
}

}  // namespace bf16
}  // namespace imori
