#include "conv_gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "blas.h"
#include "conv_geometry.h"
#include "product.h"
#include "simd.h"

namespace imori {
namespace gemm {
namespace {

// The columns are the input itself.
bool pointwise(const Geometry &d) { return d.kh == 1 && d.kw == 1 && d.sh == 1 && d.sw == 1 && d.ph == 0 && d.pw == 0; }

at::IntArrayRef output_size(at::IntArrayRef x, at::IntArrayRef w, const Conv &o, std::vector<int64_t> &size) {
  size = {x[0], w[0], 0, 0};
  for (int i = 0; i < 2; i++) size[2 + i] = (x[2 + i] + 2 * o.padding[i] - w[2 + i]) / o.stride[i] + 1;
  return size;
}

// The matrix behind a tensor with channels last: a row for each place.
at::Tensor matrix(const at::Tensor &t) { return t.permute({0, 2, 3, 1}).reshape({-1, t.size(1)}); }
at::Tensor weight_matrix(const at::Tensor &w) { return w.permute({0, 2, 3, 1}).reshape({w.size(0), -1}); }
at::Tensor maps(const at::Tensor &m, int64_t n, int64_t h, int64_t w) {
  return m.view({n, h, w, m.size(1)}).permute({0, 3, 1, 2});
}

// The part of a kernel's row that meets the input: [from, to).
struct Span {
  int64_t from, to;
};
Span inside(int64_t first, int64_t kernel, int64_t size) {
  const int64_t from = std::min(kernel, std::max<int64_t>(0, -first));
  return {from, std::max(from, std::min(kernel, size - first))};
}

// Each row of columns is kh stretches of kw x C, as they lie in the input.
at::Tensor im2col(const at::Tensor &x, const Geometry &d) {
  if (pointwise(d)) return matrix(x);
  at::Tensor columns = at::empty({d.rows(), d.columns()}, x.options());
  const size_t bytes = x.element_size();
  const char *from = static_cast<const char *>(x.data_ptr());
  char *to = static_cast<char *>(columns.data_ptr());
  const int64_t row = d.kw * d.c;
  at::parallel_for(0, d.n * d.oh, 1, [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; i++) {
      const int64_t image = i / d.oh, y0 = i % d.oh * d.sh - d.ph;
      char *out = to + i * d.ow * d.columns() * bytes;
      for (int64_t ox = 0; ox < d.ow; ox++) {
        const int64_t x0 = ox * d.sw - d.pw;
        const Span s = inside(x0, d.kw, d.w);
        for (int64_t ky = 0; ky < d.kh; ky++, out += row * bytes) {
          const int64_t y = y0 + ky;
          if (y < 0 || y >= d.h || s.from == s.to) {
            std::memset(out, 0, row * bytes);
            continue;
          }
          std::memset(out, 0, s.from * d.c * bytes);
          std::memcpy(out + s.from * d.c * bytes, from + ((image * d.h + y) * d.w + x0 + s.from) * d.c * bytes,
                      (s.to - s.from) * d.c * bytes);
          std::memset(out + s.to * d.c * bytes, 0, (d.kw - s.to) * d.c * bytes);
        }
      }
    }
  });
  return columns;
}

// How many numbers a row of the input has with its padding, or as far as the kernel reaches.
int64_t padded_row(const Geometry &d) { return std::max((d.ow - 1) * d.sw + d.kw, d.w + d.pw) * d.c; }

// Sums what the columns hold of one row of the input; sum has room for padded_row.
template <typename T>
IMORI_INLINED void gather_row(const T *columns, T *out, float *sum, const Geometry &d, int64_t image, int64_t y) {
  const int64_t stretch = d.kw * d.c;
  for (int64_t i = 0; i < padded_row(d); i++) sum[i] = 0;
  for (int64_t ky = 0; ky < d.kh; ky++) {
    const int64_t oy = y + d.ph - ky;
    if (oy < 0 || oy % d.sh != 0 || oy / d.sh >= d.oh) continue;
    const T *from = columns + ((image * d.oh + oy / d.sh) * d.ow * d.kh + ky) * stretch;
    for (int64_t ox = 0; ox < d.ow; ox++, from += d.kh * stretch) {
      float *to = sum + ox * d.sw * d.c;
      for (int64_t i = 0; i < stretch; i++) to[i] += load(from + i);
    }
  }
  for (int64_t i = 0; i < d.w * d.c; i++) store(out + i, sum[d.pw * d.c + i]);
}

IMORI_VERSIONED void gather(const float *columns, float *out, float *sum, const Geometry &d, int64_t image, int64_t y) {
  gather_row(columns, out, sum, d, image, y);
}
IMORI_VERSIONED void gather16(const c10::BFloat16 *columns, c10::BFloat16 *out, float *sum, const Geometry &d,
                              int64_t image, int64_t y) {
  gather_row(columns, out, sum, d, image, y);
}

at::Tensor col2im(const at::Tensor &columns, const Geometry &d) {
  if (pointwise(d)) return maps(columns, d.n, d.h, d.w);
  at::Tensor x = at::empty({d.n, d.h, d.w, d.c}, columns.options());
  at::parallel_for(0, d.n * d.h, 1, [&](int64_t first, int64_t last) {
    std::vector<float> sum(padded_row(d));
    for (int64_t i = first; i < last; i++) {
      const int64_t at = i * d.w * d.c;
      if (x.scalar_type() == at::kFloat) {
        gather(columns.data_ptr<float>(), x.data_ptr<float>() + at, sum.data(), d, i / d.h, i % d.h);
      } else {
        gather16(columns.data_ptr<at::BFloat16>(), x.data_ptr<at::BFloat16>() + at, sum.data(), d, i / d.h, i % d.h);
      }
    }
  });
  return x.permute({0, 3, 1, 2});
}

}  // namespace

// How many numbers the columns of large maps may have, which are to stay in the cache.
constexpr int64_t kMostColumns = 4 << 20;

bool wins(Sum sum, at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  if (!kThreads || !o.whole() || x[1] != w[1]) return false;
  if (type != at::kFloat && type != at::kBFloat16) return false;
  const Geometry d = geometry(x, w, g, o);
  const int64_t places = d.places();
  // oneDNN's input gradients do not fill up the blocks of few channels. This is for CPUs and maps that few:: does not
  // take.
  const bool few = sum == kInput && d.c < 16 && d.rows() > 512 && d.rows() * d.columns() <= kMostColumns;
  if (type == at::kFloat) {
    // Nor are its blocks of output filled by maps of 2 x 2, or its weight gradients by those of 4 x 4. Where few rows
    // meet a large kernel, it takes longer to reorder that than to use it.
    const int64_t most = sum == kWeight || d.rows() <= 512 ? 16 : 4;
    return fast_blas() && (places <= most || few);
  }
  if (few) return true;
  if (pointwise(d)) return places == 1;
  // In bfloat16 its weight gradients of strided convolutions are slow altogether, but the columns of three channels or
  // of large maps are slower still.
  return sum == kWeight ? places <= 16 || (places <= 64 && d.sh > 1 && d.c >= 16) : places <= 16;
}

at::Tensor forward(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o) {
  std::vector<int64_t> size;
  const Geometry d = geometry(x.sizes(), w.sizes(), output_size(x.sizes(), w.sizes(), o, size), o);
  return maps(affine(im2col(x, d), weight_matrix(w), b), d.n, d.oh, d.ow);
}

at::Tensor input(const at::Tensor &g, const at::Tensor &w, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(size, w.sizes(), g.sizes(), o);
  return col2im(product(matrix(g), weight_matrix(w)), d);
}

at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(x.sizes(), size, g.sizes(), o);
  const at::Tensor gradient = product(matrix(g).t(), im2col(x, d));
  return gradient.view({size[0], d.kh, d.kw, d.c}).permute({0, 3, 1, 2});
}

}  // namespace gemm
}  // namespace imori
