// The optimisers' updates of one stretch of numbers, in one sweep over all that belongs to them.
#pragma once

#include <cstdint>

#include "imori.h"

namespace imori {

// What a loop needs of the options, in double precision: each is rounded to the parameter's type, in which PyTorch
// computes too.
struct AdamStep {
  double step;     // lr, corrected for the first average's start at zero
  double unbias;   // corrects the root of the second average for its start at zero; a factor: PyTorch divides, which
                   // takes long
  double shrink;   // 1 - lr * weight decay
  bool decoupled;  // AdamW
};

void adam_loop(float *p, const float *g, float *m, float *v, int64_t n, const ix_optimizer_options &o,
               const AdamStep &s);
void adam_loop(double *p, const double *g, double *m, double *v, int64_t n, const ix_optimizer_options &o,
               const AdamStep &s);
// momentum and mean may be null.
void rmsprop_loop(float *p, const float *g, float *square, float *momentum, float *mean, int64_t n,
                  const ix_optimizer_options &o);
void rmsprop_loop(double *p, const double *g, double *square, double *momentum, double *mean, int64_t n,
                  const ix_optimizer_options &o);

}  // namespace imori
