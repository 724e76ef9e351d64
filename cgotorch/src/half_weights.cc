#include "half_weights.h"

#include <algorithm>

#include "apart.h"
#include "kept.h"
#include "panel_copies.h"
#include "shares.h"

namespace imori {
namespace dense {

using namespace panels;

namespace {

const Making kMaking{Making::kPanels, at::kBFloat16, 0, 0};

// Numbers of the panels of 32 rows.
int64_t numbers_of(int64_t in) { return numbers_for(kPanel, rounded(in, kPanel)); }

int64_t numbers_of(const at::Tensor &w) { return at::divup(w.size(0), kPanel) * numbers_of(w.size(1)); }

Panels<Half> rows_of(const at::Tensor &made, int64_t in, int64_t first) {
  return {made.data_ptr<Half>() + first / kPanel * numbers_of(in), stride_for(kPanel)};
}

void take_rows(const at::Tensor &w, int64_t first, const Panels<Half> &to) {
  copy(w.data_ptr<float>() + first * w.stride(0), w.stride(0), std::min(kPanel, w.size(0) - first), w.size(1), to,
       kPanel);
}

at::Tensor make(const at::Tensor &w) {
  const at::Tensor made = lasting<Half>(numbers_of(w));
  each_one(at::divup(w.size(0), kPanel),
           [&](int64_t i) { take_rows(w, i * kPanel, rows_of(made, w.size(1), i * kPanel)); });
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

HalfWeights::HalfWeights(const at::Tensor &w, const at::Tensor &of) : w_(w) {
  if (keeps(of, static_cast<size_t>(numbers_of(w)) * sizeof(Half))) made_ = kept(of, kMaking, [&] { return make(w); });
}

Panels<Half> HalfWeights::rows(int64_t first, const Panels<Half> &room) const {
  if (made_.defined()) return rows_of(made_, w_.size(1), first);
  take_rows(w_, first, room);
  return room;
}

void HalfWeights::paired(int64_t first, int64_t all, int64_t column, int64_t columns, const Panels<Half> &to) const {
  const int64_t rows = std::min(all, w_.size(0) - first), row = w_.stride(0);
  if (!made_.defined()) {
    return copy_paired(w_.data_ptr<float>() + first * row + column, row, rows, columns, to, all);
  }
  for (int64_t i = 0; i < all; i += kPanel) {
    const Panels<Half> from = rows_of(made_, w_.size(1), first + i).from(column);
    for (int64_t c = 0; c < columns; c += kPanel) {
      for (int64_t r = 0; r < kPanel; r += 2) put_rows(from.at(r, c), kPanel, to.at(i + r, c), false);
    }
  }
}

Renewal::Renewal(const at::Tensor &p) : p_(p), made_(take_kept(p, kMaking)) {}

void Renewal::renew(const float *p, int64_t from, int64_t n) const {
  if (!made_.defined()) return;
  const int64_t in = p_.size(1);
  for (int64_t row = from / in, column = from % in; n > 0; row++, column = 0) {
    const int64_t some = std::min(n, in - column);
    renew_row(p, rows_of(made_, in, row / kPanel * kPanel), row % kPanel, column, some);
    p += some, n -= some;
  }
}

void Renewal::finish() {
  if (made_.defined()) keep(p_, kMaking, made_);
}

}  // namespace dense
}  // namespace imori
