// How a convolution is cut into tiles for Winograd's algorithm.
#pragma once

#include <cstdint>

namespace imori {
namespace winograd {

// The sizes of a convolution with a square kernel, one group, no dilation.
struct Sizes {
  int64_t n, c, h, w;               // input
  int64_t out, oh, ow;              // output
  int64_t kernel, stride, padding;  // the same in both directions
};

// A tile is 2 x 2 outputs, or 4 x 4. In one direction, a phase is every stride-th place of the kernel, and the inputs
// that these meet: with stride 2 there are the even and the odd ones, and a convolution of stride 1 for each. A phase
// of r places needs r + 1 inputs for two outputs. It multiplies r + 1 pairs of sums, its points, instead of 2 r pairs
// of numbers; and r + 3 instead of 4 r for four.
//
// What the phases multiply at the same point is added up by the product of matrices there: a matrix has a row for each
// tile, and columns for the channels of all phases that have the point. Phases of 3 places have all points; those of 2
// lack the one before the last.
struct Plan {
  Plan(const Sizes &sizes, int outputs);

  // Whether the kernel can be cut so: phases of 2 or 3 places.
  static bool fits(int64_t kernel, int64_t stride);

  // The point at which a phase of some places has its i-th sum.
  int point(int places, int i) const { return i == outputs + places - 2 ? side - 1 : i; }

  // Where the matrix of point u, v has the columns of a phase.
  int64_t column(int u, int v, int64_t phase_y, int64_t phase_x) const {
    const int p = u * side + v;
    return first[p] + slot[p][phase_y][phase_x] * s.c;
  }

  // Where a tile's inputs begin in one direction, counted in tiles, perhaps outside of the map.
  int64_t begin(int64_t tile) const { return outputs * s.stride * tile - s.padding; }

  int64_t tiles() const { return tiles_y * tiles_x; }  // of an image
  int64_t columns() const { return first[points]; }    // of all points

  static constexpr int kMostPoints = 36;

  Sizes s;
  int outputs;       // of a tile in each direction, 2 or 4
  int places[2];     // of the kernel in each phase
  int side, points;  // points in one direction, outputs + 1 or outputs + 2, and in both, side * side
  int64_t tiles_y, tiles_x;
  int64_t inner[kMostPoints];      // columns of each point
  int64_t first[kMostPoints + 1];  // their first one, if those of all points are counted on
  int slot[kMostPoints][2][2];     // which part of them is a phase's; -1: none
};

}  // namespace winograd
}  // namespace imori
