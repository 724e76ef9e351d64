// The gradients of a loss, in a form in which an optimiser can use them up while they are made.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace imori {

// What the gradient of a linear layer's weight is made from, for one use of the layer: the gradient of what came out, n
// x out, and what went in, n x in, both float32 or both bfloat16.
struct Factors {
  at::Tensor of_output, input;
};

// A parameter's gradient: a sum that autograd made, undefined where there is none, and products that nobody has
// multiplied yet, one for each use of a layer that was put off.
struct Gradient {
  at::Tensor sum;
  std::vector<Factors> products;

  bool defined() const { return sum.defined() || !products.empty(); }
  // All of it as one tensor; undefined if there is none.
  at::Tensor made() const;
};

// Those of a loss of one element. With create_graph they can be differentiated again, and no product is put off.
std::vector<Gradient> gradients(const at::Tensor &loss, const std::vector<at::Tensor> &params, bool create_graph);

// What a layer's backward asks: whether g^T x can be left to who called `gradients`, instead of being the gradient of
// w. It can be for each parameter that is a leaf, where that takes less memory than the gradient does, or little, and
// where no parameter's memory is read; all of one parameter's that are put off are of one type.
bool put_off(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x);

}  // namespace imori
