// The leaky ReLU.
#pragma once

#include <ATen/core/Tensor.h>

namespace imori {

// The leaky ReLU; slope 0 is the ReLU. Its gradient's gradient with respect to x is absent where libtorch's is zeros,
// which would be carried through all of the network before.
at::Tensor leaky_relu(const at::Tensor &x, double slope);

// The same, where slope 1 is none at all.
inline at::Tensor activated(const at::Tensor &x, double slope) { return slope == 1 ? x : leaky_relu(x, slope); }

// The gradient of x from that of y = leaky_relu(x), which has the sign of x; slope is not below 0. Linear in g.
at::Tensor leaky_gradient(const at::Tensor &g, const at::Tensor &y, double slope);

}  // namespace imori
