// The sizes of a convolution of two dimensions.
#pragma once

#include "conv.h"

namespace imori {

struct Geometry {
  int64_t n, c, h, w;  // input
  int64_t kh, kw;      // kernel
  int64_t oh, ow;      // output
  int64_t sh, sw, ph, pw;

  int64_t places() const { return oh * ow; }  // of an output
  int64_t rows() const { return n * places(); }
  int64_t columns() const { return kh * kw * c; }
};

// x and g (the output or its gradient) are N x C x H x W.
inline Geometry geometry(at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  return {x[0], x[1], x[2], x[3], w[2], w[3], g[2], g[3], o.stride[0], o.stride[1], o.padding[0], o.padding[1]};
}

}  // namespace imori
