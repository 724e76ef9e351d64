// The products of linear layers by kernels of our own. Those of bfloat16 round weights themselves, see half_weights.h;
// bias and activation are added on the way out.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {
namespace dense {

// A matrix whose rows are stretches of memory: m itself, if its are.
at::Tensor rows_of(const at::Tensor &m);
// Whether our kernels take rows, n x in or n x out, float32 or bfloat16, with w of out x in, on the CPU: their panels
// stay in the cache.
bool fits(const at::Tensor &rows, const at::Tensor &w);

// Whether these are the faster forms for x of n x in, or the gradient g of n x out, float32 or bfloat16, and w of out x
// in, float32, all on the CPU. The inputs' gradients of float32 are oneDNN's where there is AVX-512.
bool wins(const at::Tensor &x, const at::Tensor &w);
bool input_wins(const at::Tensor &g, const at::Tensor &w);

// All are outside of autograd, and their results do not depend on the number of threads.
// The leaky ReLU of x w^T + b, in x's type; slope 1 is none. b, float32, may be undefined.
at::Tensor affine(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, double slope);
// g w, n x in, in g's type.
at::Tensor input(const at::Tensor &g, const at::Tensor &w);

// What g, float32 or bfloat16, is before the leaky ReLU that made y, and its sums over the rows, float32. For slope 1 y
// is not looked at.
struct Behind {
  at::Tensor g, sums;
};
Behind behind(const at::Tensor &g, const at::Tensor &y, double slope);

}  // namespace dense
}  // namespace imori
