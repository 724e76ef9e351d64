// Linear layers in bfloat16 whose weights are float32: numbers are rounded on the way into the product, so that neither
// weights nor their gradients are copied from one type to the other.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {
namespace bf16 {

// Whether this is the faster form for x of n x in, bfloat16, and w of out x in, float32, both on the CPU.
bool wins(const at::Tensor &x, const at::Tensor &w);

// All are outside of autograd, and their results do not depend on the number of threads.
at::Tensor affine(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b);  // x w^T + b, n x out, bfloat16
at::Tensor input(const at::Tensor &g, const at::Tensor &w);                        // g w, n x in, bfloat16
at::Tensor weight(const at::Tensor &g, const at::Tensor &x);                       // g^T x, out x in, float32

}  // namespace bf16
}  // namespace imori
