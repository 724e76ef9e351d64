#include "product.h"

#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <dlfcn.h>

#include <algorithm>

#include "conv.h"
#include "simd.h"
#include "transpose.h"

namespace imori {
namespace {

// dnnl_sgemm, for matrices of rows. It is there where oneDNN is a library of its own. MKL needs no help, and on other
// processors than x86 oneDNN's is a plain loop.
using Sgemm = int (*)(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                      int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

Sgemm onednn() {
#ifdef __x86_64__
  static const auto f = at::hasMKL() ? nullptr : reinterpret_cast<Sgemm>(dlsym(RTLD_DEFAULT, "dnnl_sgemm"));
  return f;
#else
  return nullptr;
#endif
}

bool is_float_matrix(const at::Tensor &t) {
  return t.dim() == 2 && t.device().is_cpu() && t.scalar_type() == at::kFloat && t.numel() > 0;
}

bool has_rows(const at::Tensor &t) { return t.stride(1) == 1 && t.stride(0) >= t.size(1); }

// Narrow products are the BLAS's still.
constexpr int64_t kNarrow = 16;

// oneDNN's kernels for transposed matrices are slower than the one for rows by more than a transposed copy costs, if
// the product uses each number of the copy this often.
constexpr int64_t kUses = 128;

bool recorded(const at::Tensor &t) { return c10::GradMode::is_enabled() && t.requires_grad(); }

}  // namespace

at::Tensor product(const at::Tensor &a, const at::Tensor &b) {
  if (plain() || recorded(a) || recorded(b) || !is_float_matrix(a) || !is_float_matrix(b) || a.size(1) != b.size(0)) {
    return at::mm(a, b);
  }
  const int64_t rows = a.size(0), inner = a.size(1), columns = b.size(1);
  if (onednn() == nullptr || std::min(rows, columns) < kNarrow || !has_rows(b)) return at::mm(a, b);
  if (!has_rows(a)) {
    const bool turned = kThreads && has_rows(a.t()) && columns >= kUses;
    return turned ? product(transpose(a.t()), b) : at::mm(a, b);
  }
  at::Tensor out = at::empty({rows, columns}, a.options());
  const int status = onednn()('N', 'N', rows, columns, inner, 1, a.data_ptr<float>(), a.stride(0), b.data_ptr<float>(),
                              b.stride(0), 0, out.data_ptr<float>(), columns);
  return status == 0 ? out : at::mm(a, b);
}

at::Tensor affine(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b) {
  const auto blas = [&] { return b.defined() ? at::addmm(b, x, w.t()) : at::mm(x, w.t()); };
  if (plain() || !kThreads || onednn() == nullptr || !is_float_matrix(x) || !is_float_matrix(w)) return blas();
  if (x.size(1) != w.size(1) || !has_rows(x) || !has_rows(w)) return blas();
  const int64_t n = x.size(0), in = x.size(1), out = w.size(0);
  // What is turned: w, or x and the result.
  const int64_t of_w = in * out, of_rows = n * (in + out);
  if (std::min(n, out) < kNarrow || n * in * out < kUses * std::min(of_w, of_rows)) return blas();
  if (of_rows < of_w) return transpose(product(w, transpose(x)), b);
  const at::Tensor y = product(x, transpose(w));
  return b.defined() ? y.add_(b) : y;
}

}  // namespace imori
