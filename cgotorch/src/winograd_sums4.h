// The sums for four outputs in one direction, for each kind of processor; see each_cpu.h. No pragma once. The points
// are 0, a, -a, b, -b (for 3 places only) and infinity.
//
// A point p is a row of powers of p for kernel and outputs, and for the input the coefficients of the product of t - q
// over the other points q. The customary points 1 and 2 would double the error, which for random numbers is 1.4 to 2
// millionths of the results; tiles of 2 x 2 make 0.6, and oneDNN's convolutions 0.3.
#include "winograd_sums.h"

namespace imori {
namespace winograd {
namespace IMORI_CPU {

constexpr float kA = 0.75f, kB = 1.5f, kAA = kA * kA, kBB = kB * kB;

template <>
struct Input<4, 2> {
  static constexpr int kFrom = 5, kTo = 5;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *d, Vector *to) {
    const Vector odd = d[1] * (kA * kB);
    to[0] = d[3] - d[2] * kB - d[1] * kAA + d[0] * (kAA * kB);
    to[1] = d[3] + d[2] * (kA - kB) - odd;
    to[2] = d[3] - d[2] * (kA + kB) + odd;
    to[3] = d[3] - d[1] * kAA;
    to[4] = d[4] - d[3] * kB - d[2] * kAA + d[1] * (kAA * kB);
  }
};

template <>
struct Input<4, 3> {
  static constexpr int kFrom = 6, kTo = 6;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *d, Vector *to) {
    const Vector even_a = d[4] - d[2] * kBB, odd_a = (d[3] - d[1] * kBB) * kA;
    const Vector even_b = d[4] - d[2] * kAA, odd_b = (d[3] - d[1] * kAA) * kB;
    to[0] = d[4] - d[2] * (kAA + kBB) + d[0] * (kAA * kBB);
    to[1] = even_a + odd_a, to[2] = even_a - odd_a;
    to[3] = even_b + odd_b, to[4] = even_b - odd_b;
    to[5] = d[5] - d[3] * (kAA + kBB) + d[1] * (kAA * kBB);
  }
};

template <>
struct InputBack<4, 2> {
  static constexpr int kFrom = 5, kTo = 5;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    to[0] = m[0] * (kAA * kB);
    to[1] = (m[2] - m[1]) * (kA * kB) - (m[0] + m[3]) * kAA + m[4] * (kAA * kB);
    to[2] = m[1] * (kA - kB) - m[2] * (kA + kB) - m[0] * kB - m[4] * kAA;
    to[3] = m[0] + m[1] + m[2] + m[3] - m[4] * kB;
    to[4] = m[4];
  }
};

template <>
struct InputBack<4, 3> {
  static constexpr int kFrom = 6, kTo = 6;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    const Vector even_a = m[1] + m[2], odd_a = (m[1] - m[2]) * kA, even_b = m[3] + m[4], odd_b = (m[3] - m[4]) * kB;
    to[0] = m[0] * (kAA * kBB);
    to[1] = m[5] * (kAA * kBB) - odd_a * kBB - odd_b * kAA;
    to[2] = -(m[0] * (kAA + kBB) + even_a * kBB + even_b * kAA);
    to[3] = odd_a + odd_b - m[5] * (kAA + kBB);
    to[4] = m[0] + even_a + even_b;
    to[5] = m[5];
  }
};

// The product of t - q at t = p is what makes the sums exact.
template <>
struct Kernel<4, 2> {
  static constexpr float kAt0 = 1 / (kAA * kB), kAtA = 1 / (2 * kAA * (kA - kB)),
                         kAtMinusA = -1 / (2 * kAA * (kA + kB)), kAtB = 1 / (kB * (kBB - kAA));
  static constexpr int kFrom = 2, kTo = 5;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *w, Vector *to) {
    to[0] = w[0] * kAt0;
    to[1] = w[0] * kAtA + w[1] * (kA * kAtA);
    to[2] = w[0] * kAtMinusA - w[1] * (kA * kAtMinusA);
    to[3] = w[0] * kAtB + w[1] * (kB * kAtB);
    to[4] = w[1];
  }
};

template <>
struct Kernel<4, 3> {
  static constexpr float kAt0 = 1 / (kAA * kBB), kAtA = 1 / (2 * kAA * (kAA - kBB)), kAtB = 1 / (2 * kBB * (kBB - kAA));
  static constexpr int kFrom = 3, kTo = 6;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *w, Vector *to) {
    const Vector even_a = w[0] * kAtA + w[2] * (kAA * kAtA), odd_a = w[1] * (kA * kAtA);
    const Vector even_b = w[0] * kAtB + w[2] * (kBB * kAtB), odd_b = w[1] * (kB * kAtB);
    to[0] = w[0] * kAt0;
    to[1] = even_a + odd_a, to[2] = even_a - odd_a;
    to[3] = even_b + odd_b, to[4] = even_b - odd_b;
    to[5] = w[2];
  }
};

template <>
struct KernelBack<4, 2> {
  static constexpr int kFrom = 5, kTo = 2;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    using K = Kernel<4, 2>;
    const Vector at_a = m[1] * K::kAtA, at_minus_a = m[2] * K::kAtMinusA, at_b = m[3] * K::kAtB;
    to[0] = m[0] * K::kAt0 + at_a + at_minus_a + at_b;
    to[1] = (at_a - at_minus_a) * kA + at_b * kB + m[4];
  }
};

template <>
struct KernelBack<4, 3> {
  static constexpr int kFrom = 6, kTo = 3;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    using K = Kernel<4, 3>;
    const Vector even_a = (m[1] + m[2]) * K::kAtA, odd_a = (m[1] - m[2]) * (kA * K::kAtA);
    const Vector even_b = (m[3] + m[4]) * K::kAtB, odd_b = (m[3] - m[4]) * (kB * K::kAtB);
    to[0] = m[0] * K::kAt0 + even_a + even_b;
    to[1] = odd_a + odd_b;
    to[2] = even_a * kAA + even_b * kBB + m[5];
  }
};

template <>
struct Output<4, 5> {
  static constexpr int kFrom = 5, kTo = 4;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    const Vector even = m[1] + m[2], odd = (m[1] - m[2]) * kA, b = m[3] * kB;
    to[0] = m[0] + even + m[3];
    to[1] = odd + b;
    to[2] = even * kAA + m[3] * kBB;
    to[3] = odd * kAA + b * kBB + m[4];
  }
};

template <>
struct Output<4, 6> {
  static constexpr int kFrom = 6, kTo = 4;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *m, Vector *to) {
    const Vector even_a = m[1] + m[2], odd_a = (m[1] - m[2]) * kA, even_b = m[3] + m[4], odd_b = (m[3] - m[4]) * kB;
    to[0] = m[0] + even_a + even_b;
    to[1] = odd_a + odd_b;
    to[2] = even_a * kAA + even_b * kBB;
    to[3] = odd_a * kAA + odd_b * kBB + m[5];
  }
};

template <>
struct OutputBack<4, 5> {
  static constexpr int kFrom = 4, kTo = 5;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *y, Vector *to) {
    const Vector even = y[0] + y[2] * kAA, odd = (y[1] + y[3] * kAA) * kA;
    to[0] = y[0];
    to[1] = even + odd, to[2] = even - odd;
    to[3] = y[0] + y[2] * kBB + (y[1] + y[3] * kBB) * kB;
    to[4] = y[3];
  }
};

template <>
struct OutputBack<4, 6> {
  static constexpr int kFrom = 4, kTo = 6;
  IMORI_FOR_CPU_INLINED static void sum(const Vector *y, Vector *to) {
    const Vector even_a = y[0] + y[2] * kAA, odd_a = (y[1] + y[3] * kAA) * kA;
    const Vector even_b = y[0] + y[2] * kBB, odd_b = (y[1] + y[3] * kBB) * kB;
    to[0] = y[0];
    to[1] = even_a + odd_a, to[2] = even_a - odd_a;
    to[3] = even_b + odd_b, to[4] = even_b - odd_b;
    to[5] = y[3];
  }
};

}  // namespace IMORI_CPU
}  // namespace winograd
}  // namespace imori
