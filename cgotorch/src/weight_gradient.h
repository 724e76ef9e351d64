// The gradients of linear layers' weights, by products of our own.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "gradients.h"
#include "panel_scratch.h"

namespace imori {
namespace dense {

// The sum of of_output^T input over some uses of a layer, which are of one type: out x in, float32. It is made tile by
// tile, so that who uses a tile up finds it in the cache and has no memory for all of them. First all parts are
// prepared, then there are tiles, each on any thread; the result does not depend on which.
class WeightGradient {
 public:
  // Whether it is the faster form for g and w of out x in, float32.
  static bool wins(const at::Tensor &g, const at::Tensor &w);

  explicit WeightGradient(std::vector<Factors> uses);  // at least one
  // Of the memory that it takes beside the factors.
  static size_t bytes(const std::vector<Factors> &uses);

  int64_t parts() const;
  int64_t gradient_parts() const;  // the first ones: those of g
  void prepare(int64_t part) const;

  struct Tile {
    int64_t row, rows, column, columns;
  };
  // The most rows and columns that a tile has.
  static constexpr int64_t kRows = 16, kColumns = 48 * panels::kPanel;
  int64_t tiles() const;
  Tile tile(int64_t i) const;
  // Writes a tile to kRows rows, `to_row` apart, and to its columns rounded up to a multiple of 32: what is too much of
  // both is of no use.
  void make(const Tile &t, float *to, int64_t to_row) const;

  // All of it.
  at::Tensor made() const;

 private:
  template <typename T>
  panels::Panels<T> gradients() const;
  template <typename T>
  panels::Panels<T> inputs() const;
  template <typename T>
  void take(int64_t part) const;
  template <typename T>
  void vectors(const Tile &t, float *to, int64_t to_row) const;

  std::vector<Factors> uses_;
  int64_t out_, in_;
  bool half_, blocks_;  // of bfloat16; by AMX
  int64_t rows_;        // of both sides of all uses, with zeros behind each
  panels::Lent memory_;
};

}  // namespace dense
}  // namespace imori
