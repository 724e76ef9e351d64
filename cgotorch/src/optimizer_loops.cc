#include "optimizer_loops.h"

#include <cmath>

#include "simd.h"

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

}  // namespace

IMORI_VERSIONED void adam_loop(float *p, const float *g, float *m, float *v, int64_t n, const ix_optimizer_options &o,
                               const AdamStep &s) {
  adam(p, g, m, v, n, o, s);
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
