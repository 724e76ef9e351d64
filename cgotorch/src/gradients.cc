#include "gradients.h"

#include <ATen/ops/add.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "weight_gradient.h"

namespace imori {
namespace {

// What a factor keeps, which may be all that it is a view of, or takes when its rows are laid side by side.
size_t bytes_of(const at::Tensor &factor) { return std::max(factor.storage().nbytes(), factor.nbytes()); }

// Whether factors, and their panels in blocks of up to twice the size, take less memory than the product, or little.
bool saves_memory(const at::Tensor &w, const std::vector<Factors> &all) {
  constexpr size_t kLittle = 3 << 17;
  size_t bytes = 2 * dense::WeightGradient::bytes(all);
  for (const Factors &f : all) bytes += bytes_of(f.of_output) + bytes_of(f.input);
  return bytes <= std::max(w.nbytes(), kLittle);
}

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
    if (found == products_.end() || changes(g) || changes(x)) return false;
    std::vector<Factors> &uses = found->second;
    if (!uses.empty() && uses[0].input.scalar_type() != x.scalar_type()) return false;
    uses.push_back({g.detach(), x.detach()});
    if (saves_memory(w, uses)) return true;
    uses.pop_back();
    return false;
  }

  std::vector<Factors> products(const at::Tensor &p) const {
    const auto found = products_.find(p.unsafeGetTensorImpl());
    return found == products_.end() ? std::vector<Factors>() : found->second;
  }

  static thread_local Collecting *now;

 private:
  // Whether a step of one of the parameters changes it before it is used.
  bool changes(const at::Tensor &factor) const { return memory_.count(factor.storage().unsafeGetStorageImpl()) > 0; }

  Collecting *before_;
  std::unordered_map<const at::TensorImpl *, std::vector<Factors>> products_;
  std::unordered_set<const c10::StorageImpl *> memory_;
};

thread_local Collecting *Collecting::now = nullptr;

}  // namespace

at::Tensor Gradient::made() const {
  if (products.empty()) return sum;
  const at::Tensor product = dense::WeightGradient(products).made();
  return sum.defined() ? at::add(sum, product) : product;
}

bool put_off(const at::Tensor &w, const at::Tensor &g, const at::Tensor &x) {
  return Collecting::now != nullptr && Collecting::now->put_off(w, g, x);
}

std::vector<Gradient> gradients(const at::Tensor &loss, const std::vector<at::Tensor> &params, bool create_graph) {
  TORCH_CHECK(loss.numel() == 1, "a loss must be a scalar, found shape ", loss.sizes());
  TORCH_CHECK(loss.requires_grad(), "the loss does not depend on any parameter that requires gradients");
  const Collecting collecting(create_graph ? at::TensorList() : at::TensorList(params));
  const auto sums = torch::autograd::grad({loss}, params, {}, c10::nullopt, create_graph, /*allow_unused=*/true);
  std::vector<Gradient> all;
  all.reserve(params.size());
  for (size_t i = 0; i < params.size(); i++) {
    all.push_back({sums[i], collecting.products(params[i])});
  }
  return all;
}

}  // namespace imori
