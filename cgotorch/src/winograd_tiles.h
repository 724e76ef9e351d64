// From maps and kernels to the matrices that Winograd's algorithm multiplies, and back.
#pragma once

#include "panels.h"
#include "winograd_plan.h"

namespace imori {
namespace winograd {

using namespace panels;

// Maps are one image's, row by row, with the channels of a place side by side. Their matrices have a row for each of
// some tiles. zeros are as many as there are channels: what is outside of a map.
struct Tiles {
  int64_t first, last;  // of an image: [first, last)
  int64_t row;          // of the first one
};

// The input's sums: a column for each of plan.columns(). All are there for maps and matrices of float and of Half; what
// comes from products is float.
template <typename T>
void take_input(const Plan &plan, const Tiles &tiles, const T *x, const T *zeros, const Panels<T> &to);
// Adds to the wanted rows of x.
struct Rows {
  int64_t first, last;  // [first, last)
};
void give_input(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const Rows &wanted, float *x);

// The output's: plan.s.out columns for each point.
template <typename T>
void give_output(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const float *bias, T *y);
template <typename T>
void take_output(const Plan &plan, const Tiles &tiles, const T *y, const T *zeros, const Panels<T> &to);

// 32 numbers at each place of the kernel, which is `step` floats from the place before it. In one matrix they are 32
// columns from `column` on, counted from the first one of each phase; in another, of which each point has its own, they
// are a row of each phase.
template <typename T>
void take_kernel(const Plan &plan, const float *w, int64_t step, const Panels<T> &to, int64_t row, int64_t column);
void give_kernel(const Plan &plan, const Panels<float> &from, int64_t row, int64_t column, float *w, int64_t step);
template <typename T>
void take_kernel_row(const Plan &plan, const float *w, int64_t step, const Panels<T> *to, int64_t row, int64_t column);

}  // namespace winograd
}  // namespace imori
