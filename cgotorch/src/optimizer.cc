#include "optimizer.h"

#include <ATen/MemoryOverlap.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <mutex>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "apart.h"
#include "shares.h"
#include "weight_gradient.h"

namespace imori {
namespace {

bool alike(const at::Tensor &p, const at::Tensor &slot) { return !slot.defined() || slot.strides() == p.strides(); }

// Where a stretch of a tensor begins; nullptr if it is undefined.
template <typename T>
T *at_element(const at::Tensor &t, int64_t i) {
  return t.defined() ? t.data_ptr<T>() + i : nullptr;
}

// Numbers of a stretch: with all their state they fit the cache.
constexpr int64_t kStretch = 1 << 14;

void zeros_once(at::Tensor &slot, const at::Tensor &p) {
  if (!slot.defined()) slot = at::zeros_like(p, at::MemoryFormat::Preserve);
}

// Parameters whose memory overlaps would race with each other, or be changed twice.
void check_distinct(const std::vector<at::Tensor> &params) {
  std::unordered_set<const at::TensorImpl *> known;
  std::vector<std::pair<const char *, const at::Tensor *>> begins;
  for (const at::Tensor &p : params) {
    TORCH_CHECK(known.insert(p.unsafeGetTensorImpl()).second, "an optimiser was given a parameter of shape ", p.sizes(),
                " twice; name shared weights once");
    TORCH_CHECK(at::has_internal_overlap(p) != at::MemOverlap::Yes, "an optimiser was given a parameter of shape ",
                p.sizes(), " that has one number in several places; clone it");
    if (p.is_non_overlapping_and_dense()) begins.emplace_back(static_cast<const char *>(p.data_ptr()), &p);
  }
  std::sort(begins.begin(), begins.end());
  for (size_t i = 1; i < begins.size(); i++) {
    const at::Tensor &p = *begins[i - 1].second, &next = *begins[i].second;
    TORCH_CHECK(p.numel() == 0 || next.numel() == 0 || p.device() != next.device() ||
                    begins[i - 1].first + p.nbytes() <= begins[i].first,
                "an optimiser was given parameters of shapes ", p.sizes(), " and ", next.sizes(),
                " that share memory; name shared weights once");
  }
}

}  // namespace

Optimizer::Optimizer(int32_t kind, const ix_optimizer_options &options) : kind_(kind), options_(options) {
  TORCH_CHECK(kind >= IX_SGD && kind <= IX_RMSPROP, "unknown optimiser kind ", kind);
  TORCH_CHECK(kind != IX_SGD || !options.nesterov || (options.momentum > 0 && options.dampening == 0),
              "Nesterov momentum needs a momentum above 0 and a dampening of 0");
}

void Optimizer::add(const std::vector<at::Tensor> &params) {
  for (const auto &p : params) {
    TORCH_CHECK(p.defined(), "an optimiser's parameter is an undefined tensor");
    TORCH_CHECK(p.is_leaf(), "an optimiser's parameter must be a leaf, not the result of an operation");
  }
  std::vector<at::Tensor> all = params_;
  all.insert(all.end(), params.begin(), params.end());
  check_distinct(all);
  params_ = std::move(all);
  states_.resize(params_.size());
}

Optimizer::State &Optimizer::state(int64_t param) {
  TORCH_CHECK(param >= 0 && param < int64_t(states_.size()), "optimiser has ", states_.size(),
              " parameters, not a number ", param);
  return states_[param];
}

void Optimizer::check(const std::vector<Gradient> &gradients) const {
  TORCH_CHECK(gradients.size() == params_.size(), "optimiser step got ", gradients.size(), " gradients for ",
              params_.size(), " parameters");
  for (size_t i = 0; i < gradients.size(); i++) {
    const auto &g = gradients[i].sum;
    if (!gradients[i].defined()) continue;
    if (g.defined()) {
      TORCH_CHECK(g.sizes() == params_[i].sizes(), "optimiser step: gradient ", i, " has shape ", g.sizes(),
                  ", its parameter ", params_[i].sizes());
      TORCH_CHECK(g.device() == params_[i].device(), "optimiser step: gradient ", i, " is on ", g.device(),
                  ", its parameter on ", params_[i].device());
      TORCH_CHECK(g.scalar_type() == params_[i].scalar_type(), "optimiser step: gradient ", i, " is ", g.scalar_type(),
                  ", its parameter ", params_[i].scalar_type());
    }
    for (const auto &slot : states_[i].slots) {
      TORCH_CHECK(!slot.defined() || (slot.sizes() == params_[i].sizes() && slot.device() == params_[i].device() &&
                                      slot.scalar_type() == params_[i].scalar_type()),
                  "optimiser step: parameter ", i, " was moved, reshaped or converted after the optimiser had begun; ",
                  "make a new optimiser");
    }
  }
}

// Gradients, averages and lists are made before the first change, so that there is none if memory does not do for them.
void Optimizer::step(std::vector<Gradient> gradients) {
  check(gradients);
  if (!params_.empty() && params_[0].is_cpu()) look_apart();
  c10::NoGradGuard no_grad;
  std::vector<Update> fused, others;
  for (size_t i = 0; i < gradients.size(); i++) {
    if (!gradients[i].defined()) continue;
    Update u = update_for(i, std::exchange(gradients[i], {}));
    if (u.fuses) u.halves = dense::Renewal(u.p);
    (u.fuses ? fused : others).push_back(std::move(u));
  }
  const Shares before = preparations(fused), all = parts(fused);
  each(before, [](const Part &part) { part.of->product->prepare(part.i); });
  for (Update &u : others) {
    *u.s = std::move(u.begun);
    update(u.p, u.g, *u.s);
    u.g.reset();
  }
  for (Update &u : fused) {
    *u.s = std::move(u.begun);
    u.adam = adam_step(*u.s);
    u.p.unsafeGetTensorImpl()->bump_version();
  }
  // All parameters at once: many are too small to be shared out by themselves.
  each(all, [this](const Part &part) {
    if (part.of->product) {
      update_tile(*part.of, part.i);
    } else {
      update_stretch(*part.of, part.i * kStretch);
    }
  });
  for (const Update &u : fused) u.halves.finish();
}

Optimizer::Update Optimizer::update_for(size_t param, Gradient gradient) {
  const at::Tensor &p = params_[param];
  State *s = &states_[param], begun = *s;
  begun.steps++;
  prepare(p, begun);
  const bool fuses = fusible(p, begun);
  if (fuses && !gradient.sum.defined() && p.is_contiguous()) {
    auto product = std::make_unique<dense::WeightGradient>(std::move(gradient.products));
    return {p, {}, std::move(product), s, std::move(begun), true, {}, {}};
  }
  at::Tensor g = gradient.made().detach();
  if (p.strides() != g.strides() && p.is_non_overlapping_and_dense()) {
    g = at::empty_like(p, at::MemoryFormat::Preserve).copy_(g);
  }
  return {p, g, nullptr, s, std::move(begun), fuses && g.strides() == p.strides(), {}, {}};
}

// The loops take dense float32 and float64 on the CPU whose memory is laid out alike; everything else goes through
// tensor operations.
bool Optimizer::fusible(const at::Tensor &p, const State &s) const {
  return kind_ != IX_SGD && p.device().is_cpu() && (p.scalar_type() == at::kFloat || p.scalar_type() == at::kDouble) &&
         p.is_non_overlapping_and_dense() && alike(p, s.slots[0]) && alike(p, s.slots[1]) && alike(p, s.slots[2]);
}

// The slots that the kind uses, before the first step. SGD's first is not zero.
void Optimizer::prepare(const at::Tensor &p, State &s) const {
  if (kind_ == IX_SGD) return;
  zeros_once(s.slots[0], p);
  if (kind_ != IX_RMSPROP || options_.momentum > 0) zeros_once(s.slots[1], p);
  if (kind_ == IX_RMSPROP && options_.centered) zeros_once(s.slots[2], p);
}

AdamStep Optimizer::adam_step(const State &s) const {
  const auto &o = options_;
  const double steps = static_cast<double>(s.steps);
  return {o.lr / (1 - std::pow(o.beta1, steps)), 1 / std::sqrt(1 - std::pow(o.beta2, steps)), 1 - o.lr * o.weight_decay,
          kind_ == IX_ADAMW};
}

// Shares are the same in each step: the averages of a thread's own parts may be in its cache still. From another
// thread's, which may be on another part of the chip, they would come more slowly than from memory.
template <typename Work>
void Optimizer::each(const Shares &shares, const Work &work) {
  std::vector<int64_t> sizes;
  for (const std::vector<Part> &share : shares) sizes.push_back(static_cast<int64_t>(share.size()));
  each_share(
      sizes, [&](size_t share, int64_t i) { work(shares[share][static_cast<size_t>(i)]); },
      settle);  // what has been written past the caches
}

// Panels of columns of the outputs' gradients, and then of the inputs, as layers share them out.
Optimizer::Shares Optimizer::preparations(const std::vector<Update> &all) const {
  Shares made(static_cast<size_t>(at::get_num_threads()));
  for (const Update &u : all) {
    if (!u.product) continue;
    const int64_t first = u.product->gradient_parts(), n = u.product->parts();
    for (int64_t i = 0; i < n; i++) {
      const size_t of = i < first ? share_of(i, first) : share_of(i - first, n - first);
      made[of].push_back({&u, i});
    }
  }
  return made;
}

// Rows of weights as linear layers share them out, and stretches of others, of which small ones take turns.
Optimizer::Shares Optimizer::parts(const std::vector<Update> &all) const {
  Shares made(static_cast<size_t>(at::get_num_threads()));
  size_t turn = 0;
  for (const Update &u : all) {
    const int64_t n = u.product ? u.product->tiles() : at::divup(u.p.numel(), kStretch);
    const bool small = !u.product && n < static_cast<int64_t>(made.size());
    for (int64_t i = 0; i < n; i++) {
      const size_t of = u.product ? share_of(u.product->tile(i).row / panels::kPanel, u.product->gradient_parts())
                        : small   ? turn++ % made.size()
                                  : share_of(i, n);
      made[of].push_back({&u, i});
    }
  }
  return made;
}

void Optimizer::update_stretch(const Update &f, int64_t first) const {
  const int64_t n = std::min(kStretch, f.p.numel() - first);
  if (f.p.scalar_type() == at::kFloat) return loop(f, f.g.data_ptr<float>() + first, first, n);
  loop(f, f.g.data_ptr<double>() + first, first, n);
}

void Optimizer::update_tile(const Update &f, int64_t i) const {
  using dense::WeightGradient;
  const panels::Scratch<float> g(WeightGradient::kRows * WeightGradient::kColumns);
  const WeightGradient::Tile t = f.product->tile(i);
  f.product->make(t, g.numbers(), WeightGradient::kColumns);
  for (int64_t r = 0; r < t.rows; r++) {
    loop(f, g.numbers() + r * WeightGradient::kColumns, (t.row + r) * f.p.size(1) + t.column, t.columns);
  }
}

// n numbers from `from` on, whose gradients are at g. Other threads have read the parameters, but not their averages.
template <typename T>
void Optimizer::loop(const Update &f, const T *g, int64_t from, int64_t n) const {
  if (!apart()) return loop(f, at_element<T>(f.p, from), g, from, n);
  constexpr int64_t kAtOnce = 1 << 10;
  T p[kAtOnce];
  for (int64_t i = 0; i < n; i += kAtOnce) {
    T *to = at_element<T>(f.p, from + i);
    const int64_t some = std::min(kAtOnce, n - i);
    std::copy_n(to, some, p);
    loop(f, p, g + i, from + i, some);
    write_past(to, p, some);
  }
}

// The same with the parameters at p.
template <typename T>
void Optimizer::loop(const Update &f, T *p, const T *g, int64_t from, int64_t n) const {
  T *slots[kSlots];
  for (int i = 0; i < kSlots; i++) slots[i] = at_element<T>(f.s->slots[i], from);
  if (kind_ == IX_RMSPROP) {
    rmsprop_loop(p, g, slots[0], slots[1], slots[2], n, options_);
  } else {
    adam_loop(p, g, slots[0], slots[1], n, options_, f.adam);
  }
  if constexpr (std::is_same_v<T, float>) {
    f.halves.renew(p, from, n);
  }
}

void Optimizer::update(at::Tensor &p, const at::Tensor &g, State &s) const {
  switch (kind_) {
    case IX_SGD:
      return sgd(p, g, s);
    case IX_RMSPROP:
      return rmsprop(p, g, s);
    default:
      return adam(p, g, s);
  }
}

// torch.optim.SGD. Memory-bound and short: tensor operations serve.
void Optimizer::sgd(at::Tensor &p, at::Tensor g, State &s) const {
  const auto &o = options_;
  if (o.weight_decay != 0) g = g.add(p, o.weight_decay);
  if (o.momentum != 0) {
    at::Tensor &buffer = s.slots[0];
    if (!buffer.defined()) {
      buffer = g.clone();
    } else {
      buffer.mul_(o.momentum).add_(g, 1 - o.dampening);
    }
    g = o.nesterov ? g.add(buffer, o.momentum) : buffer;
  }
  p.add_(g, -o.lr);
}

// torch.optim.Adam and AdamW (Kingma & Ba 2015; Loshchilov & Hutter 2019).
void Optimizer::adam(at::Tensor &p, at::Tensor g, State &s) const {
  const auto &o = options_;
  at::Tensor &m = s.slots[0], &v = s.slots[1];
  const bool decoupled = kind_ == IX_ADAMW;
  if (decoupled) {
    p.mul_(1 - o.lr * o.weight_decay);
  } else if (o.weight_decay != 0) {
    g = g.add(p, o.weight_decay);
  }
  m.lerp_(g, 1 - o.beta1);
  v.mul_(o.beta2).addcmul_(g, g, 1 - o.beta2);
  const double correction1 = 1 - std::pow(o.beta1, double(s.steps)),
               correction2 = 1 - std::pow(o.beta2, double(s.steps));
  p.addcdiv_(m, v.sqrt().div_(std::sqrt(correction2)).add_(o.eps), -o.lr / correction1);
}

// torch.optim.RMSprop (Hinton's lecture 6e; centred as in Graves 2013).
void Optimizer::rmsprop(at::Tensor &p, at::Tensor g, State &s) const {
  const auto &o = options_;
  at::Tensor &square = s.slots[0], &momentum = s.slots[1], &mean = s.slots[2];
  if (o.weight_decay != 0) g = g.add(p, o.weight_decay);
  square.mul_(o.alpha).addcmul_(g, g, 1 - o.alpha);
  at::Tensor average = square;
  if (o.centered) {
    mean.lerp_(g, 1 - o.alpha);
    average = square.addcmul(mean, mean, -1);
  }
  average = average.sqrt().add_(o.eps);
  if (o.momentum > 0) {
    momentum.mul_(o.momentum).addcdiv_(g, average);
    p.add_(momentum, -o.lr);
  } else {
    p.addcdiv_(g, average, -o.lr);
  }
}

namespace {

std::mutex registry_mutex;
uint64_t next_optimizer = 1;

std::unordered_map<uint64_t, std::shared_ptr<Optimizer>> &registry() {
  // Never destroyed: finalizers may run while the process ends.
  static auto *all = new std::unordered_map<uint64_t, std::shared_ptr<Optimizer>>;
  return *all;
}

}  // namespace

uint64_t register_optimizer(std::unique_ptr<Optimizer> o) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  registry()[next_optimizer] = std::move(o);
  return next_optimizer++;
}

std::shared_ptr<Optimizer> find_optimizer(uint64_t id) {
  std::lock_guard<std::mutex> lock(registry_mutex);
  auto found = registry().find(id);
  TORCH_CHECK(found != registry().end(), "the optimiser has been closed");
  return found->second;
}

void close_optimizer(uint64_t id) {
  std::shared_ptr<Optimizer> last;  // destroyed outside the lock
  std::lock_guard<std::mutex> lock(registry_mutex);
  auto found = registry().find(id);
  if (found == registry().end()) return;
  last = std::move(found->second);
  registry().erase(found);
}

}  // namespace imori
