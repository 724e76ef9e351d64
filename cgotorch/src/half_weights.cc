#include "half_weights.h"

#include <algorithm>

#include "apart.h"
#include "dense.h"
#include "kept.h"
#include "panel_copies.h"
#include "shares.h"

namespace imori {
namespace dense {

using namespace panels;

namespace {

const Making kMaking{Making::kPanels, at::kBFloat16, 0, 0};

// Numbers of the panels of 32 rows.
int64_t numbers_of_rows(int64_t in) { return numbers_for(kPanel, rounded(in, kPanel)); }

Panels<Half> panels_at(const at::Tensor &kept, int64_t in, int64_t first) {
  return {kept.data_ptr<Half>() + first / kPanel * numbers_of_rows(in), stride_for(kPanel)};
}

void take_rows(const at::Tensor &w, int64_t first, const Panels<Half> &to) {
  copy(w.data_ptr<float>() + first * w.stride(0), w.stride(0), std::min(kPanel, w.size(0) - first), w.size(1), to,
       kPanel);
}

at::Tensor make(const at::Tensor &w) {
  const int64_t in = w.size(1), all = at::divup(w.size(0), kPanel);
  const at::Tensor made = lasting<Half>(all * numbers_of_rows(in));
  each_one(all, [&](int64_t i) { take_rows(w, i * kPanel, panels_at(made, in, i * kPanel)); });
  return made;
}

// Some numbers of a row; at its ends they may be part of a panel.
void renew_row(const float *from, const Panels<Half> &to, int64_t row, int64_t column, int64_t n) {
  const auto put_part = [&](int64_t some) {
    Half part[kPanel];
    copy(from, some, part);
    std::copy_n(part, some, to.at(row, column));
    from += some, column += some, n -= some;
  };
  if (column % kPanel != 0) put_part(std::min(n, kPanel - column % kPanel));
  const int64_t whole = n / kPanel * kPanel;
  if (whole > 0) spread(from, whole, to.at(row, column), to.stride * kPanel, apart());
  from += whole, column += whole, n -= whole;
  if (n > 0) put_part(n);
}

}  // namespace

HalfWeights::HalfWeights(const at::Tensor &w) : out_(w.size(0)), in_(w.size(1)) {
  if (renewed(w, kMaking)) {
    kept_ = kept(w, kMaking, [&] { return make(rows_of(w)); });
  } else {
    rows_ = rows_of(w);
  }
}

Operand<Half> HalfWeights::rows(int64_t first, const Panels<Half> &room) const {
  if (!kept_.defined()) {
    take_rows(rows_, first, room);
    return room;
  }
  Operand<Half> rows = panels_at(kept_, in_, first);
  rows.far = true;
  return rows;
}

void HalfWeights::paired(int64_t first, int64_t all, int64_t column, int64_t columns, const Panels<Half> &to) const {
  if (!kept_.defined()) {
    const int64_t row = rows_.stride(0);
    return copy_paired(rows_.data_ptr<float>() + first * row + column, row, std::min(all, out_ - first), columns, to,
                       all);
  }
  for (int64_t i = 0; i < all; i += kPanel) {
    const Panels<Half> from = panels_at(kept_, in_, first + i).from(column);
    for (int64_t c = 0; c < columns; c += kPanel) {
      for (int64_t r = 0; r < kPanel; r += kTogether<Half>) {
        // The same of the next 32 rows, which the processor does not foresee: a pair is two lines of the cache.
        __builtin_prefetch(from.at(r, c) + numbers_of_rows(in_));
        __builtin_prefetch(from.at(r + 1, c) + numbers_of_rows(in_));
        put_rows(from.at(r, c), kPanel, to.at(i + r, c), false);
      }
    }
  }
}

Renewal::Renewal(const at::Tensor &parameter) {
  const bool matrix = parameter.dim() == 2 && parameter.scalar_type() == at::kFloat && parameter.is_cpu();
  if (!matrix || !parameter.is_contiguous()) return;
  parameter_ = parameter;
  kept_ = take_kept(parameter, kMaking);
}

void Renewal::renew(const float *numbers, int64_t from, int64_t n) const {
  if (!kept_.defined()) return;
  const int64_t in = parameter_.size(1);
  for (int64_t row = from / in, column = from % in; n > 0; row++, column = 0) {
    const int64_t some = std::min(n, in - column);
    renew_row(numbers, panels_at(kept_, in, row / kPanel * kPanel), row % kPanel, column, some);
    numbers += some, n -= some;
  }
}

void Renewal::finish() const {
  if (kept_.defined()) keep(parameter_, kMaking, kept_);
}

}  // namespace dense
}  // namespace imori
