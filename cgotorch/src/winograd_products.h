// Products of matrices in panels, on one thread.
#pragma once

#include "winograd_panels.h"

namespace imori {
namespace winograd {

// How many rows a product takes at once.
constexpr int64_t kRows = 8;

// c = a b, for rows (a multiple of kRows) of a and c, inner (a multiple of 32) columns of a, and columns (as well) of
// b.
void multiply(const Panels &a, const Panels &b, const Panels &c, int64_t rows, int64_t inner, int64_t columns);

// c = a^T b, or c += a^T b, for rows of a and b; across and columns, multiples of 32, are how many of theirs.
void multiply_turned(const Panels &a, const Panels &b, const Panels &c, int64_t rows, int64_t across, int64_t columns,
                     bool add);

}  // namespace winograd
}  // namespace imori
