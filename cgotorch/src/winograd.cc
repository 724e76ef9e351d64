#include "winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <vector>

#include "simd.h"
#include "transpose.h"
#include "winograd_products.h"
#include "winograd_tiles.h"

namespace imori {
namespace winograd {
namespace {

bool available() {
#if defined(__x86_64__) && defined(__GNUC__)
  static const bool has = __builtin_cpu_supports("avx512f");
  return kThreads && has;
#else
  return false;
#endif
}

Sizes sizes(at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  return {x[0], x[1], x[2], x[3], g[1], g[2], g[3], w[2], o.stride[0], o.padding[0]};
}

// Memory for matrices, which lives as long as this.
class Scratch {
 public:
  explicit Scratch(int64_t floats) : memory_(at::empty({floats}, at::kFloat)), next_(memory_.data_ptr<float>()) {}

  Panels panels(int64_t rows, int64_t columns) {
    const Panels made{next_, stride_for(rows)};
    next_ += floats_for(rows, columns);
    return made;
  }

 private:
  at::Tensor memory_;
  float *next_;
};

at::Tensor maps(int64_t n, int64_t c, int64_t h, int64_t w) {
  return at::empty({n, c, h, w}, at::kFloat, c10::nullopt, c10::nullopt, c10::nullopt, at::MemoryFormat::ChannelsLast);
}

int64_t rounded(int64_t rows) { return (rows + kRows - 1) / kRows * kRows; }

// Rows that no tile has, but products read.
void clear(const Panels &m, int64_t first, int64_t last, int64_t columns) {
  for (int64_t c = 0; c < columns; c += kPanel) std::fill(m.at(first, c), m.at(last, c), 0.0f);
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

// Calls work(first, last, matrix of the input's sums, matrix of the output's) for blocks of a stretch of tiles. A
// product reads the whole kernel, which is worth enough rows; but what it reads and writes of them is to stay in the
// cache.
template <typename Work>
void each_block(const Plan &plan, int64_t first, int64_t last, const Work &work) {
  constexpr int64_t kBlock = 32;
  const int64_t rows = rounded(std::min(kBlock, last - first)), outputs = plan.points * plan.s.out;
  Scratch scratch(floats_for(rows, plan.columns()) + floats_for(rows, outputs));
  const Panels of_input = scratch.panels(rows, plan.columns()), of_output = scratch.panels(rows, outputs);
  for (int64_t tile = first; tile < last; tile += kBlock) {
    work(tile, std::min(tile + kBlock, last), of_input, of_output);
  }
}

}  // namespace

bool wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  if (!available() || type != at::kFloat || o.groups != 1 || o.dilation[0] != 1 || o.dilation[1] != 1) return false;
  if (w[2] != w[3] || o.stride[0] != o.stride[1] || o.padding[0] != o.padding[1]) return false;
  if (x[1] % kPanel != 0 || g[1] % kPanel != 0 || !Plan::fits(w[2], o.stride[0])) return false;
  const Plan plan(sizes(x, w, g, o));
  const int64_t outputs = g[0] * g[2] * g[3], rows = g[0] * plan.tiles();
  // The kernel's sums are made anew for each call, which takes that many outputs to be worth it. Tiles that reach over
  // the edge are lost.
  return outputs >= 512 && 4 * rows * (plan.columns() / x[1]) <= 3 * outputs * w[2] * w[3];
}

at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o) {
  const Plan plan(sizes(x.sizes(), w.sizes(), size, o));
  const Sizes &s = plan.s;
  const int64_t places = s.kernel * s.kernel;
  int64_t floats = 0;
  for (int p = 0; p < plan.points; p++) floats += floats_for(plan.inner[p], s.out);
  Scratch scratch(floats);
  std::array<Panels, 16> kernels{};
  for (int p = 0; p < plan.points; p++) kernels[p] = scratch.panels(plan.inner[p], s.out);
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
  });
  const std::vector<float> zeros(s.c);
  const at::Tensor y = maps(s.n, s.out, s.oh, s.ow), bias = b.defined() ? b.contiguous() : b;
  const float *in = x.data_ptr<float>(), *add = bias.defined() ? bias.data_ptr<float>() : nullptr;
  float *to = y.data_ptr<float>();
  at::parallel_for(0, s.n * plan.tiles(), kRows, [&](int64_t from_tile, int64_t to_tile) {
    each_block(plan, from_tile, to_tile, [&](int64_t first, int64_t last, const Panels &inputs, const Panels &outputs) {
      const int64_t rows = rounded(last - first);
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        take_input(plan, tiles, in + image * s.h * s.w * s.c, zeros.data(), inputs);
      });
      clear(inputs, last - first, rows, plan.columns());
      for (int p = 0; p < plan.points; p++) {
        multiply(inputs.from(plan.first[p]), kernels[p], outputs.from(p * s.out), rows, plan.inner[p], s.out);
      }
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        give_output(plan, tiles, outputs, add, to + image * s.oh * s.ow * s.out);
      });
    });
  });
  return y;
}

at::Tensor input(const at::Tensor &g, const at::Tensor &w, at::IntArrayRef size, const Conv &o) {
  const Plan plan(sizes(size, w.sizes(), g.sizes(), o));
  const Sizes &s = plan.s;
  const int64_t places = s.kernel * s.kernel;
  Scratch scratch(floats_for(s.out, plan.columns()));
  const Panels kernel = scratch.panels(s.out, plan.columns());
  const float *from = w.data_ptr<float>();
  each_kernel_block(plan, [&](int64_t first, int64_t c) {
    for (int64_t out = first; out < first + kPanel; out++) {
      take_kernel(plan, from + out * places * s.c + c, s.c, kernel, out, c);
    }
  });
  const std::vector<float> zeros(s.out);
  const at::Tensor x = maps(s.n, s.c, s.h, s.w);
  const float *in = g.data_ptr<float>();
  float *to = x.data_ptr<float>();
  const auto give = [&](int64_t from_tile, int64_t to_tile, const Rows &wanted) {
    each_block(plan, from_tile, to_tile, [&](int64_t first, int64_t last, const Panels &inputs, const Panels &outputs) {
      const int64_t rows = rounded(last - first);
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        take_output(plan, tiles, in + image * s.oh * s.ow * s.out, zeros.data(), outputs);
      });
      clear(outputs, last - first, rows, plan.points * s.out);
      for (int p = 0; p < plan.points; p++) {
        multiply(outputs.from(p * s.out), kernel.from(plan.first[p]), inputs.from(plan.first[p]), rows, s.out,
                 plan.inner[p]);
      }
      each_image(plan, first, last, [&](int64_t image, const Tiles &tiles) {
        give_input(plan, tiles, inputs, wanted, to + image * s.h * s.w * s.c);
      });
    });
  };
  // Tiles overlap: each adds its part. Where there are fewer images than threads, these take stripes of each, with the
  // row of tiles before, which reaches into it.
  const int64_t threads = at::get_num_threads();
  const int64_t stripes = s.n >= threads ? 1 : std::min(plan.tiles_y, (threads + s.n - 1) / s.n);
  at::parallel_for(0, s.n * stripes, 1, [&](int64_t first, int64_t last) {
    if (stripes == 1) {
      std::fill(to + first * s.h * s.w * s.c, to + last * s.h * s.w * s.c, 0.0f);
      give(first * plan.tiles(), last * plan.tiles(), {0, s.h});
      return;
    }
    for (int64_t i = first; i < last; i++) {
      const int64_t image = i / stripes, stripe = i % stripes;
      const int64_t top = stripe * plan.tiles_y / stripes, bottom = (stripe + 1) * plan.tiles_y / stripes;
      const Rows wanted{stripe == 0 ? 0 : std::max<int64_t>(0, plan.begin(top)),
                        stripe == stripes - 1 ? s.h : std::min(s.h, plan.begin(bottom))};
      float *map = to + image * s.h * s.w * s.c;
      std::fill(map + wanted.first * s.w * s.c, map + std::max(wanted.first, wanted.last) * s.w * s.c, 0.0f);
      const int64_t tiles = image * plan.tiles();
      give(tiles + std::max<int64_t>(0, top - 1) * plan.tiles_x, tiles + bottom * plan.tiles_x, wanted);
    }
  });
  return x;
}

at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o) {
  const Plan plan(sizes(x.sizes(), size, g.sizes(), o));
  const Sizes &s = plan.s;
  const int64_t places = s.kernel * s.kernel, outputs = plan.points * s.out;
  // All tiles of a batch may be more than the cache holds.
  constexpr int64_t kFloats = 1 << 20, kFewest = 128;
  const int64_t all = s.n * plan.tiles();
  const int64_t rows = std::min(all, std::max(kFewest, kFloats / (plan.columns() + outputs)));
  Scratch scratch(floats_for(rows, plan.columns()) + floats_for(rows, outputs) + floats_for(s.out, plan.columns()));
  const Panels of_x = scratch.panels(rows, plan.columns()), of_g = scratch.panels(rows, outputs);
  const Panels sums = scratch.panels(s.out, plan.columns());
  const std::vector<float> zeros(std::max(s.c, s.out));
  const float *in = x.data_ptr<float>(), *out = g.data_ptr<float>();
  std::vector<int> point_of;  // each panel of columns
  for (int p = 0; p < plan.points; p++) point_of.insert(point_of.end(), plan.inner[p] / kPanel, p);
  for (int64_t tile = 0; tile < all; tile += rows) {
    const int64_t n = std::min(rows, all - tile);
    at::parallel_for(0, n, kRows, [&](int64_t first, int64_t last) {
      each_image(plan, tile + first, tile + last, [&](int64_t image, Tiles tiles) {
        tiles.row += first;
        take_input(plan, tiles, in + image * s.h * s.w * s.c, zeros.data(), of_x);
        take_output(plan, tiles, out + image * s.oh * s.ow * s.out, zeros.data(), of_g);
      });
    });
    at::parallel_for(0, point_of.size(), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; i++) {
        multiply_turned(of_g.from(point_of[i] * s.out), of_x.from(i * kPanel), sums.from(i * kPanel), n, s.out, kPanel,
                        tile > 0);
      }
    });
  }
  const at::Tensor w = maps(s.out, s.c, s.kernel, s.kernel);
  float *to = w.data_ptr<float>();
  each_kernel_block(plan, [&](int64_t first, int64_t c) {
    for (int64_t i = first; i < first + kPanel; i++) give_kernel(plan, sums, i, c, to + i * places * s.c + c, s.c);
  });
  return w;
}

}  // namespace winograd
}  // namespace imori
