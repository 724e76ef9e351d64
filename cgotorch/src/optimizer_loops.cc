#include "optimizer_loops.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>

#include "cpu.h"
#include "for_avx512.h"
#include "vectors.h"

namespace imori {
namespace {

// torch.lerp: from the nearer end, so that weight 1 gives b exactly. rest is 1 - weight.
template <typename T>
IMORI_INLINED T lerp(T a, T b, T weight, T rest) {
  return weight < T(0.5) ? a + weight * (b - a) : b - (b - a) * rest;
}

template <typename T>
IMORI_INLINED void adam(T *__restrict p, const T *__restrict g, T *__restrict m, T *__restrict v, int64_t n,
                        const ix_optimizer_options &o, const AdamStep &s) {
  const T step = T(s.step), unbias = T(s.unbias), eps = T(o.eps);
  const T b1 = T(o.beta1), c1 = T(1 - o.beta1), b2 = T(o.beta2), c2 = T(1 - o.beta2);
  // One of the two kinds of decay, the other's numbers change nothing.
  const T decay = T(s.decoupled ? 0 : o.weight_decay), shrink = T(s.decoupled ? s.shrink : 1);
  for (int64_t i = 0; i < n; i++) {
    const T value = p[i] * shrink, gradient = g[i] + decay * value;
    const T first = lerp(m[i], gradient, c1, b1), second = b2 * v[i] + c2 * gradient * gradient;
    m[i] = first;
    v[i] = second;
    p[i] = value - step * first / (std::sqrt(second) * unbias + eps);
  }
}

template <typename T>
IMORI_INLINED void rmsprop(T *__restrict p, const T *__restrict g, T *__restrict square, T *__restrict momentum,
                           T *__restrict mean, int64_t n, const ix_optimizer_options &o) {
  const T lr = T(o.lr), alpha = T(o.alpha), rest = T(1 - o.alpha), eps = T(o.eps), decay = T(o.weight_decay),
          mu = T(o.momentum);
  for (int64_t i = 0; i < n; i++) {
    const T gradient = g[i] + decay * p[i];
    square[i] = alpha * square[i] + rest * gradient * gradient;
    T variance = square[i];
    if (mean != nullptr) {
      mean[i] = lerp(mean[i], gradient, rest, alpha);
      variance -= mean[i] * mean[i];
    }
    T direction = gradient / (std::sqrt(variance) + eps);
    if (momentum != nullptr) direction = momentum[i] = mu * momentum[i] + direction;
    p[i] -= lr * direction;
  }
}

#ifdef __x86_64__

using namespace panels::avx512;

// 1 / sqrt(v) and 1 / v to 14 bits.
IMORI_FOR_CPU_INLINED Vector estimated_inverse_root(const Vector &v) {
  Vector r;
  asm("vrsqrt14ps %1, %0" : "=v"(r) : "v"(v));
  return r;
}
IMORI_FOR_CPU_INLINED Vector estimated_inverse(const Vector &v) {
  Vector r;
  asm("vrcp14ps %1, %0" : "=v"(r) : "v"(v));
  return r;
}
IMORI_FOR_CPU_INLINED Vector root(const Vector &v) {
  Vector r;
  asm("vsqrtps %1, %0" : "=v"(r) : "v"(v));
  return r;
}

struct AdamNumbers {
  float step, unbias, eps, b1, c1, b2, c2, decay, shrink;
};

// The averages of squares whose roots are made from estimates, and the settings with which these neither overflow nor
// lose digits.
constexpr float kLeast = 1e-34f, kMost = 1e30f, kMostEps = 1e15f, kMostUnbias = 1e4f;

bool by_estimates(float unbias, float eps) {
  return unbias >= 0 && unbias <= kMostUnbias && eps >= 0 && eps <= kMostEps;
}

// top / (sqrt(second) * unbias + eps). Division and root take the processor longer than all else that Adam does, memory
// included. What is made of a number does not depend on those beside it.
IMORI_FOR_CPU_INLINED Vector adam_quotient(const Vector &top, const Vector &second, float unbias, float eps) {
  // Below kLeast a root, which is 1e-17 there, is nothing beside a usual eps.
  const bool small_roots_vanish = eps >= 1e-10f * std::max(unbias, 100.0f);
  // Floats from 0 on are in the order of their bits as whole numbers; negative ones and what is no number come behind.
  const __m512i least = (__m512i)_mm512_set1_ps(small_roots_vanish ? 0 : kLeast);
  const __m512i range = _mm512_sub_epi32((__m512i)_mm512_set1_ps(kMost), least);
  const __mmask16 fine = _mm512_cmple_epu32_mask(_mm512_sub_epi32((__m512i)second, least), range);
  // A step of Newton's makes of an estimate all bits of a float but the last one.
  const Vector r = estimated_inverse_root(second > kLeast ? second : kLeast - Vector{}), estimate = second * r;
  const Vector divisor = (estimate + 0.5f * r * (second - estimate * estimate)) * unbias + eps;
  const Vector i = estimated_inverse(divisor), result = top * (i + i * (1 - divisor * i));
  if (fine == 0xffff) return result;
  const Vector slowly = top / (root(second) * unbias + eps);
  return (Vector)_mm512_mask_mov_ps((__m512)slowly, fine, (__m512)result);
}

IMORI_FOR_CPU_INLINED void adam_vector(float *p, const float *g, float *m, float *v, const AdamNumbers &s) {
  const Vector value = get(p) * s.shrink, gradient = get(g) + s.decay * value;
  const Vector before = get(m), change = gradient - before;
  const Vector first = s.c1 < 0.5f ? before + s.c1 * change : gradient - change * s.b1;
  const Vector second = s.b2 * get(v) + s.c2 * gradient * gradient;
  put(m, first);
  put(v, second);
  put(p, value - adam_quotient(s.step * first, second, s.unbias, s.eps));
}

IMORI_FOR_CPU void adam_vectors(float *p, const float *g, float *m, float *v, int64_t n, AdamNumbers s) {
  int64_t i = 0;
  for (; i + kVector <= n; i += kVector) adam_vector(p + i, g + i, m + i, v + i, s);
  if (i == n) return;
  float padded[4][kVector] = {};
  float *const all[] = {p + i, m + i, v + i};
  for (int64_t k = 0; k < 3; k++) std::copy_n(all[k], n - i, padded[k]);
  std::copy_n(g + i, n - i, padded[3]);
  adam_vector(padded[0], padded[3], padded[1], padded[2], s);
  for (int64_t k = 0; k < 3; k++) std::copy_n(padded[k], n - i, all[k]);
}

#endif

IMORI_VERSIONED void adam_anywhere(float *p, const float *g, float *m, float *v, int64_t n,
                                   const ix_optimizer_options &o, const AdamStep &s) {
  adam(p, g, m, v, n, o, s);
}

}  // namespace

void adam_loop(float *p, const float *g, float *m, float *v, int64_t n, const ix_optimizer_options &o,
               const AdamStep &s) {
#ifdef __x86_64__
  const float unbias = static_cast<float>(s.unbias), eps = static_cast<float>(o.eps);
  if (has_avx512() && by_estimates(unbias, eps)) {
    const float decay = static_cast<float>(s.decoupled ? 0 : o.weight_decay);
    const float shrink = static_cast<float>(s.decoupled ? s.shrink : 1);
    return adam_vectors(
        p, g, m, v, n,
        {static_cast<float>(s.step), unbias, eps, static_cast<float>(o.beta1), static_cast<float>(1 - o.beta1),
         static_cast<float>(o.beta2), static_cast<float>(1 - o.beta2), decay, shrink});
  }
#endif
  adam_anywhere(p, g, m, v, n, o, s);
}
IMORI_VERSIONED void adam_loop(double *p, const double *g, double *m, double *v, int64_t n,
                               const ix_optimizer_options &o, const AdamStep &s) {
  adam(p, g, m, v, n, o, s);
}
IMORI_VERSIONED void rmsprop_loop(float *p, const float *g, float *square, float *momentum, float *mean, int64_t n,
                                  const ix_optimizer_options &o) {
  rmsprop(p, g, square, momentum, mean, n, o);
}
IMORI_VERSIONED void rmsprop_loop(double *p, const double *g, double *square, double *momentum, double *mean, int64_t n,
                                  const ix_optimizer_options &o) {
  rmsprop(p, g, square, momentum, mean, n, o);
}

}  // namespace imori
