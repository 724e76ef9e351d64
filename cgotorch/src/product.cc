#include "product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <c10/core/GradMode.h>
#include <dlfcn.h>

#include "conv.h"

namespace imori {
namespace {

// dnnl_sgemm, for matrices of rows. It is there where oneDNN is a library of its own; builds of libtorch that have it
// inside come with MKL, which needs no help.
using Sgemm = int (*)(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                      int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);

Sgemm onednn() {
  static const auto f = reinterpret_cast<Sgemm>(dlsym(RTLD_DEFAULT, "dnnl_sgemm"));
  return f;
}

bool is_float_matrix(const at::Tensor &t) {
  return t.dim() == 2 && t.device().is_cpu() && t.scalar_type() == at::kFloat && t.numel() > 0;
}

bool has_rows(const at::Tensor &t) { return t.stride(1) == 1 && t.stride(0) >= t.size(1); }

// A narrow product, or a tall one of a transposed matrix, is the BLAS's still.
constexpr int64_t kNarrow = 16, kTall = 1024;

bool wins(const at::Tensor &a, const at::Tensor &b, bool transposed) {
  return onednn() != nullptr && b.size(1) >= kNarrow && a.size(0) >= kNarrow && (!transposed || a.size(0) <= kTall);
}

}  // namespace

at::Tensor product(const at::Tensor &a, const at::Tensor &b) {
  const bool recorded = c10::GradMode::is_enabled() && (a.requires_grad() || b.requires_grad());
  if (plain() || recorded || !is_float_matrix(a) || !is_float_matrix(b) || a.size(1) != b.size(0)) return at::mm(a, b);
  const bool transposed = !has_rows(a);
  if (!has_rows(b) || (transposed && !has_rows(a.t())) || !wins(a, b, transposed)) return at::mm(a, b);
  at::Tensor out = at::empty({a.size(0), b.size(1)}, a.options());
  const int status = onednn()(transposed ? 'T' : 'N', 'N', a.size(0), b.size(1), a.size(1), 1, a.data_ptr<float>(),
                              transposed ? a.stride(1) : a.stride(0), b.data_ptr<float>(), b.stride(0), 0,
                              out.data_ptr<float>(), b.size(1));
  TORCH_CHECK(status == 0, "oneDNN's matrix product failed with status ", status);
  return out;
}

}  // namespace imori
