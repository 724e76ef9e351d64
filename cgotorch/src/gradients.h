// The gradients of a loss, in a form in which an optimiser can use them up while they are made.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace imori {

// A parameter's gradient: a sum that autograd made, and a product that nobody has multiplied yet, of_output^T input.
// Either is undefined where there is none.
struct Gradient {
  at::Tensor sum, of_output, input;

  bool defined() const { return sum.defined() || of_output.defined(); }
  // All of it as one tensor; undefined if there is none.
  at::Tensor made() const;
};

// Those of a loss of one element. With create_graph they can be differentiated again, and no product is put off.
std::vector<Gradient> gradients(const at::Tensor &loss, const std::vector<at::Tensor> &params, bool create_graph);

// What a layer's backward asks: whether g^T x can be left to who called `gradients`, instead of being the gradient of
// w. It can be once for each parameter that is a leaf, where that takes less memory than the gradient does, or little,
// and where no parameter's memory is read.
bool put_off(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x);

}  // namespace imori
