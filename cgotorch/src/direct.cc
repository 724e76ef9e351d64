#include "direct.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "conv_geometry.h"
#include "direct_rows.h"
#include "kept.h"
#include "panel_copies.h"
#include "shares.h"
#include "transpose.h"

namespace imori {
namespace direct {
namespace {

using amx::Factors;
using amx::Tiles;
using panels::Scratch;

// ---- kernels ----

// Calls work(32 x 32 numbers of a place of the kernel, with zeros where there are none, place, block of outputs, of
// channels) for all of them, on several threads.
template <typename Work>
void each_block(const Geometry &d, int64_t out, const at::Tensor &w, const Work &work) {
  const int64_t places = d.kh * d.kw, across = blocks_of(d.c), whole = d.c / kSide * kSide;
  const float *from = w.data_ptr<float>();
  // All channels of a place are one stretch of memory.
  each_one(blocks_of(out) * places, [&](int64_t i) {
    const int64_t o = i / places, place = i % places, outs = std::min(kSide, out - o * kSide);
    Scratch<Half> blocks(across * kBlock);
    Half *to = blocks.numbers();
    for (int64_t r = 0; r < outs; r++) {
      const float *row = from + ((o * kSide + r) * places + place) * d.c;
      panels::spread(row, whole, to + r * kSide, kBlock, false);
      if (whole < d.c) panels::copy(row + whole, d.c - whole, to + whole * kSide + r * kSide);
    }
    for (int64_t c = 0; c < across; c++) {
      Half *block = to + c * kBlock;
      std::fill(block + outs * kSide, block + kBlock, Half(0));
      work(block, place, o, c);
    }
  });
}

at::Tensor kept_blocks(const at::Tensor &w, Making::What what, const std::function<at::Tensor()> &make) {
  return kept(w, {what, at::kBFloat16, 0, 0}, make);
}

// The right sides of the forward sum: by blocks of outputs, places, blocks of channels.
at::Tensor forward_blocks(const Geometry &d, int64_t out, const at::Tensor &w) {
  const int64_t across = blocks_of(d.c), places = d.kh * d.kw;
  const at::Tensor made = panels::lasting<Half>(blocks_of(out) * places * across * kBlock);
  Half *to = made.data_ptr<Half>();
  each_block(d, out, w, [&](const Half *block, int64_t place, int64_t o, int64_t c) {
    transpose_block(reinterpret_cast<float *>(to + ((o * places + place) * across + c) * kBlock),
                    reinterpret_cast<const float *>(block), kSide / 2, kSide, kSide / 2);
  });
  return made;
}

// Those of the input's gradient: by blocks of channels, places, blocks of outputs.
at::Tensor input_blocks(const Geometry &d, int64_t out, const at::Tensor &w) {
  const int64_t deep = blocks_of(out), places = d.kh * d.kw;
  const at::Tensor made = panels::lasting<Half>(blocks_of(d.c) * places * deep * kBlock);
  Half *to = made.data_ptr<Half>();
  each_block(d, out, w, [&](const Half *block, int64_t place, int64_t o, int64_t c) {
    Half *at = to + ((c * places + place) * deep + o) * kBlock;
    std::memcpy(static_cast<void *>(at), block, kBlock * sizeof(Half));
    panels::pair({at, 0}, 0, kSide, kSide);
  });
  return made;
}

// ---- maps ----

// The rows of a group of images that a sum needs at once, taken one after the other as it comes to them.
class Window {
 public:
  Window(const Layout &layout, const Maps &maps, int64_t image, int64_t rows)
      : layout_(layout),
        maps_(maps),
        image_(image),
        rows_(rows),
        memory_(rows * layout.row()),
        data_(memory_.numbers()) {}

  // Rows [first, last) are wanted, and none before them any more.
  void move(int64_t first, int64_t last) {
    for (next_ = std::max(next_, first); next_ < last; next_++) take(layout_, maps_, image_, next_, row(next_));
  }
  Half *row(int64_t y) const { return data_ + y % rows_ * layout_.row(); }

 private:
  const Layout &layout_;
  const Maps &maps_;
  int64_t image_, rows_, next_ = 0;
  Scratch<Half> memory_;
  Half *data_;
};

// Calls work(first image, first row, last row) for stretches of rows of groups of images, on several threads. What a
// stretch meets is taken for it alone, so that it should have `least` rows.
template <typename Work>
void each_stretch(int64_t n, int64_t together, int64_t rows, int64_t least, const Work &work) {
  constexpr int64_t kOfThread = 4;  // so that one that is done can help
  const int64_t groups = at::divup(n, together), threads = at::get_num_threads();
  const int64_t equal = groups % threads == 0 ? 1 : at::divup(2 * threads, groups);
  const int64_t helped = threads == 1 ? 1 : std::min(rows / least, at::divup(kOfThread * threads, groups));
  const int64_t parts = std::min(rows, std::max(equal, helped));
  each_one(groups * parts, [&](int64_t i) {
    const int64_t part = i % parts;
    work(i / parts * together, rows * part / parts, rows * (part + 1) / parts);
  });
}

// A bias, with zeros up to a multiple of 32.
std::vector<float> padded(const at::Tensor &b, int64_t n) {
  std::vector<float> all(blocks_of(n) * kSide);
  if (b.defined()) std::copy_n(b.contiguous().data_ptr<float>(), n, all.begin());
  return all;
}

// Sums of products, for rows of a result and all blocks of its channels, of which the right sides are `block` numbers
// apart.
void give_sums(const Tiles &tiles, const std::vector<Factors> &factors, int64_t rows, int64_t block,
               const std::vector<float> &bias, const Given &given) {
  alignas(64) float sums[kBlock];
  for (int64_t c = 0; c < given.maps.c; c += kSide) {
    for (int64_t r = 0; r < rows; r += kSide) {
      const int64_t n = std::min(kSide, rows - r);
      tiles.multiply(factors, {r * kSide, c / kSide * block}, {sums, kSide, n > kSide / 2 ? kSide : kSide / 2, false});
      given.give(sums, r, n, c, bias.data() + c);
    }
  }
}

// ---- gradients of the kernel ----

// What a part of the sum takes at once: rows of outputs of some groups of images, with all rows of inputs that they
// meet, for some blocks of the channels of both.
class Taken {
 public:
  Taken(const Geometry &d, const Layout &of_x, const Layout &of_g, int64_t rows)
      : d_(d), of_x_(of_x), of_g_(of_g), x_(inputs(rows) * of_x.row()), g_(rows * of_g.row()), factors_(d.kh * d.kw) {}

  // Rows of outputs [first, last), counted through all groups.
  void take(const Maps &x, const Maps &g, int64_t first, int64_t last) {
    for (auto &list : factors_) list.clear();
    Half *to_x = x_.numbers(), *to_g = g_.numbers();
    for (int64_t i = first, end = 0; i < last; i = end) {
      end = std::min(last, (i / d_.oh + 1) * d_.oh);
      const int64_t image = i / d_.oh * of_x_.images, top = i % d_.oh * d_.sh - d_.ph;
      const int64_t bottom = (i % d_.oh + end - i - 1) * d_.sh - d_.ph + d_.kh;
      for (int64_t y = std::max<int64_t>(0, top); y < std::min(d_.h, bottom); y++) {
        take_paired(of_x_, x, image, y, to_x + (y - top) * of_x_.row());
      }
      for (int64_t row = i; row < end; row++, to_g += of_g_.row()) {
        take_turned(of_g_, g, image, row % d_.oh, to_g);
        for (int64_t ky = 0; ky < d_.kh; ky++) {
          const int64_t y = (row - i) * d_.sh + ky;
          if (top + y >= 0 && top + y < d_.h) multiply(to_g, to_x + y * of_x_.row(), ky);
        }
      }
      to_x += (bottom - top) * of_x_.row();
    }
  }

  const std::vector<Factors> &factors(int64_t place) const { return factors_[place]; }

 private:
  // The most rows of inputs.
  int64_t inputs(int64_t rows) const { return rows * d_.sh + (rows / d_.oh + 2) * d_.kh; }

  void multiply(const Half *g, const Half *x, int64_t ky) {
    for (int64_t kx = 0; kx < d_.kw; kx++) {
      const Half *right = x + of_x_.at(kx / d_.sw, kx % d_.sw);
      for (int64_t r = 0; r < d_.ow * of_g_.images; r += kSide) {
        factors_[ky * d_.kw + kx].push_back({g + r * kSide, right + r * kSide});
      }
    }
  }

  const Geometry &d_;
  const Layout &of_x_, &of_g_;
  Scratch<Half> x_, g_;
  std::vector<std::vector<Factors>> factors_;  // for each place of the kernel
};

// A kernel's gradient in parts, with blocks of channels filled up.
struct Partial {
  float *data;
  int64_t outs, places, channels;  // channels and outs of all blocks

  int64_t part() const { return outs * row(); }
  int64_t row() const { return places * channels; }  // from an output to the next
  float *at(int64_t p, int64_t out, int64_t place, int64_t channel) const {
    return data + p * part() + out * row() + place * channels + channel;
  }
};

// The sum of all parts.
void add_up(const Partial &from, int64_t parts, const at::Tensor &w) {
  const int64_t out = w.size(0), c = w.size(1);
  float *to = w.data_ptr<float>();
  at::parallel_for(0, out * from.places, 16, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const float *sum = from.data + i * from.channels;
      std::copy_n(sum, c, to + i * c);
      for (int64_t p = 1; p < parts; p++) {
        for (int64_t k = 0; k < c; k++) to[i * c + k] += sum[p * from.part() + k];
      }
    }
  });
}

}  // namespace

bool wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef, at::IntArrayRef g, const Conv &o) {
  // Blocks of fewer channels would be empty for the most part.
  constexpr int64_t kFew = 16;
  return type == at::kBFloat16 && amx::available() && o.whole() && x[1] >= kFew && g[1] >= kFew && g[2] * g[3] > 1;
}

at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(x.sizes(), w.sizes(), size, o);
  const int64_t out = size[1], together = images_together(d.n), across = blocks_of(d.c);
  const at::Tensor kernel = kept_blocks(w, Making::kForwardBlocks, [&] { return forward_blocks(d, out, w); });
  const Half *right = kernel.data_ptr<Half>();
  const std::vector<float> bias = padded(b, out);
  const at::Tensor y = empty_maps({d.n, out, d.oh, d.ow}, at::kBFloat16);
  const Maps from(x), to(y);
  const Layout layout{together, d.sw, d.pw, d.ow + (d.kw - 1) / d.sw, 0, across};
  each_stretch(d.n, together, d.oh, at::divup(d.kh, d.sh), [&](int64_t image, int64_t first, int64_t last) {
    Window window(layout, from, image, d.kh);
    const Tiles tiles;
    std::vector<Factors> factors;
    for (int64_t oy = first; oy < last; oy++) {
      const int64_t top = oy * d.sh - d.ph, begin = std::max<int64_t>(0, top), end = std::min(d.h, top + d.kh);
      window.move(begin, end);
      factors.clear();
      for (int64_t row = begin; row < end; row++) {
        const Half *left = window.row(row);
        for (int64_t kx = 0; kx < d.kw; kx++) {
          for (int64_t c = 0; c < across; c++) {
            factors.push_back({left + layout.at(kx / d.sw, kx % d.sw) + c * layout.line(),
                               right + (((row - top) * d.kw + kx) * across + c) * kBlock});
          }
        }
      }
      give_sums(tiles, factors, d.ow * together, d.kh * d.kw * across * kBlock, bias, {to, image, oy, 0, 1, together});
    }
  });
  return y;
}

at::Tensor input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(size, w.sizes(), g.sizes(), o);
  const int64_t out = g.size(1), together = images_together(d.n), deep = blocks_of(out);
  const at::Tensor kernel = kept_blocks(w, Making::kInputBlocks, [&] { return input_blocks(d, out, w); });
  const Half *right = kernel.data_ptr<Half>();
  const std::vector<float> bias = padded(b, d.c);
  const at::Tensor x = empty_maps({d.n, d.c, d.h, d.w}, at::kBFloat16);
  const Maps from(g), to(x);
  // Place j of a phase of the input meets the outputs j, j - 1 and so on, those before the first one too.
  const int64_t before = (d.kw - 1) / d.sw;
  const Layout layout{together, 1, before, before + (d.w - 1 + d.pw) / d.sw + 1, 0, deep};
  each_stretch(d.n, together, d.h, d.kh, [&](int64_t image, int64_t first, int64_t last) {
    Window window(layout, from, image, at::divup(d.kh, d.sh));
    const Tiles tiles;
    std::vector<Factors> factors;
    for (int64_t y = first; y < last; y++) {
      const int64_t below = y + d.ph;  // as the kernel counts
      const int64_t begin = std::max<int64_t>(0, at::divup(below - d.kh + 1, d.sh)),
                    end = std::min(d.oh, below / d.sh + 1);
      window.move(begin, end);
      for (int64_t f = 0; f < std::min(d.sw, d.w + d.pw); f++) {
        const int64_t place = std::max<int64_t>(0, at::divup(d.pw - f, d.sw)), places = (d.w - 1 + d.pw - f) / d.sw + 1;
        factors.clear();
        for (int64_t row = begin; row < end; row++) {
          const Half *left = window.row(row);
          for (int64_t kx = f; kx < d.kw; kx += d.sw) {
            for (int64_t c = 0; c < deep; c++) {
              factors.push_back({left + layout.at(place + before - kx / d.sw, 0) + c * layout.line(),
                                 right + (((below - row * d.sh) * d.kw + kx) * deep + c) * kBlock});
            }
          }
        }
        give_sums(tiles, factors, (places - place) * together, d.kh * d.kw * deep * kBlock, bias,
                  {to, image, y, place * d.sw + f - d.pw, d.sw, together});
      }
    }
  });
  return x;
}

at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(x.sizes(), size, g.sizes(), o);
  const int64_t out = g.size(1), places = d.kh * d.kw, together = images_together(d.n + d.n % 2);
  const int64_t across = blocks_of(d.c), down = blocks_of(out), rows = at::divup(d.n, together) * d.oh;
  // Sums of parts, as many as take little memory, whatever the number of threads; these take some, and of each some
  // blocks of channels.
  constexpr int64_t kMostSums = 1 << 18, kMostParts = 8;
  const int64_t parts =
      std::max<int64_t>(1, std::min({rows, kMostParts, kMostSums / (down * across * places * kBlock)}));
  const int64_t threads = at::get_num_threads(), of_thread = threads == 1 ? 1 : 2;  // so that one that is done can help
  const int64_t shares = at::divup(of_thread * threads, parts);
  const int64_t of_channels = std::min(across, shares), of_outs = std::min(down, at::divup(shares, of_channels));
  const Maps inputs(x), gradients(g);
  const at::Tensor w = empty_maps({out, d.c, d.kh, d.kw}, at::kFloat);
  const bool whole = parts == 1 && d.c % kSide == 0 && out % kSide == 0;
  Scratch<float> memory(whole ? 0 : parts * down * places * across * kBlock);
  const Partial sums{whole ? w.data_ptr<float>() : memory.numbers(), down * kSide, places, across * kSide};
  each_one(parts * of_channels * of_outs, [&](int64_t share) {
    const int64_t part = share / (of_channels * of_outs);
    const int64_t ci = share / of_outs % of_channels, oi = share % of_outs;
    const int64_t c0 = across * ci / of_channels, c1 = across * (ci + 1) / of_channels;
    const int64_t o0 = down * oi / of_outs, o1 = down * (oi + 1) / of_outs;
    const Layout of_x{together, d.sw, d.pw, d.ow + (d.kw - 1) / d.sw, c0, c1 - c0};
    const Layout of_g{together, 1, 0, d.ow, o0, o1 - o0};
    // Numbers of a block of inputs and all gradients, to be used again and again, that stay in the second cache.
    constexpr int64_t kMost = 1 << 19;
    const int64_t last = rows * (part + 1) / parts;
    int64_t row = rows * part / parts;
    const int64_t fit = kMost / (d.sh * d.sw * of_x.line() + of_g.row());
    const int64_t at_once = std::max<int64_t>(1, std::min(last - row, fit));
    Taken taken(d, of_x, of_g, at_once);
    for (bool more = false; row < last; row += at_once, more = true) {
      taken.take(inputs, gradients, row, std::min(last, row + at_once));
      const Tiles tiles;
      for (int64_t c = c0; c < c1; c++) {
        for (int64_t out_block = o0; out_block < o1; out_block++) {
          for (int64_t place = 0; place < places; place++) {
            tiles.multiply(taken.factors(place), {(out_block - o0) * of_g.line(), (c - c0) * of_x.line()},
                           {sums.at(part, out_block * kSide, place, c * kSide), sums.row(), kSide, more});
          }
        }
      }
    }
  });
  if (!whole) add_up(sums, parts, w);
  return w;
}

}  // namespace direct
}  // namespace imori
