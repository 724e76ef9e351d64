#include "winograd.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <vector>

#include "apart.h"
#include "cpu.h"
#include "kept.h"
#include "panel_copies.h"
#include "precision.h"
#include "simd.h"
#include "transpose.h"
#include "winograd_tiles.h"

namespace imori {
namespace winograd {
namespace {

Sizes sizes(at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  return {x[0], x[1], x[2], x[3], g[1], g[2], g[3], w[2], o.stride[0], o.padding[0]};
}

// Multiplications for each pair of channels; a number of the kernel's sums takes as long to make as some.
int64_t work(const Plan &plan) {
  constexpr int64_t kSum = 60;
  return (plan.s.n * plan.tiles() + kSum) * (plan.columns() / plan.s.c);
}

// Tiles of 4 x 4 take fewer multiplications, but their sums are of more and larger numbers than bfloat16 has digits
// for, and those of a large kernel would take more memory than they are worth.
Plan plan_for(at::ScalarType type, const Sizes &s) {
  constexpr int64_t kMostSums = 1 << 23;
  const Plan two(s, 2), four(s, 4);
  return type == at::kFloat && four.columns() * s.out <= kMostSums && work(four) < work(two) ? four : two;
}

// Calls work(first output, first channel) for 32 x 32 of a kernel at a time, on several threads.
template <typename Work>
void each_kernel_block(const Plan &plan, const Work &work) {
  const int64_t across = plan.s.c / kPanel;
  at::parallel_for(0, plan.s.out / kPanel * across, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) work(i / across * kPanel, i % across * kPanel);
  });
}

// Calls work(image, tiles) for those of a stretch of a batch's tiles; the first one has row 0.
template <typename Work>
void each_image(const Plan &plan, int64_t first, int64_t last, const Work &work) {
  const int64_t tiles = plan.tiles();
  for (int64_t tile = first, end = 0; tile < last; tile = end) {
    const int64_t image = tile / tiles;
    end = std::min(last, (image + 1) * tiles);
    work(image, Tiles{tile - image * tiles, end - image * tiles, tile - first});
  }
}

// Calls work(first, last, matrix of what goes into products, of what comes out of them) for blocks of a stretch of
// tiles. A product reads the whole kernel, which is worth enough rows; but what it reads and writes of them is to stay
// in the cache.
template <typename T, typename Work>
void each_block(int64_t first, int64_t last, int64_t columns_in, int64_t columns_out, const Work &work) {
  constexpr int64_t kBlock = 32;
  const int64_t rows = rounded(std::min(kBlock, last - first));
  Scratch<T> in(numbers_for(rows, columns_in));
  Scratch<float> out(numbers_for(rows, columns_out));
  const Panels<T> to_products = in.panels(rows, columns_in);
  const Panels<float> from_products = out.panels(rows, columns_out);
  for (int64_t tile = first; tile < last; tile += kBlock) {
    work(tile, std::min(tile + kBlock, last), to_products, from_products);
  }
}

// Rows of panels, an even number, paired in others from a row on; past the caches if that is told.
template <typename T>
void put_paired(const Panels<T> &from, int64_t rows, int64_t columns, const Panels<T> &to, int64_t row, bool past) {
  for (int64_t c = 0; c < columns; c += kPanel) {
    for (int64_t r = 0; r < rows; r += kTogether<T>) put_rows(from.at(r, c), kPanel, to.at(row + r, c), past);
  }
}

// The kernel's sums for the product at each point, where they are the right side.
template <typename T>
using OfPoints = std::array<Panels<T>, Plan::kMostPoints>;

template <typename T>
OfPoints<T> of_points(const Plan &plan, Room<T> &room) {
  OfPoints<T> all{};
  for (int p = 0; p < plan.points; p++) all[p] = room.panels(plan.inner[p], plan.s.out);
  return all;
}

template <typename T>
at::Tensor forward_sums(const Plan &plan, const at::Tensor &w) {
  const Sizes &s = plan.s;
  const int64_t places = s.kernel * s.kernel;
  int64_t numbers = 0;
  for (int p = 0; p < plan.points; p++) numbers += numbers_for(plan.inner[p], s.out);
  const at::Tensor made = panels::lasting<T>(numbers);
  Room<T> sums(made);
  const OfPoints<T> kernels = of_points(plan, sums);
  const float *from = w.data_ptr<float>();
  each_kernel_block(plan, [&](int64_t out, int64_t c) {
    std::vector<float> turned(places * kPanel * kPanel);
    for (int64_t k = 0; k < places; k++) {
      transpose_block(turned.data() + k * kPanel * kPanel, from + (out * places + k) * s.c + c, places * s.c, kPanel,
                      kPanel);
    }
    for (int64_t r = 0; r < kPanel; r++) {
      take_kernel_row(plan, turned.data() + r * kPanel, kPanel * kPanel, kernels.data(), c + r, out);
    }
    for (int p = 0; p < plan.points; p++) {
      for (int64_t row = c; row < plan.inner[p]; row += s.c) pair(kernels[p].from(out), row, row + kPanel, kPanel);
    }
  });
  return made;
}

template <typename T>
Making making(const Plan &plan, Making::What what) {
  return {what, c10::CppTypeToScalarType<T>::value, plan.s.stride, plan.outputs};
}

template <typename T>
at::Tensor forward_of(const Plan &plan, const at::Tensor &x, const at::Tensor &w, const at::Tensor &b) {
  const Sizes &s = plan.s;
  const at::Tensor made = kept(w, making<T>(plan, Making::kForwardSums), [&] { return forward_sums<T>(plan, w); });
  Room<T> sums(made);
  const OfPoints<T> kernels = of_points(plan, sums);
  const std::vector<T> zeros(s.c);
  const at::Tensor y = empty_maps({s.n, s.out, s.oh, s.ow}, c10::CppTypeToScalarType<T>::value),
                   bias = b.defined() ? b.contiguous() : b;
  const T *in = x.data_ptr<T>();
  const float *add = bias.defined() ? bias.data_ptr<float>() : nullptr;
  T *to = y.data_ptr<T>();
  at::parallel_for(0, s.n * plan.tiles(), kRows, [&](int64_t from_tile, int64_t to_tile) {
    const auto work = [&](int64_t first, int64_t last, const Panels<T> &inputs, const Panels<float> &outputs) {
      const int64_t rows = rounded(last - first);
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        take_input(plan, tiles, in + image * s.h * s.w * s.c, zeros.data(), inputs);
      });
      clear(inputs, last - first, rows, plan.columns());
      for (int p = 0; p < plan.points; p++) {
        multiply<T>(inputs.from(plan.first[p]), kernels[p], outputs.from(p * s.out), rows, plan.inner[p], s.out);
      }
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        give_output(plan, tiles, outputs, add, to + image * s.oh * s.ow * s.out);
      });
    };
    each_block<T>(from_tile, to_tile, plan.columns(), plan.points * s.out, work);
  });
  return y;
}

// Sums begin as zeros or, at each place, as the bias of its c channels.
void begin_with(const float *bias, int64_t c, float *map, int64_t n) {
  if (bias == nullptr) {
    std::fill_n(map, n, 0.0f);
    return;
  }
  for (int64_t i = 0; i < n; i += c) std::copy_n(bias, c, map + i);
}

// Rows of maps, to which tiles add their parts in float32.
template <typename T>
class Sums;

template <>
class Sums<float> {
 public:
  Sums(int64_t, const float *bias, int64_t c) : bias_(bias), c_(c) {}
  float *begin(float *map, int64_t n) const {
    begin_with(bias_, c_, map, n);
    return map;
  }
  void end(float *, int64_t) const {}

 private:
  const float *bias_;
  int64_t c_;
};

template <>
class Sums<Half> {
 public:
  Sums(int64_t most, const float *bias, int64_t c) : bias_(bias), c_(c), memory_(most) {}
  float *begin(Half *, int64_t n) const {
    begin_with(bias_, c_, memory_.numbers(), n);
    return memory_.numbers();
  }
  void end(Half *map, int64_t n) const { finish(memory_.numbers(), map, n); }

 private:
  const float *bias_;
  int64_t c_;
  Scratch<float> memory_;
};

// The kernel's sums for the products of the output's gradient, in which they stand side by side.
template <typename T>
at::Tensor input_sums(const Plan &plan, const at::Tensor &w) {
  const Sizes &s = plan.s;
  const int64_t places = s.kernel * s.kernel;
  const at::Tensor made = panels::lasting<T>(numbers_for(s.out, plan.columns()));
  Room<T> sums(made);
  const Panels<T> kernel = sums.panels(s.out, plan.columns());
  const float *from = w.data_ptr<float>();
  each_kernel_block(plan, [&](int64_t first, int64_t c) {
    for (int64_t out = first; out < first + kPanel; out++) {
      take_kernel(plan, from + out * places * s.c + c, s.c, kernel, out, c);
    }
    for (int64_t column = c; column < plan.columns(); column += s.c) {
      pair(kernel.from(column), first, first + kPanel, kPanel);
    }
  });
  return made;
}

template <typename T>
at::Tensor input_of(const Plan &plan, const at::Tensor &g, const at::Tensor &w, const at::Tensor &b) {
  const Sizes &s = plan.s;
  const at::Tensor made = kept(w, making<T>(plan, Making::kInputSums), [&] { return input_sums<T>(plan, w); });
  Room<T> kernel_sums(made);
  const Panels<T> kernel = kernel_sums.panels(s.out, plan.columns());
  const std::vector<T> zeros(s.out);
  const at::Tensor x = empty_maps({s.n, s.c, s.h, s.w}, c10::CppTypeToScalarType<T>::value),
                   bias = b.defined() ? b.contiguous() : b;
  const float *add = bias.defined() ? bias.data_ptr<float>() : nullptr;
  const T *in = g.data_ptr<T>();
  T *to = x.data_ptr<T>();
  // Adds what tiles give to the wanted rows of maps; map is the one of the first tile.
  const auto give = [&](int64_t from_tile, int64_t to_tile, const Rows &wanted, float *map) {
    const int64_t first_image = from_tile / plan.tiles();
    const auto work = [&](int64_t first, int64_t last, const Panels<T> &outputs, const Panels<float> &inputs) {
      const int64_t rows = rounded(last - first);
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        take_output(plan, tiles, in + image * s.oh * s.ow * s.out, zeros.data(), outputs);
      });
      clear(outputs, last - first, rows, plan.points * s.out);
      for (int p = 0; p < plan.points; p++) {
        multiply<T>(outputs.from(p * s.out), kernel.from(plan.first[p]), inputs.from(plan.first[p]), rows, s.out,
                    plan.inner[p]);
      }
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        give_input(plan, tiles, inputs, wanted, map + (image - first_image) * s.h * s.w * s.c);
      });
    };
    each_block<T>(from_tile, to_tile, plan.points * s.out, plan.columns(), work);
  };
  // Tiles overlap: each adds its part. Where there are fewer images than threads, these take stripes of each, with the
  // row of tiles before, which reaches into it.
  const int64_t threads = at::get_num_threads(), row = s.w * s.c, map = s.h * row;
  const int64_t stripes = s.n >= threads ? 1 : std::min(plan.tiles_y, (threads + s.n - 1) / s.n);
  if (stripes == 1) {
    // As many images as fill a block, of which the sums stay in the cache.
    const int64_t images = std::min(s.n, (kRows * 4 + plan.tiles() - 1) / plan.tiles());
    at::parallel_for(0, s.n, 1, [&](int64_t begin, int64_t end) {
      Sums<T> sums(images * map, add, s.c);
      for (int64_t first = begin; first < end; first += images) {
        const int64_t last = std::min(first + images, end);
        float *at = sums.begin(to + first * map, (last - first) * map);
        give(first * plan.tiles(), last * plan.tiles(), {0, s.h}, at);
        sums.end(to + first * map, (last - first) * map);
      }
    });
    return x;
  }
  at::parallel_for(0, s.n * stripes, 1, [&](int64_t begin, int64_t end) {
    Sums<T> sums(map, add, s.c);
    for (int64_t i = begin; i < end; i++) {
      const int64_t image = i / stripes, stripe = i % stripes;
      const int64_t top = stripe * plan.tiles_y / stripes, bottom = (stripe + 1) * plan.tiles_y / stripes;
      const Rows wanted{stripe == 0 ? 0 : std::max<int64_t>(0, plan.begin(top)),
                        stripe == stripes - 1 ? s.h : std::min(s.h, plan.begin(bottom))};
      const int64_t rows = std::max<int64_t>(0, wanted.last - wanted.first);
      T *of_stripe = to + image * map + wanted.first * row;
      float *at = sums.begin(of_stripe, rows * row) - wanted.first * row;
      const int64_t tiles = image * plan.tiles();
      give(tiles + std::max<int64_t>(0, top - 1) * plan.tiles_x, tiles + bottom * plan.tiles_x, wanted, at);
      sums.end(of_stripe, rows * row);
    }
  });
  return x;
}

template <typename T>
at::Tensor weight_of(const Plan &plan, const at::Tensor &x, const at::Tensor &g) {
  const Sizes &s = plan.s;
  const int64_t places = s.kernel * s.kernel, outputs = plan.points * s.out;
  // All tiles of a batch may be more than the cache holds.
  constexpr int64_t kBytes = 1 << 22, kFewest = 128;
  const int64_t all = s.n * plan.tiles(), fit = kBytes / int64_t{sizeof(T)} / (plan.columns() + outputs);
  const int64_t rows = rounded(std::min(all, std::max(kFewest, fit)));
  Scratch<T> scratch(numbers_for(rows, plan.columns()) + numbers_for(rows, outputs));
  Scratch<float> results(numbers_for(s.out, plan.columns()));
  const Panels<T> of_x = scratch.panels(rows, plan.columns()), of_g = scratch.panels(rows, outputs);
  const Panels<float> sums = results.panels(s.out, plan.columns());
  const std::vector<T> zeros(std::max(s.c, s.out));
  const T *in = x.data_ptr<T>(), *out = g.data_ptr<T>();
  const bool past = apart();
  std::vector<int> point_of;  // each panel of columns
  for (int p = 0; p < plan.points; p++) point_of.insert(point_of.end(), plan.inner[p] / kPanel, p);
  for (int64_t tile = 0; tile < all; tile += rows) {
    const int64_t n = std::min(rows, all - tile), even = n + n % 2;
    // A thread's own memory is written over and over, and what all threads read only once.
    at::parallel_for(0, rounded(n) / kRows, 1, [&](int64_t first_block, int64_t last_block) {
      Scratch<T> own(numbers_for(kRows, plan.columns()) + numbers_for(kRows, outputs));
      const Panels<T> own_x = own.panels(kRows, plan.columns()), own_g = own.panels(kRows, outputs);
      for (int64_t row = first_block * kRows; row < std::min(n, last_block * kRows); row += kRows) {
        const int64_t some = std::min(kRows, n - row), paired = rounded(some, 2);
        each_image(plan, tile + row, tile + row + some, [&](int64_t image, const Tiles &tiles) {
          take_input(plan, tiles, in + image * s.h * s.w * s.c, zeros.data(), own_x);
          take_output(plan, tiles, out + image * s.oh * s.ow * s.out, zeros.data(), own_g);
        });
        clear(own_x, some, paired, plan.columns());
        clear(own_g, some, paired, outputs);
        put_paired(own_x, paired, plan.columns(), of_x, row, past);
        put_paired(own_g, paired, outputs, of_g, row, past);
      }
      settle();
    });
    at::parallel_for(0, point_of.size(), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; i++) {
        multiply_turned(of_g.from(point_of[i] * s.out), of_x.from(i * kPanel), sums.from(i * kPanel), even, s.out,
                        kPanel, tile > 0);
      }
    });
  }
  const at::Tensor w = empty_maps({s.out, s.c, s.kernel, s.kernel}, at::kFloat);
  float *to = w.data_ptr<float>();
  each_kernel_block(plan, [&](int64_t first, int64_t c) {
    for (int64_t i = first; i < first + kPanel; i++) give_kernel(plan, sums, i, c, to + i * places * s.c + c, s.c);
  });
  return w;
}

}  // namespace

bool wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  if (!has_kernels() || !our_type(type) || !o.whole()) return false;
  if (w[2] != w[3] || o.stride[0] != o.stride[1] || o.padding[0] != o.padding[1]) return false;
  if (x[1] % kPanel != 0 || g[1] % kPanel != 0 || !Plan::fits(w[2], o.stride[0])) return false;
  const Plan plan = plan_for(type, sizes(x, w, g, o));
  const int64_t outputs = g[0] * g[2] * g[3], rows = g[0] * plan.tiles();
  // It takes that many outputs to make the kernel's sums for them. Tiles that reach over the edge are lost.
  return outputs >= 512 && 4 * rows * (plan.columns() / x[1]) <= 3 * outputs * w[2] * w[3];
}

at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o) {
  const Plan plan = plan_for(x.scalar_type(), sizes(x.sizes(), w.sizes(), size, o));
  return x.scalar_type() == at::kFloat ? forward_of<float>(plan, x, w, b) : forward_of<Half>(plan, x, w, b);
}

at::Tensor input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o) {
  const Plan plan = plan_for(g.scalar_type(), sizes(size, w.sizes(), g.sizes(), o));
  return g.scalar_type() == at::kFloat ? input_of<float>(plan, g, w, b) : input_of<Half>(plan, g, w, b);
}

at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o) {
  const Plan plan = plan_for(x.scalar_type(), sizes(x.sizes(), size, g.sizes(), o));
  return x.scalar_type() == at::kFloat ? weight_of<float>(plan, x, g) : weight_of<Half>(plan, x, g);
}

}  // namespace winograd
}  // namespace imori
