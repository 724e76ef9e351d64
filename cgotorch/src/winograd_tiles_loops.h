// From maps and kernels to matrices and back, for each kind of processor; see each_cpu.h. No pragma once.

#include "winograd_sums4.h"
#include "winograd_tiles.h"

namespace imori {
namespace winograd {
namespace IMORI_CPU {
namespace {

// What a phase's tiles are in one direction: outputs, places of the kernel, and as many inputs as points.
template <int outputs, int places>
struct Cut {
  static constexpr int kOutputs = outputs, kPlaces = places, kPoints = points_of(outputs, places);
  using FromInput = Input<outputs, places>;
  using ToInput = InputBack<outputs, places>;
  using FromKernel = Kernel<outputs, places>;
  using ToKernel = KernelBack<outputs, places>;
};

// Calls work.run<cut in y, in x>(phase in y, in x) for each phase.
template <int outputs, typename Work>
IMORI_FOR_CPU_INLINED void each_phase_of(const Plan &plan, const Work &work) {
  using Two = Cut<outputs, 2>;
  using Three = Cut<outputs, 3>;
  for (int64_t y = 0; y < plan.s.stride; y++) {
    for (int64_t x = 0; x < plan.s.stride; x++) {
      if (plan.places[y] == 3) {
        plan.places[x] == 3 ? work.template run<Three, Three>(y, x) : work.template run<Three, Two>(y, x);
      } else {
        plan.places[x] == 3 ? work.template run<Two, Three>(y, x) : work.template run<Two, Two>(y, x);
      }
    }
  }
}

template <typename Work>
IMORI_FOR_CPU_INLINED void each_phase(const Plan &plan, const Work &work) {
  plan.outputs == 2 ? each_phase_of<2>(plan, work) : each_phase_of<4>(plan, work);
}

// Calls work.tile<Y, X>(places, matrix) for each tile in each phase: where in the map the inputs of the tile are,
// kOutside for those that are not in the given rows, and where their sums begin in the matrix.
constexpr int64_t kOutside = -1;

template <typename T, typename Work>
struct EachTile {
  const Plan &plan;
  const Tiles &tiles;
  const Panels<T> &matrix;
  const Rows &rows;
  const Work &work;

  template <typename Y, typename X>
  IMORI_FOR_CPU_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    const Sizes &s = plan.s;
    T *at[Y::kPoints][X::kPoints];
    for (int i = 0; i < Y::kPoints; i++) {
      for (int j = 0; j < X::kPoints; j++) {
        at[i][j] =
            matrix.at(tiles.row, plan.column(plan.point(Y::kPlaces, i), plan.point(X::kPlaces, j), phase_y, phase_x));
      }
    }
    int64_t tile_y = tiles.first / plan.tiles_x, tile_x = tiles.first % plan.tiles_x;
    for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
      const int64_t y0 = plan.begin(tile_y) + phase_y, x0 = plan.begin(tile_x) + phase_x;
      int64_t places[Y::kPoints][X::kPoints];
      for (int i = 0; i < Y::kPoints; i++) {
        const int64_t y = y0 + i * s.stride;
        for (int j = 0; j < X::kPoints; j++) {
          const int64_t x = x0 + j * s.stride;
          const bool inside = y >= rows.first && y < rows.last && x >= 0 && x < s.w;
          places[i][j] = inside ? (y * s.w + x) * s.c : kOutside;
        }
      }
      work.template tile<Y, X>(places, at);
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) at[i][j] += kPanel;
      }
      if (++tile_x == plan.tiles_x) tile_x = 0, tile_y++;
    }
  }
};

template <typename T>
struct TakeInput {
  const T *map, *zeros;
  int64_t channels, panel;  // panel: from one of the matrix to the next
  int64_t soon;             // from a place of the map to where it is in the next tile but one

  template <typename Y, typename X>
  IMORI_FOR_CPU_INLINED void tile(const int64_t (&places)[Y::kPoints][X::kPoints],
                                  T *const (&to)[Y::kPoints][X::kPoints]) const {
    const T *from[Y::kPoints][X::kPoints];
    for (int i = 0; i < Y::kPoints; i++) {
      for (int j = 0; j < X::kPoints; j++) from[i][j] = places[i][j] == kOutside ? zeros : map + places[i][j];
    }
    for (int64_t c = 0; c < channels; c += kApart<T> * kVector) {
      const int64_t ahead = c / kPanel * panel + c % kPanel;
      Vector d[kApart<T>][Y::kPoints][X::kPoints], sums[kApart<T>][Y::kPoints][X::kPoints];
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) take_apart(from[i][j] + c, &d[0][i][j], Y::kPoints * X::kPoints);
      }
      // The maps of a batch come from memory, and the processor does not foresee so many short rows.
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = X::kPlaces - 1; j < X::kPoints; j++) __builtin_prefetch(from[i][j] + c + soon);
      }
      for (int k = 0; k < kApart<T>; k++) both<typename Y::FromInput, typename X::FromInput>(d[k], sums[k]);
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) put_together(to[i][j] + ahead, &sums[0][i][j], Y::kPoints * X::kPoints);
      }
    }
  }
};

// Tiles overlap, so each adds its part.
struct GiveInput {
  float *map;
  int64_t channels, panel;

  template <typename Y, typename X>
  IMORI_FOR_CPU_INLINED void tile(const int64_t (&places)[Y::kPoints][X::kPoints],
                                  float *const (&from)[Y::kPoints][X::kPoints]) const {
    for (int64_t c = 0; c < channels; c += kVector) {
      const int64_t ahead = c / kPanel * panel + c % kPanel;
      Vector m[Y::kPoints][X::kPoints], sums[Y::kPoints][X::kPoints];
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) m[i][j] = get(from[i][j] + ahead);
      }
      both<typename Y::ToInput, typename X::ToInput>(m, sums);
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) {
          if (places[i][j] == kOutside) continue;
          float *to = map + places[i][j] + c;
          put(to, get(to) + sums[i][j]);
        }
      }
    }
  }
};

template <int outputs, int side, typename T>
IMORI_FOR_CPU_INLINED void give_outputs(const Plan &plan, const Tiles &tiles, const Panels<float> &from,
                                        const float *bias, T *map) {
  const Sizes &s = plan.s;
  const int64_t point = s.out * from.stride;  // from one of the matrix to the next
  for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
    const int64_t y0 = tile / plan.tiles_x * outputs, x0 = tile % plan.tiles_x * outputs;
    for (int64_t c = 0; c < s.out; c += kVector) {
      const float *at = from.at(tiles.row + tile - tiles.first, c);
      Vector m[side][side], sums[outputs][outputs];
      for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) m[i][j] = get(at + (i * side + j) * point);
      }
      both<Output<outputs, side>, Output<outputs, side>>(m, sums);
      const Vector add = bias == nullptr ? Vector{} : get(bias + c);
      for (int i = 0; i < outputs; i++) {
        for (int j = 0; j < outputs; j++) {
          const int64_t y = y0 + i, x = x0 + j;
          if (y < s.oh && x < s.ow) put(map + (y * s.ow + x) * s.out + c, sums[i][j] + add);
        }
      }
    }
  }
}

template <int outputs, int side, typename T>
IMORI_FOR_CPU_INLINED void take_outputs(const Plan &plan, const Tiles &tiles, const T *map, const T *zeros,
                                        const Panels<T> &to) {
  const Sizes &s = plan.s;
  const int64_t point = s.out * to.stride;
  for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
    const int64_t y0 = tile / plan.tiles_x * outputs, x0 = tile % plan.tiles_x * outputs;
    const T *from[outputs][outputs];
    for (int i = 0; i < outputs; i++) {
      for (int j = 0; j < outputs; j++) {
        const int64_t y = y0 + i, x = x0 + j;
        from[i][j] = y < s.oh && x < s.ow ? map + (y * s.ow + x) * s.out : zeros;
      }
    }
    for (int64_t c = 0; c < s.out; c += kApart<T> * kVector) {
      T *at = to.at(tiles.row + tile - tiles.first, c);
      Vector d[kApart<T>][outputs][outputs], sums[kApart<T>][side][side];
      for (int i = 0; i < outputs; i++) {
        for (int j = 0; j < outputs; j++) take_apart(from[i][j] + c, &d[0][i][j], outputs * outputs);
      }
      for (int k = 0; k < kApart<T>; k++) both<OutputBack<outputs, side>, OutputBack<outputs, side>>(d[k], sums[k]);
      for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) put_together(at + (i * side + j) * point, &sums[0][i][j], side * side);
      }
    }
  }
}

// The place of the kernel that comes first in a phase.
const float *kernel_at(const Plan &plan, const float *w, int64_t step, int64_t phase_y, int64_t phase_x) {
  return w + (phase_y * plan.s.kernel + phase_x) * step;
}

template <typename Y, typename X>
IMORI_FOR_CPU_INLINED void sum_kernel(const Plan &plan, const float *from, int64_t step,
                                      Vector (&sums)[Y::kPoints][X::kPoints]) {
  Vector w[Y::kPlaces][X::kPlaces];
  for (int i = 0; i < Y::kPlaces; i++) {
    for (int j = 0; j < X::kPlaces; j++) w[i][j] = get(from + (i * plan.s.kernel + j) * plan.s.stride * step);
  }
  both<typename Y::FromKernel, typename X::FromKernel>(w, sums);
}

template <typename T>
struct TakeKernel {
  const Plan &plan;
  const float *w;
  int64_t step;
  const Panels<T> &to;
  int64_t row, first;

  template <typename Y, typename X>
  IMORI_FOR_CPU_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    for (int64_t c = 0; c < kPanel; c += kVector) {
      Vector sums[Y::kPoints][X::kPoints];
      sum_kernel<Y, X>(plan, kernel_at(plan, w, step, phase_y, phase_x) + c, step, sums);
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) {
          const int64_t column = plan.column(plan.point(Y::kPlaces, i), plan.point(X::kPlaces, j), phase_y, phase_x);
          put(to.at(row, column + first) + c, sums[i][j]);
        }
      }
    }
  }
};

template <typename T>
struct TakeKernelRow {
  const Plan &plan;
  const float *w;
  int64_t step;
  const Panels<T> *to;
  int64_t row, column;

  template <typename Y, typename X>
  IMORI_FOR_CPU_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    for (int64_t c = 0; c < kPanel; c += kVector) {
      Vector sums[Y::kPoints][X::kPoints];
      sum_kernel<Y, X>(plan, kernel_at(plan, w, step, phase_y, phase_x) + c, step, sums);
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) {
          const int p = plan.point(Y::kPlaces, i) * plan.side + plan.point(X::kPlaces, j);
          T *at = to[p].at(plan.slot[p][phase_y][phase_x] * plan.s.c + row, column) + c;
          put(at, sums[i][j]);
          __builtin_prefetch(at + 4 * kPanel, 1);  // there are more streams of rows than the processor foresees
        }
      }
    }
  }
};

struct GiveKernel {
  const Plan &plan;
  const Panels<float> &from;
  int64_t row, first;
  float *w;
  int64_t step;

  template <typename Y, typename X>
  IMORI_FOR_CPU_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    float *to = w + (phase_y * plan.s.kernel + phase_x) * step;
    for (int64_t c = 0; c < kPanel; c += kVector) {
      Vector m[Y::kPoints][X::kPoints], sums[Y::kPlaces][X::kPlaces];
      for (int i = 0; i < Y::kPoints; i++) {
        for (int j = 0; j < X::kPoints; j++) {
          const int64_t column = plan.column(plan.point(Y::kPlaces, i), plan.point(X::kPlaces, j), phase_y, phase_x);
          m[i][j] = get(from.at(row, column + first) + c);
        }
      }
      both<typename Y::ToKernel, typename X::ToKernel>(m, sums);
      for (int i = 0; i < Y::kPlaces; i++) {
        for (int j = 0; j < X::kPlaces; j++) put(to + (i * plan.s.kernel + j) * plan.s.stride * step + c, sums[i][j]);
      }
    }
  }
};

template <typename T>
IMORI_FOR_CPU void take_input(const Plan &plan, const Tiles &tiles, const T *x, const T *zeros, const Panels<T> &to) {
  const Rows all{0, plan.s.h};
  const TakeInput<T> take{x, zeros, plan.s.c, to.stride * kPanel, 2 * plan.outputs * plan.s.stride * plan.s.c};
  each_phase(plan, EachTile<T, TakeInput<T>>{plan, tiles, to, all, take});
}

IMORI_FOR_CPU void give_input(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const Rows &wanted,
                              float *x) {
  const GiveInput give{x, plan.s.c, from.stride * kPanel};
  each_phase(plan, EachTile<float, GiveInput>{plan, tiles, from, wanted, give});
}

template <typename T>
IMORI_FOR_CPU void give_output(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const float *bias,
                               T *y) {
  switch (plan.side) {
    case 3:
      return give_outputs<2, 3>(plan, tiles, from, bias, y);
    case 4:
      return give_outputs<2, 4>(plan, tiles, from, bias, y);
    case 5:
      return give_outputs<4, 5>(plan, tiles, from, bias, y);
    default:
      return give_outputs<4, 6>(plan, tiles, from, bias, y);
  }
}

template <typename T>
IMORI_FOR_CPU void take_output(const Plan &plan, const Tiles &tiles, const T *y, const T *zeros, const Panels<T> &to) {
  switch (plan.side) {
    case 3:
      return take_outputs<2, 3>(plan, tiles, y, zeros, to);
    case 4:
      return take_outputs<2, 4>(plan, tiles, y, zeros, to);
    case 5:
      return take_outputs<4, 5>(plan, tiles, y, zeros, to);
    default:
      return take_outputs<4, 6>(plan, tiles, y, zeros, to);
  }
}

template <typename T>
IMORI_FOR_CPU void take_kernel(const Plan &plan, const float *w, int64_t step, const Panels<T> &to, int64_t row,
                               int64_t column) {
  each_phase(plan, TakeKernel<T>{plan, w, step, to, row, column});
}

IMORI_FOR_CPU void give_kernel(const Plan &plan, const Panels<float> &from, int64_t row, int64_t column, float *w,
                               int64_t step) {
  each_phase(plan, GiveKernel{plan, from, row, column, w, step});
}

template <typename T>
IMORI_FOR_CPU void take_kernel_row(const Plan &plan, const float *w, int64_t step, const Panels<T> *to, int64_t row,
                                   int64_t column) {
  each_phase(plan, TakeKernelRow<T>{plan, w, step, to, row, column});
}

}  // namespace
}  // namespace IMORI_CPU
}  // namespace winograd
}  // namespace imori
