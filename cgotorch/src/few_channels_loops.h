// Between images, their planes and products, for each kind of processor; see each_cpu.h. No pragma once.

#include <algorithm>
#include <cstring>

#include "few_planes.h"
#include "vectors.h"

namespace imori {
namespace few {
namespace IMORI_CPU {
namespace {

using namespace panels::IMORI_CPU;

// Calls work(place in the product, place in the planes) for each stretch of ow numbers of the image; the product's
// rows are `row_of_product` numbers apart.
template <typename Work>
IMORI_FOR_CPU_INLINED void each_stretch(const Planes &planes, int64_t row_of_product, const Work &work) {
  const Geometry &d = planes.d;
  const int64_t row = planes.row(), length = planes.length;
  int64_t product = 0;
  for (int64_t ky = 0; ky < d.kh; ky++) {
    for (int64_t kx = 0; kx < d.kw; kx++) {
      for (int64_t c = 0; c < d.c; c++, product += row_of_product) {
        int64_t at = product, y = ky - d.ph;
        const int64_t plane = c * d.h * row + kx % d.sw * length + kx / d.sw;
        for (int64_t oy = 0; oy < d.oh; oy++, at += d.ow, y += d.sh) {
          if (y >= 0 && y < d.h) work(at, plane + y * row);
        }
      }
    }
  }
}

// Calls work(place in the image, place in the planes) for the first channel of each place.
template <typename Work>
IMORI_FOR_CPU_INLINED void each_place(const Planes &planes, const Work &work) {
  const Geometry &d = planes.d;
  const int64_t row = planes.row(), length = planes.length;
  for (int64_t y = 0; y < d.h; y++) {
    int64_t phase = d.pw % d.sw, i = d.pw / d.sw;
    for (int64_t x = 0; x < d.w; x++) {
      work((y * d.w + x) * d.c, y * row + phase * length + i);
      if (++phase == d.sw) phase = 0, i++;
    }
  }
}

template <typename T>
struct ToPlanes {
  const T *image;
  T *planes;
  int64_t channels, plane;  // plane: from one channel's to the next
  IMORI_FOR_CPU_INLINED void operator()(int64_t at, int64_t in_planes) const {
    for (int64_t c = 0; c < channels; c++) planes[in_planes + c * plane] = image[at + c];
  }
};

template <typename T>
struct FromPlanes {
  const float *planes, *bias;
  T *image;
  int64_t channels, plane;
  IMORI_FOR_CPU_INLINED void operator()(int64_t at, int64_t in_planes) const {
    for (int64_t c = 0; c < channels; c++) {
      store(image + at + c, planes[in_planes + c * plane] + bias[c]);
    }
  }
};

template <typename T>
struct ToProduct {
  const T *planes;
  T *product;
  int64_t n;
  IMORI_FOR_CPU_INLINED void operator()(int64_t at, int64_t in_planes) const {
    const T *from = planes + in_planes;
    T *to = product + at;
    int64_t i = 0;
    for (; i + kVector <= n; i += kVector) std::memcpy(to + i, from + i, kVector * sizeof(T));
    for (; i < n; i++) to[i] = from[i];
  }
};

struct FromProduct {
  const float *product;
  float *planes;
  int64_t n;
  IMORI_FOR_CPU_INLINED void operator()(int64_t at, int64_t in_planes) const {
    const float *from = product + at;
    float *to = planes + in_planes;
    int64_t i = 0;
    for (; i + kVector <= n; i += kVector) put(to + i, get(to + i) + get(from + i));
    for (; i < n; i++) to[i] += from[i];
  }
};

template <typename T>
IMORI_FOR_CPU void take(const Planes &planes, const T *image, T *plane, T *product, int64_t row) {
  each_place(planes, ToPlanes<T>{image, plane, planes.d.c, planes.d.h * planes.row()});
  each_stretch(planes, row, ToProduct<T>{plane, product, planes.d.ow});
}

template <typename T>
IMORI_FOR_CPU void give(const Planes &planes, const float *product, int64_t row, float *plane, const float *bias,
                        T *image) {
  std::fill_n(plane, planes.numbers(), 0.0f);
  each_stretch(planes, row, FromProduct{product, plane, planes.d.ow});
  each_place(planes, FromPlanes<T>{plane, bias, image, planes.d.c, planes.d.h * planes.row()});
}

}  // namespace
}  // namespace IMORI_CPU
}  // namespace few
}  // namespace imori
