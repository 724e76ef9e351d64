#include "direct_rows.h"

#include <algorithm>
#include <cstring>

#include "for_avx512.h"
#include "vectors.h"

namespace imori {
namespace direct {
namespace {

using namespace panels::avx512;

alignas(64) const Half kZeros[kSide] = {};

// 32 channels of a place.
struct Copied {
  static constexpr int64_t kImages = 1;
  IMORI_FOR_CPU_INLINED static void take(const Half *from, const Half *, Half *to) {
    std::memcpy(static_cast<void *>(to), from, kSide * sizeof(Half));
  }
};

// Those of two images, by turns.
struct Paired {
  static constexpr int64_t kImages = 2;
  IMORI_FOR_CPU_INLINED static void take(const Half *from, const Half *next, Half *to) {
    for (int64_t k = 0; k < kSide; k += kVector) {
      const Bits both = widened(from + k) | widened(next + k) << 16;
      std::memcpy(static_cast<void *>(to + 2 * k), &both, sizeof both);
    }
  }
};

// A stretch of a row that is within the maps, for one image or two.
template <typename How>
IMORI_FOR_CPU_INLINED void take_stretch(const Half *from, const Half *next, int64_t step, int64_t next_step, int64_t n,
                                        int64_t soon, Half *to, int64_t to_step) {
  for (int64_t j = 0; j < n; j++, from += step, next += next_step, to += to_step) {
    // The rows of images are short, and far from each other.
    __builtin_prefetch(from + soon);
    if (How::kImages == 2) __builtin_prefetch(next + soon);
    How::take(from, next, to);
  }
}

// The same for fewer than 32 channels.
template <typename How>
IMORI_FOR_CPU_INLINED void take_few(const Half *from, const Half *next, int64_t step, int64_t next_step, int64_t n,
                                    int64_t channels, Half *to, int64_t to_step) {
  alignas(64) Half padded[2][kSide] = {};
  for (int64_t j = 0; j < n; j++, from += step, next += next_step, to += to_step) {
    std::copy_n(from, channels, padded[0]);
    if (How::kImages == 2) std::copy_n(next, channels, padded[1]);
    How::take(padded[0], padded[1], to);
  }
}

template <typename How>
IMORI_FOR_CPU void take_as(const Layout &l, const Maps &maps, int64_t image, int64_t y, Half *to) {
  const int64_t place = l.images * kSide, last_image = std::min(l.images, maps.n - image);
  for (int64_t f = 0; f < l.phases; f++) {
    // Places that are in the maps.
    const int64_t first = std::max<int64_t>(0, (l.before - f + l.phases - 1) / l.phases);
    const int64_t last = std::max(first, std::min(l.used, (maps.w - 1 + l.before - f + l.phases) / l.phases));
    const int64_t x = first * l.phases + f - l.before, step = l.phases * maps.c;
    for (int64_t b = 0; b < l.blocks; b++, to += l.line()) {
      std::fill_n(to, first * place, Half(0));
      std::fill(to + last * place, to + l.line(), Half(0));
      if (first == last) continue;
      const int64_t channel = (l.block + b) * kSide, channels = std::min(kSide, maps.c - channel);
      for (int64_t i = 0; i < l.images; i += How::kImages) {
        const bool one = i < last_image, two = i + 1 < last_image;
        const Half *from = one ? maps.at(image + i, y, x, channel) : kZeros, *next = two ? from + maps.image() : kZeros;
        Half *at = to + first * place + i * kSide;
        if (channels == kSide) {
          take_stretch<How>(from, next, one ? step : 0, two ? step : 0, last - first, How::kImages * maps.image(), at,
                            place);
        } else {
          take_few<How>(from, next, one ? step : 0, two ? step : 0, last - first, channels, at, place);
        }
      }
    }
  }
}

IMORI_FOR_CPU void give_rows(const Given &g, const float *from, int64_t row, int64_t rows, int64_t channel,
                             const float *bias) {
  const Vector add[2] = {get(bias), get(bias + kVector)};
  const int64_t channels = std::min(kSide, g.maps.c - channel), images = std::min(g.together, g.maps.n - g.image);
  int64_t i = row % g.together;
  Half *place = g.maps.at(g.image, g.y, g.x + row / g.together * g.step, channel);
  for (int64_t r = 0; r < rows; r++, from += kSide) {
    if (i < images) {
      alignas(64) Half padded[kSide];
      Half *at = place + i * g.maps.image(), *whole = channels == kSide ? at : padded;
      put(whole, get(from) + add[0]);
      put(whole + kVector, get(from + kVector) + add[1]);
      if (channels != kSide) std::copy_n(padded, channels, at);
    }
    if (++i == g.together) i = 0, place += g.step * g.maps.c;
  }
}

}  // namespace

void take(const Layout &layout, const Maps &maps, int64_t image, int64_t y, Half *to) {
  take_as<Copied>(layout, maps, image, y, to);
}

void take_paired(const Layout &layout, const Maps &maps, int64_t image, int64_t y, Half *to) {
  take_as<Paired>(layout, maps, image, y, to);
}

void take_turned(const Layout &layout, const Maps &maps, int64_t image, int64_t y, Half *to) {
  take_paired(layout, maps, image, y, to);
  for (int64_t line = 0; line < layout.row(); line += layout.line()) {
    for (int64_t r = 0; r < layout.used * layout.images; r += kSide) amx::turn(to + line + r * kSide);
  }
}

void Given::give(const float *from, int64_t row, int64_t rows, int64_t channel, const float *bias) const {
  give_rows(*this, from, row, rows, channel, bias);
}

}  // namespace direct
}  // namespace imori
