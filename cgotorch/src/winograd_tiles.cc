#include "winograd_tiles.h"

#include "cpu.h"

#define IMORI_EACH_CPU "winograd_tiles_loops.h"
#include "each_cpu.h"

namespace imori {
namespace winograd {

template <typename T>
void take_input(const Plan &plan, const Tiles &tiles, const T *x, const T *zeros, const Panels<T> &to) {
  IMORI_CALL(T, take_input(plan, tiles, x, zeros, to));
}

void give_input(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const Rows &wanted, float *x) {
  IMORI_CALL(float, give_input(plan, tiles, from, wanted, x));
}

template <typename T>
void give_output(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const float *bias, T *y) {
  IMORI_CALL(T, give_output(plan, tiles, from, bias, y));
}

template <typename T>
void take_output(const Plan &plan, const Tiles &tiles, const T *y, const T *zeros, const Panels<T> &to) {
  IMORI_CALL(T, take_output(plan, tiles, y, zeros, to));
}

template <typename T>
void take_kernel(const Plan &plan, const float *w, int64_t step, const Panels<T> &to, int64_t row, int64_t column) {
  IMORI_CALL(T, take_kernel(plan, w, step, to, row, column));
}

void give_kernel(const Plan &plan, const Panels<float> &from, int64_t row, int64_t column, float *w, int64_t step) {
  IMORI_CALL(float, give_kernel(plan, from, row, column, w, step));
}

template <typename T>
void take_kernel_row(const Plan &plan, const float *w, int64_t step, const Panels<T> *to, int64_t row, int64_t column) {
  IMORI_CALL(T, take_kernel_row(plan, w, step, to, row, column));
}

#define IMORI_TILES_OF(T)                                                                               \
  template void take_input(const Plan &, const Tiles &, const T *, const T *, const Panels<T> &);       \
  template void give_output(const Plan &, const Tiles &, const Panels<float> &, const float *, T *);    \
  template void take_output(const Plan &, const Tiles &, const T *, const T *, const Panels<T> &);      \
  template void take_kernel(const Plan &, const float *, int64_t, const Panels<T> &, int64_t, int64_t); \
  template void take_kernel_row(const Plan &, const float *, int64_t, const Panels<T> *, int64_t, int64_t);

IMORI_TILES_OF(float)
IMORI_TILES_OF(Half)
#undef IMORI_TILES_OF

}  // namespace winograd
}  // namespace imori
