// Products of matrices of bfloat16 by the tiles of AMX, which are far faster than the vectors of AVX-512.
#pragma once

#include <vector>

#include "panels.h"

namespace imori {
namespace amx {

using panels::Half;

// Whether the CPU has them, and AVX-512's instructions for bfloat16, and the system lets this process use them.
bool available();
// As if it had them, which is the default, or not; for tests. Returns what it was.
bool set_used(bool on);

// What a product takes at once: 32 x 32 numbers without a gap. Those of the left side lie row by row, those of the
// right side with the numbers of two rows side by side, as panels::pair leaves them.
constexpr int64_t kSide = 32, kBlock = kSide * kSide;

// Two blocks to be multiplied.
struct Factors {
  const Half *left, *right;
};

// A block with its rows paired becomes the left side that has these as columns.
void turn(Half *block);

// How far the blocks of a product are from those of a list.
struct Shift {
  int64_t left, right;
};

// Where a product goes: rows of 32 numbers that are `row` apart. Of the left sides and of these, `rows` are there, 16
// or 32. It is added to what is there if that is told.
struct Sum {
  float *to;
  int64_t row, rows;
  bool more;
};

// Where AMX may be used on this thread: the one sets up the registers, the other gives them back. Meanwhile there must
// be no other, nor a call of a library that uses AMX itself.
class Tiles {
 public:
  Tiles();
  ~Tiles();
  Tiles(const Tiles &) = delete;
  Tiles &operator=(const Tiles &) = delete;

  // The sum of the products. Rows of left sides may lie apart.
  void multiply(const std::vector<Factors> &factors, const Shift &shift, const Sum &sum,
                int64_t left_row = kSide) const;
};

}  // namespace amx
}  // namespace imori
