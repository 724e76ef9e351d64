#include "few_channels.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <vector>

#include "conv_geometry.h"
#include "cpu.h"
#include "panel_copies.h"
#include "precision.h"

#define IMORI_EACH_CPU "few_channels_loops.h"
#include "each_cpu.h"

namespace imori {
namespace few {
namespace {

using namespace panels;

// An image's planes, of which the padding stays zero, and the rows of the product.
template <typename T>
void take(const Planes &planes, const T *image, T *plane, T *product, int64_t row) {
  IMORI_CALL(T, take(planes, image, plane, product, row));
}
template <typename T>
void give(const Planes &planes, const float *product, int64_t row, float *plane, const float *bias, T *image) {
  IMORI_CALL(T, give(planes, product, row, plane, bias, image));
}

// Rows of the product; those behind the last one are zeros.
int64_t rows_of(const Geometry &d) { return rounded(d.columns()); }
// Numbers of a row, for the places, which are a multiple of 32; a power of two would put all rows on the same lines of
// the cache.
int64_t row_of(const Geometry &d) { return d.places() + kPanel / 2; }

template <typename T>
at::Tensor input_of(const Geometry &d, const at::Tensor &g, const at::Tensor &w, const at::Tensor &b) {
  const int64_t out = w.size(0), rows = rows_of(d), row = row_of(d), places = d.places();
  Scratch<T> of_kernel(rows * out);
  T *kernel = of_kernel.numbers();  // kernel^T, row by row
  std::vector<float> turned(rows * out), bias(d.c);
  transpose_block(turned.data(), w.data_ptr<float>(), d.columns(), out, d.columns());
  finish(turned.data(), kernel, rows * out);
  if (b.defined()) std::copy_n(b.contiguous().data_ptr<float>(), d.c, bias.begin());
  const at::Tensor x = empty_maps({d.n, d.c, d.h, d.w}, g.options());
  const T *from = g.data_ptr<T>();
  T *to = x.data_ptr<T>();
  const Planes planes(d);
  at::parallel_for(0, d.n, 1, [&](int64_t first, int64_t last) {
    Scratch<T> of_gradients(numbers_for(out, places));
    Scratch<float> of_products(rows * row);
    const Panels<T> gradients = of_gradients.panels(out, places);
    float *products = of_products.numbers();
    std::vector<float> sums(planes.numbers());
    for (int64_t i = first; i < last; i++) {
      for (int64_t o = 0; o < out; o += kPanel) {
        turn(from + i * places * out + o, out, places, kPanel, Panels<T>{gradients.at(o, 0), gradients.stride});
      }
      multiply<T>({kernel, out}, gradients, {products, row}, rows, out, places);
      give(planes, products, row, sums.data(), bias.data(), to + i * d.h * d.w * d.c);
    }
  });
  return x;
}

template <typename T>
at::Tensor weight_of(const Geometry &d, const at::Tensor &x, const at::Tensor &g) {
  const int64_t out = g.size(1), rows = rows_of(d), row = row_of(d), places = d.places();
  // Sums of so many parts, whatever the number of threads.
  const int64_t parts = std::min<int64_t>(d.n, 32);
  const at::Tensor partial = at::empty({parts, rows, out}, g.options().dtype(at::kFloat));
  const T *in = x.data_ptr<T>(), *gradients = g.data_ptr<T>();
  const Planes planes(d);
  at::parallel_for(0, parts, 1, [&](int64_t first_part, int64_t last_part) {
    std::vector<T> plane(planes.numbers(), T(0)), inputs(rows * row, T(0));
    Scratch<T> of_outputs(numbers_for(places, out));
    const Panels<T> outputs = of_outputs.panels(places, out);
    for (int64_t part = first_part; part < last_part; part++) {
      const int64_t first = d.n * part / parts, last = d.n * (part + 1) / parts;
      for (int64_t i = first; i < last; i++) {
        take(planes, in + i * d.h * d.w * d.c, plane.data(), inputs.data(), row);
        copy_paired(gradients + i * places * out, out, places, out, outputs, places);
        multiply<T>({inputs.data(), row}, outputs, {partial.data_ptr<float>() + part * rows * out, out}, rows, places,
                    out, i > first);
      }
    }
  });
  const at::Tensor w = empty_maps({out, d.c, d.kh, d.kw}, partial.options());
  float *sum = partial.data_ptr<float>();
  for (int64_t part = 1; part < parts; part++) {
    const float *more = sum + part * rows * out;
    for (int64_t i = 0; i < d.columns() * out; i++) sum[i] += more[i];
  }
  transpose_block(w.data_ptr<float>(), sum, out, d.columns(), out);
  return w;
}

// Bytes of an image's products that stay in the second cache of a core.
constexpr int64_t kMost = 1 << 20;

}  // namespace

bool input_wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  if (!has_kernels() || !our_type(type) || !o.whole()) return false;
  const Geometry d = geometry(x, w, g, o);
  // Threads share out images, of which there are to be some.
  return d.c < 16 && w[0] % kPanel == 0 && d.places() % kPanel == 0 && d.n >= 4 && d.rows() > 512 && d.sh <= d.kh &&
         d.sw <= d.kw && rows_of(d) * std::max(row_of(d), w[0]) * int64_t{sizeof(float)} <= kMost;
}

bool weight_wins(at::ScalarType type, at::IntArrayRef x, at::IntArrayRef w, at::IntArrayRef g, const Conv &o) {
  // In float32 oneDNN is faster with strides. In bfloat16 it is hardly so, and its threads wait for each other at a
  // barrier without sleep: beside another process that takes many times as long.
  const bool strided = o.stride[0] > 1 || o.stride[1] > 1;
  return input_wins(type, x, w, g, o) && (type == at::kBFloat16 || !strided);
}

at::Tensor input(const at::Tensor &g, const at::Tensor &w, const at::Tensor &b, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(size, w.sizes(), g.sizes(), o);
  return g.scalar_type() == at::kFloat ? input_of<float>(d, g, w, b) : input_of<Half>(d, g, w, b);
}

at::Tensor weight(const at::Tensor &x, const at::Tensor &g, at::IntArrayRef size, const Conv &o) {
  const Geometry d = geometry(x.sizes(), size, g.sizes(), o);
  return x.scalar_type() == at::kFloat ? weight_of<float>(d, x, g) : weight_of<Half>(d, x, g);
}

}  // namespace few
}  // namespace imori
