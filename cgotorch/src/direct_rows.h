// Rows of maps as products of blocks take and give them.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

#include "amx.h"

namespace imori {
namespace direct {

using amx::Half;
using amx::kBlock;
using amx::kSide;

// Maps as they lie, with channels last.
struct Maps {
  Half *data;
  int64_t n, c, h, w;

  explicit Maps(const at::Tensor &t)
      : data(t.data_ptr<Half>()), n(t.size(0)), c(t.size(1)), h(t.size(2)), w(t.size(3)) {}
  int64_t image() const { return h * w * c; }  // from one to the next
  Half *at(int64_t first, int64_t y, int64_t x, int64_t channel) const {
    return data + first * image() + (y * w + x) * c + channel;
  }
};

inline int64_t blocks_of(int64_t channels) { return at::divup(channels, kSide); }

// How many images lie side by side at each place of a row: so that 32 rows of a product are the same channels of so
// many images, or of a few neighbouring places of fewer. A number that divides n.
inline int64_t images_together(int64_t n) { return std::min(n & -n, kSide); }

// How a row of maps of some images is laid out to be multiplied: by phases, which are every so-manieth place of the
// row; by blocks of 32 channels, from one of them on; by places of a phase; and by images. So outputs that lie side by
// side meet inputs that do, at each place of a kernel.
struct Layout {
  int64_t images;
  int64_t phases;
  int64_t before;  // place j of phase f is at j * phases + f - before
  int64_t used;    // places of a phase; there are zeros behind them, for products of 32 rows
  int64_t block, blocks;

  int64_t line() const { return (used * images + kSide) * kSide; }  // numbers of a block of channels in a phase
  int64_t row() const { return phases * blocks * line(); }
  int64_t at(int64_t place, int64_t phase) const { return phase * blocks * line() + place * images * kSide; }
};

// Row y of images from the given one on, with zeros where there are none, as left sides of products.
void take(const Layout &layout, const Maps &maps, int64_t image, int64_t y, Half *to);
// The same as right sides, of which the rows are paired; the layout's images are an even number.
void take_paired(const Layout &layout, const Maps &maps, int64_t image, int64_t y, Half *to);
// The same as left sides, with rows and columns exchanged in each block.
void take_turned(const Layout &layout, const Maps &maps, int64_t image, int64_t y, Half *to);

// Rows of a product, 32 numbers each, as channels of places of images.
struct Given {
  const Maps &maps;
  int64_t image, y, x, step;  // where the first row of all goes, of a row of maps in which every step-th place is given
  int64_t together;           // images

  // Those from `row` on, which are some channels from `channel` on, with a bias for each.
  void give(const float *from, int64_t row, int64_t rows, int64_t channel, const float *bias) const;
};

}  // namespace direct
}  // namespace imori
