#include "gradients.h"

#include <ATen/ops/add.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "weight_gradient.h"

namespace imori {
namespace {

// What is put off on one thread, where libtorch runs the backward of what is on the CPU.
class Collecting {
 public:
  explicit Collecting(at::TensorList params) : before_(now) {
    for (const at::Tensor &p : params) {
      // The weight that a layer has saved may be one that autograd goes on from: then it needs the gradient itself.
      if (p.is_leaf()) products_[p.unsafeGetTensorImpl()];
      if (p.has_storage()) memory_.insert(p.storage().unsafeGetStorageImpl());
    }
    now = this;
  }
  ~Collecting() { now = before_; }
  Collecting(const Collecting &) = delete;
  Collecting &operator=(const Collecting &) = delete;

  bool put_off(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x) {
    const auto found = products_.find(w.unsafeGetTensorImpl());
    if (found == products_.end() || found->second.defined() || changes(g) || changes(x)) return false;
    found->second = {{}, g.detach(), x.detach()};
    return true;
  }

  Gradient product(const at::Tensor &p) const {
    const auto found = products_.find(p.unsafeGetTensorImpl());
    return found == products_.end() ? Gradient{} : found->second;
  }

  static thread_local Collecting *now;

 private:
  // Whether a step of one of the parameters changes it before it is used.
  bool changes(const at::Tensor &factor) const { return memory_.count(factor.storage().unsafeGetStorageImpl()) > 0; }

  Collecting *before_;
  std::unordered_map<const at::TensorImpl *, Gradient> products_;
  std::unordered_set<const c10::StorageImpl *> memory_;
};

thread_local Collecting *Collecting::now = nullptr;

// Whether two factors, and their panels in blocks of up to twice the size, take less memory than the product, or
// little.
bool saves_memory(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x) {
  constexpr size_t kLittle = 3 << 17;
  // A view keeps all that it is of.
  return 3 * (g.storage().nbytes() + x.storage().nbytes()) <= std::max(w.nbytes(), kLittle);
}

}  // namespace

at::Tensor Gradient::made() const {
  if (!of_output.defined()) return sum;
  const at::Tensor product = dense::WeightGradient(of_output, input).made();
  return sum.defined() ? at::add(sum, product) : product;
}

bool put_off(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x) {
  return Collecting::now != nullptr && saves_memory(w, g, x) && Collecting::now->put_off(w, g, x);
}

std::vector<Gradient> gradients(const at::Tensor &loss, const std::vector<at::Tensor> &params, bool create_graph) {
  TORCH_CHECK(loss.numel() == 1, "a loss must be a scalar, found shape ", loss.sizes());
  TORCH_CHECK(loss.requires_grad(), "the loss does not depend on any parameter that requires gradients");
  const Collecting collecting(create_graph ? at::TensorList() : at::TensorList(params));
  const auto sums = torch::autograd::grad({loss}, params, {}, c10::nullopt, create_graph, /*allow_unused=*/true);
  std::vector<Gradient> all;
  all.reserve(params.size());
  for (size_t i = 0; i < params.size(); i++) {
    Gradient g = collecting.product(params[i]);
    g.sum = sums[i];
    all.push_back(std::move(g));
  }
  return all;
}

}  // namespace imori
