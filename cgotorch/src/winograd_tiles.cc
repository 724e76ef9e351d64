#include "winograd_tiles.h"

#include "winograd_sums.h"

namespace imori {
namespace winograd {
namespace {

// Calls work.run<places of the kernel in y, in x>(phase in y, in x) for each phase.
template <typename Work>
IMORI_AVX512_INLINED void each_phase(const Plan &plan, const Work &work) {
  for (int64_t y = 0; y < plan.s.stride; y++) {
    for (int64_t x = 0; x < plan.s.stride; x++) {
      if (plan.places[y] == 3) {
        plan.places[x] == 3 ? work.template run<3, 3>(y, x) : work.template run<3, 2>(y, x);
      } else {
        plan.places[x] == 3 ? work.template run<2, 3>(y, x) : work.template run<2, 2>(y, x);
      }
    }
  }
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

  template <int Y, int X>
  IMORI_AVX512_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    const Sizes &s = plan.s;
    T *at[Y + 1][X + 1];
    for (int i = 0; i <= Y; i++) {
      for (int j = 0; j <= X; j++) {
        at[i][j] = matrix.at(tiles.row, plan.column(plan.point(Y, i), plan.point(X, j), phase_y, phase_x));
      }
    }
    int64_t tile_y = tiles.first / plan.tiles_x, tile_x = tiles.first % plan.tiles_x;
    for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
      const int64_t y0 = plan.begin(tile_y) + phase_y, x0 = plan.begin(tile_x) + phase_x;
      int64_t places[Y + 1][X + 1];
      for (int i = 0; i <= Y; i++) {
        const int64_t y = y0 + i * s.stride;
        for (int j = 0; j <= X; j++) {
          const int64_t x = x0 + j * s.stride;
          const bool inside = y >= rows.first && y < rows.last && x >= 0 && x < s.w;
          places[i][j] = inside ? (y * s.w + x) * s.c : kOutside;
        }
      }
      work.template tile<Y, X>(places, at);
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) at[i][j] += kPanel;
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

  template <int Y, int X>
  IMORI_AVX512_INLINED void tile(const int64_t (&places)[Y + 1][X + 1], T *const (&to)[Y + 1][X + 1]) const {
    const T *from[Y + 1][X + 1];
    for (int i = 0; i <= Y; i++) {
      for (int j = 0; j <= X; j++) from[i][j] = places[i][j] == kOutside ? zeros : map + places[i][j];
    }
    for (int64_t c = 0; c < channels; c += kVector) {
      const int64_t ahead = c / kPanel * panel + c % kPanel;
      Vector d[Y + 1][X + 1], sums[Y + 1][X + 1];
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) d[i][j] = get(from[i][j] + c);
      }
      // The maps of a batch come from memory, and the processor does not foresee so many short rows.
      for (int i = 0; i <= Y; i++) {
        __builtin_prefetch(from[i][X - 1] + c + soon);
        __builtin_prefetch(from[i][X] + c + soon);
      }
      both<Input<Y>, Input<X>>(d, sums);
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) put(to[i][j] + ahead, sums[i][j]);
      }
    }
  }
};

// Tiles overlap, so each adds its part.
struct GiveInput {
  float *map;
  int64_t channels, panel;

  template <int Y, int X>
  IMORI_AVX512_INLINED void tile(const int64_t (&places)[Y + 1][X + 1], float *const (&from)[Y + 1][X + 1]) const {
    for (int64_t c = 0; c < channels; c += kVector) {
      const int64_t ahead = c / kPanel * panel + c % kPanel;
      Vector m[Y + 1][X + 1], sums[Y + 1][X + 1];
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) m[i][j] = get(from[i][j] + ahead);
      }
      both<InputBack<Y>, InputBack<X>>(m, sums);
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) {
          if (places[i][j] == kOutside) continue;
          float *to = map + places[i][j] + c;
          put(to, get(to) + sums[i][j]);
        }
      }
    }
  }
};

template <int side, typename T>
IMORI_AVX512_INLINED void give_outputs(const Plan &plan, const Tiles &tiles, const Panels<float> &from,
                                       const float *bias, T *map) {
  const Sizes &s = plan.s;
  const int64_t point = s.out * from.stride;  // from one of the matrix to the next
  for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
    const int64_t y0 = tile / plan.tiles_x * 2, x0 = tile % plan.tiles_x * 2;
    for (int64_t c = 0; c < s.out; c += kVector) {
      const float *at = from.at(tiles.row + tile - tiles.first, c);
      Vector m[side][side], sums[2][2];
      for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) m[i][j] = get(at + (i * side + j) * point);
      }
      both<Output<side>, Output<side>>(m, sums);
      const Vector add = bias == nullptr ? Vector{} : get(bias + c);
      for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
          const int64_t y = y0 + i, x = x0 + j;
          if (y < s.oh && x < s.ow) put(map + (y * s.ow + x) * s.out + c, sums[i][j] + add);
        }
      }
    }
  }
}

template <int side, typename T>
IMORI_AVX512_INLINED void take_outputs(const Plan &plan, const Tiles &tiles, const T *map, const T *zeros,
                                       const Panels<T> &to) {
  const Sizes &s = plan.s;
  const int64_t point = s.out * to.stride;
  for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
    const int64_t y0 = tile / plan.tiles_x * 2, x0 = tile % plan.tiles_x * 2;
    const T *from[2][2];
    for (int i = 0; i < 2; i++) {
      for (int j = 0; j < 2; j++) {
        const int64_t y = y0 + i, x = x0 + j;
        from[i][j] = y < s.oh && x < s.ow ? map + (y * s.ow + x) * s.out : zeros;
      }
    }
    for (int64_t c = 0; c < s.out; c += kVector) {
      T *at = to.at(tiles.row + tile - tiles.first, c);
      Vector d[2][2], sums[side][side];
      for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) d[i][j] = get(from[i][j] + c);
      }
      both<OutputBack<side>, OutputBack<side>>(d, sums);
      for (int i = 0; i < side; i++) {
        for (int j = 0; j < side; j++) put(at + (i * side + j) * point, sums[i][j]);
      }
    }
  }
}

// The place of the kernel that comes first in a phase, and how far it is to the phase's next one.
const float *kernel_at(const Plan &plan, const float *w, int64_t step, int64_t phase_y, int64_t phase_x) {
  return w + (phase_y * plan.s.kernel + phase_x) * step;
}

template <int Y, int X>
IMORI_AVX512_INLINED void sum_kernel(const Plan &plan, const float *from, int64_t step, Vector (&sums)[Y + 1][X + 1]) {
  Vector w[Y][X];
  for (int i = 0; i < Y; i++) {
    for (int j = 0; j < X; j++) w[i][j] = get(from + (i * plan.s.kernel + j) * plan.s.stride * step);
  }
  both<Kernel<Y>, Kernel<X>>(w, sums);
}

template <typename T>
struct TakeKernel {
  const Plan &plan;
  const float *w;
  int64_t step;
  const Panels<T> &to;
  int64_t row, first;

  template <int Y, int X>
  IMORI_AVX512_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    for (int64_t c = 0; c < kPanel; c += kVector) {
      Vector sums[Y + 1][X + 1];
      sum_kernel<Y, X>(plan, kernel_at(plan, w, step, phase_y, phase_x) + c, step, sums);
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) {
          const int64_t column = plan.column(plan.point(Y, i), plan.point(X, j), phase_y, phase_x);
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

  template <int Y, int X>
  IMORI_AVX512_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    for (int64_t c = 0; c < kPanel; c += kVector) {
      Vector sums[Y + 1][X + 1];
      sum_kernel<Y, X>(plan, kernel_at(plan, w, step, phase_y, phase_x) + c, step, sums);
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) {
          const int p = plan.point(Y, i) * plan.side + plan.point(X, j);
          put(to[p].at(plan.slot[p][phase_y][phase_x] * plan.s.c + row, column) + c, sums[i][j]);
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

  template <int Y, int X>
  IMORI_AVX512_INLINED void run(int64_t phase_y, int64_t phase_x) const {
    float *to = w + (phase_y * plan.s.kernel + phase_x) * step;
    for (int64_t c = 0; c < kPanel; c += kVector) {
      Vector m[Y + 1][X + 1], sums[Y][X];
      for (int i = 0; i <= Y; i++) {
        for (int j = 0; j <= X; j++) {
          const int64_t column = plan.column(plan.point(Y, i), plan.point(X, j), phase_y, phase_x);
          m[i][j] = get(from.at(row, column + first) + c);
        }
      }
      both<KernelBack<Y>, KernelBack<X>>(m, sums);
      for (int i = 0; i < Y; i++) {
        for (int j = 0; j < X; j++) put(to + (i * plan.s.kernel + j) * plan.s.stride * step + c, sums[i][j]);
      }
    }
  }
};

}  // namespace

template <typename T>
IMORI_AVX512 void take_input(const Plan &plan, const Tiles &tiles, const T *x, const T *zeros, const Panels<T> &to) {
  const Rows all{0, plan.s.h};
  const TakeInput<T> take{x, zeros, plan.s.c, to.stride * kPanel, 2 * 2 * plan.s.stride * plan.s.c};
  each_phase(plan, EachTile<T, TakeInput<T>>{plan, tiles, to, all, take});
}

IMORI_AVX512 void give_input(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const Rows &wanted,
                             float *x) {
  const GiveInput give{x, plan.s.c, from.stride * kPanel};
  each_phase(plan, EachTile<float, GiveInput>{plan, tiles, from, wanted, give});
}

template <typename T>
IMORI_AVX512 void give_output(const Plan &plan, const Tiles &tiles, const Panels<float> &from, const float *bias,
                              T *y) {
  plan.side == 3 ? give_outputs<3>(plan, tiles, from, bias, y) : give_outputs<4>(plan, tiles, from, bias, y);
}

template <typename T>
IMORI_AVX512 void take_output(const Plan &plan, const Tiles &tiles, const T *y, const T *zeros, const Panels<T> &to) {
  plan.side == 3 ? take_outputs<3>(plan, tiles, y, zeros, to) : take_outputs<4>(plan, tiles, y, zeros, to);
}

template <typename T>
IMORI_AVX512 void take_kernel(const Plan &plan, const float *w, int64_t step, const Panels<T> &to, int64_t row,
                              int64_t column) {
  each_phase(plan, TakeKernel<T>{plan, w, step, to, row, column});
}

IMORI_AVX512 void give_kernel(const Plan &plan, const Panels<float> &from, int64_t row, int64_t column, float *w,
                              int64_t step) {
  each_phase(plan, GiveKernel{plan, from, row, column, w, step});
}

template <typename T>
IMORI_AVX512 void take_kernel_row(const Plan &plan, const float *w, int64_t step, const Panels<T> *to, int64_t row,
                                  int64_t column) {
  each_phase(plan, TakeKernelRow<T>{plan, w, step, to, row, column});
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
