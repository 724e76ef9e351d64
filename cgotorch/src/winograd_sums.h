// The sums of Winograd's algorithm in one direction, and both. See Lavin & Gray, Fast Algorithms for Convolutional
// Neural Networks, 2016. For each kind of processor; see each_cpu.h. No pragma once.
//
// With d for inputs, w for the kernel and y for outputs, y_j = sum over i of w_i d_(i+j). For two outputs that is
//
//	2 places  y_0 = d_0 w_0 + d_1 w_1          = (d_0 - d_1) w_0 + d_1 (w_0 + w_1)
//	          y_1 = d_1 w_0 + d_2 w_1          =                   d_1 (w_0 + w_1) - (d_1 - d_2) w_1
//
// and the like for more outputs and places: polynomials are multiplied at points, of which infinity is one. What a
// point adds to the outputs does not depend on the number of places, so phases of several can be summed up before. All
// is linear, so the gradients are the sums of the transposed matrices.

#include "vectors.h"

namespace imori {
namespace winograd {
namespace IMORI_CPU {

using namespace panels::IMORI_CPU;

// How many points there are for so many outputs and places.
constexpr int points_of(int outputs, int places) { return outputs + places - 1; }

// What a phase of some places reads of the input for some outputs: from inputs to points, and the transposed.
template <int outputs, int places>
struct Input;
template <int outputs, int places>
struct InputBack;

// From places of the kernel to points, and the transposed.
template <int outputs, int places>
struct Kernel;
template <int outputs, int places>
struct KernelBack;

// From so many points to outputs, and the transposed.
template <int outputs, int side>
struct Output;
template <int outputs, int side>
struct OutputBack;

// ---- two outputs: the points 0, 1, -1 (for 3 places only) and infinity ----

template <>
struct Input<2, 2> {
  static constexpr int kFrom = 3, kTo = 3;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *d, Vector *to) {
    to[0] = d[0] - d[1], to[1] = d[1], to[2] = d[1] - d[2];
  }
};

template <>
struct Input<2, 3> {
  static constexpr int kFrom = 4, kTo = 4;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *d, Vector *to) {
    to[0] = d[0] - d[2], to[1] = d[1] + d[2], to[2] = d[2] - d[1], to[3] = d[1] - d[3];
  }
};

template <>
struct InputBack<2, 2> {
  static constexpr int kFrom = 3, kTo = 3;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    to[0] = m[0], to[1] = m[1] - m[0] + m[2], to[2] = -m[2];
  }
};

template <>
struct InputBack<2, 3> {
  static constexpr int kFrom = 4, kTo = 4;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    to[0] = m[0], to[1] = m[1] - m[2] + m[3], to[2] = m[1] + m[2] - m[0], to[3] = -m[3];
  }
};

template <>
struct Kernel<2, 2> {
  static constexpr int kFrom = 2, kTo = 3;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *w, Vector *to) {
    to[0] = w[0], to[1] = w[0] + w[1], to[2] = w[1];
  }
};

template <>
struct Kernel<2, 3> {
  static constexpr int kFrom = 3, kTo = 4;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *w, Vector *to) {
    const Vector ends = (w[0] + w[2]) * 0.5f, middle = w[1] * 0.5f;
    to[0] = w[0], to[1] = ends + middle, to[2] = ends - middle, to[3] = w[2];
  }
};

template <>
struct KernelBack<2, 2> {
  static constexpr int kFrom = 3, kTo = 2;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) { to[0] = m[0] + m[1], to[1] = m[1] + m[2]; }
};

template <>
struct KernelBack<2, 3> {
  static constexpr int kFrom = 4, kTo = 3;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    const Vector ends = (m[1] + m[2]) * 0.5f;
    to[0] = m[0] + ends, to[1] = (m[1] - m[2]) * 0.5f, to[2] = ends + m[3];
  }
};

template <>
struct Output<2, 3> {
  static constexpr int kFrom = 3, kTo = 2;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) { to[0] = m[0] + m[1], to[1] = m[1] - m[2]; }
};

template <>
struct Output<2, 4> {
  static constexpr int kFrom = 4, kTo = 2;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    to[0] = m[0] + m[1] + m[2], to[1] = m[1] - m[2] - m[3];
  }
};

template <>
struct OutputBack<2, 3> {
  static constexpr int kFrom = 2, kTo = 3;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *y, Vector *to) {
    to[0] = y[0], to[1] = y[0] + y[1], to[2] = -y[1];
  }
};

template <>
struct OutputBack<2, 4> {
  static constexpr int kFrom = 2, kTo = 4;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *y, Vector *to) {
    to[0] = y[0], to[1] = y[0] + y[1], to[2] = y[0] - y[1], to[3] = -y[1];
  }
};

// One kind of sum along the rows, and another one along the columns of what gives.
template <typename Y, typename X>
IMORI_FOR_CPU_INLINED void both(const Vector (&from)[Y::kFrom][X::kFrom], Vector (&to)[Y::kTo][X::kTo]) {
  Vector rows[Y::kFrom][X::kTo];
  for (int i = 0; i < Y::kFrom; i++) X::sum(from[i], rows[i]);
  for (int j = 0; j < X::kTo; j++) {
    Vector column[Y::kFrom], sums[Y::kTo];
    for (int i = 0; i < Y::kFrom; i++) column[i] = rows[i][j];
    Y::sum(column, sums);
    for (int i = 0; i < Y::kTo; i++) to[i][j] = sums[i];
  }
}

}  // namespace IMORI_CPU
}  // namespace winograd
}  // namespace imori
