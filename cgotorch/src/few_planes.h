// How products with few channels see an image.
#pragma once

#include <algorithm>

#include "conv_geometry.h"

namespace imori {
namespace few {

// What the products multiply has a row for each place of the kernel in each channel, and a column for each place of an
// image's output: so a row is made of stretches of an image's rows, and vectors are as long as these, not as short as
// three channels are. For that an image is cut into planes: of a channel, of a row, every stride-th number of a phase,
// with the padding.
struct Planes {
  const Geometry &d;
  int64_t length;  // of a phase

  explicit Planes(const Geometry &sizes)
      : d(sizes),
        length(std::max(sizes.ow + (sizes.kw - 1) / sizes.sw, (sizes.w + sizes.pw + sizes.sw - 1) / sizes.sw)) {}

  int64_t row() const { return d.sw * length; }
  int64_t numbers() const { return d.c * d.h * row(); }
};

}  // namespace few
}  // namespace imori
