#include "weight_gradient.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "amx.h"
#include "dense.h"
#include "panel_copies.h"
#include "shares.h"

namespace imori {
namespace dense {

using namespace panels;

namespace {

int64_t panels_of(int64_t columns) { return at::divup(columns, kPanel); }

int64_t rows_for(int64_t n, bool half, bool blocks) { return rounded(n, blocks ? amx::kSide : half ? 2 : 1); }

bool of_half(const std::vector<Factors> &uses) { return uses[0].input.scalar_type() == at::kBFloat16; }
bool by_blocks(const std::vector<Factors> &uses) { return of_half(uses) && amx::available(); }

int64_t rows_for(const std::vector<Factors> &uses) {
  int64_t rows = 0;
  for (const Factors &use : uses) rows += rows_for(use.input.size(0), of_half(uses), by_blocks(uses));
  return rows;
}

}  // namespace

bool WeightGradient::wins(const at::Tensor &g, const at::Tensor &w) { return fits(g, w); }

WeightGradient::WeightGradient(std::vector<Factors> uses)
    : uses_(std::move(uses)),
      out_(uses_[0].of_output.size(1)),
      in_(uses_[0].input.size(1)),
      half_(of_half(uses_)),
      blocks_(by_blocks(uses_)),
      rows_(rows_for(uses_)),
      memory_(bytes(uses_)) {
  for (Factors &use : uses_) use = {rows_of(use.of_output), rows_of(use.input)};
}

size_t WeightGradient::bytes(const std::vector<Factors> &uses) {
  const int64_t panels = panels_of(uses[0].of_output.size(1)) + panels_of(uses[0].input.size(1));
  return static_cast<size_t>(numbers_for(rows_for(uses), panels * kPanel)) *
         (of_half(uses) ? sizeof(Half) : sizeof(float));
}

template <typename T>
Panels<T> WeightGradient::gradients() const {
  return {static_cast<T *>(memory_.data()), stride_for(rows_)};
}
template <typename T>
Panels<T> WeightGradient::inputs() const {
  return gradients<T>().from(panels_of(out_) * kPanel);
}

int64_t WeightGradient::gradient_parts() const { return panels_of(out_); }

int64_t WeightGradient::parts() const { return gradient_parts() + panels_of(in_); }

template <typename T>
void WeightGradient::take(int64_t part) const {
  const bool of_g = part < gradient_parts();
  const int64_t column = (of_g ? part : part - gradient_parts()) * kPanel;
  Panels<T> to = (of_g ? gradients<T>() : inputs<T>()).from(column);
  for (const Factors &use : uses_) {
    const at::Tensor &m = of_g ? use.of_output : use.input;
    const int64_t rows = rows_for(m.size(0), half_, blocks_);
    // Each thread reads all of the inputs, but in an optimiser's step only its own of the gradients.
    copy_paired(m.data_ptr<T>() + column, m.stride(0), m.size(0), std::min(kPanel, m.size(1) - column), to, rows,
                !of_g && apart());
    to.data = to.at(rows, 0);
  }
}

void WeightGradient::prepare(int64_t part) const {
  if (!half_) return take<float>(part);
  take<Half>(part);
  if (!blocks_ || part >= gradient_parts()) return;
  for (int64_t k = 0; k < rows_; k += amx::kSide) amx::turn(gradients<Half>().at(k, part * kPanel));
}

int64_t WeightGradient::tiles() const { return at::divup(out_, kRows) * at::divup(in_, kColumns); }

// Those next to each other have the same columns, whose inputs stay in the cache.
WeightGradient::Tile WeightGradient::tile(int64_t i) const {
  const int64_t down = at::divup(out_, kRows), row = i % down * kRows, column = i / down * kColumns;
  return {row, std::min(kRows, out_ - row), column, std::min(kColumns, in_ - column)};
}

template <typename T>
void WeightGradient::vectors(const Tile &t, float *to, int64_t to_row) const {
  Panels<T> g = gradients<T>().from(t.row / kPanel * kPanel);
  g.data += t.row % kPanel * kTogether<T>;  // in pairs of rows a column has two numbers side by side
  multiply_turned<T>(g, inputs<T>().from(t.column), {to, to_row}, rows_, rounded(t.rows, panels::kRows),
                     rounded(t.columns, kPanel), false);
}

void WeightGradient::make(const Tile &t, float *to, int64_t to_row) const {
  const int64_t columns = rounded(t.columns, kPanel);
  if (!half_) return vectors<float>(t, to, to_row);
  if (!blocks_) return vectors<Half>(t, to, to_row);
  const Panels<Half> g = gradients<Half>().from(t.row / kPanel * kPanel), x = inputs<Half>().from(t.column);
  std::vector<amx::Factors> factors;
  // The rows of a turned block are its panel's columns.
  for (int64_t k = 0; k < rows_; k += amx::kSide) factors.push_back({g.at(k, 0) + t.row % kPanel * kPanel, x.at(k, 0)});
  const amx::Tiles tiles;
  for (int64_t c = 0; c < columns; c += amx::kSide) {
    tiles.multiply(factors, {0, x.at(0, c) - x.data}, {to + c, to_row, kRows, false});
  }
}

at::Tensor WeightGradient::made() const {
  each_one(parts(), [&](int64_t i) { prepare(i); });
  at::Tensor w = at::empty({out_, in_}, uses_[0].input.options().dtype(at::kFloat));
  float *to = w.data_ptr<float>();
  each_one(tiles(), [&](int64_t i) {
    const Tile t = tile(i);
    float *at = to + t.row * in_ + t.column;
    if (t.rows == kRows && t.columns % kPanel == 0) return make(t, at, in_);
    const Scratch<float> ragged(kRows * kColumns);
    make(t, ragged.numbers(), kColumns);
    for (int64_t r = 0; r < t.rows; r++) std::copy_n(ragged.numbers() + r * kColumns, t.columns, at + r * in_);
  });
  return w;
}

}  // namespace dense
}  // namespace imori
