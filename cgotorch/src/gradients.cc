#include "gradients.h"

#include <ATen/ops/add.h>
#include <torch/csrc/autograd/autograd.h>

#include <unordered_map>

#include "weight_gradient.h"

namespace imori {
namespace {

using Products = std::unordered_map<const at::TensorImpl *, Gradient>;

// Those that are put off on this thread, where libtorch runs the backward of what is on the CPU.
thread_local Products *collected = nullptr;

class Collecting {
 public:
  explicit Collecting(Products *products) : before_(collected) { collected = products; }
  ~Collecting() { collected = before_; }
  Collecting(const Collecting &) = delete;
  Collecting &operator=(const Collecting &) = delete;

 private:
  Products *before_;
};

}  // namespace

at::Tensor Gradient::made() const {
  if (!of_output.defined()) return sum;
  const at::Tensor product = dense::WeightGradient(of_output, input).made();
  return sum.defined() ? at::add(sum, product) : product;
}

bool put_off(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x) {
  if (collected == nullptr) return false;
  const auto found = collected->find(w.unsafeGetTensorImpl());
  if (found == collected->end() || found->second.defined()) return false;
  found->second = {{}, g.detach(), x.detach()};
  return true;
}

std::vector<Gradient> gradients(const at::Tensor &loss, const std::vector<at::Tensor> &params, bool create_graph) {
  TORCH_CHECK(loss.numel() == 1, "a loss must be a scalar, found shape ", loss.sizes());
  TORCH_CHECK(loss.requires_grad(), "the loss does not depend on any parameter that requires gradients");
  Products products;
  if (!create_graph) {
    for (const at::Tensor &p : params) products[p.unsafeGetTensorImpl()];
  }
  const Collecting collecting(&products);
  const auto sums = torch::autograd::grad({loss}, params, {}, c10::nullopt, create_graph, /*allow_unused=*/true);
  std::vector<Gradient> all;
  all.reserve(params.size());
  for (size_t i = 0; i < params.size(); i++) {
    Gradient g = create_graph ? Gradient{} : products[params[i].unsafeGetTensorImpl()];
    g.sum = sums[i];
    all.push_back(std::move(g));
  }
  return all;
}

}  // namespace imori
