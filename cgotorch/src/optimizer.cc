#include "optimizer.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <mutex>
#include <unordered_map>

namespace imori {
namespace {

// Runs f(first, last) over the elements of a parameter in parallel. A chunk fits the cache with all its state.
template <typename F>
void elements(int64_t n, F f) {
  at::parallel_for(0, n, 1 << 15, f);
}

// The fused loops take dense float32 and float64 on the CPU whose memory is laid out alike; everything else goes
// through tensor operations.
bool fusible(const at::Tensor &p, const at::Tensor &g) {
  return p.device().is_cpu() && (p.scalar_type() == at::kFloat || p.scalar_type() == at::kDouble) &&
         g.scalar_type() == p.scalar_type() && g.device().is_cpu() && p.is_non_overlapping_and_dense() &&
         g.strides() == p.strides() && g.sizes() == p.sizes();
}

bool alike(const at::Tensor &p, const at::Tensor &slot) { return !slot.defined() || slot.strides() == p.strides(); }

// torch.lerp: from the nearer end, so that weight 1 gives b exactly. rest is 1 - weight.
template <typename T>
T lerp(T a, T b, T weight, T rest) {
  return weight < T(0.5) ? a + weight * (b - a) : b - (b - a) * rest;
}

// The fused updates. T is the parameter's type, in which PyTorch computes too; scalars are rounded to it first.
template <typename T>
void adam_loop(T *p, const T *g, T *m, T *v, int64_t n, const ix_optimizer_options &o, bool decoupled, int64_t steps) {
  const double correction1 = 1 - std::pow(o.beta1, double(steps)), correction2 = 1 - std::pow(o.beta2, double(steps));
  const T step = T(o.lr / correction1), root2 = T(std::sqrt(correction2)), eps = T(o.eps);
  const T b1 = T(o.beta1), c1 = T(1 - o.beta1), b2 = T(o.beta2), c2 = T(1 - o.beta2);
  const T decay = T(o.weight_decay), shrink = T(1 - o.lr * o.weight_decay);
  elements(n, [=](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
      T gradient = g[i], value = p[i];
      if (decoupled) {
        value *= shrink;
      } else {
        gradient += decay * value;
      }
      m[i] = lerp(m[i], gradient, c1, b1);
      v[i] = b2 * v[i] + c2 * gradient * gradient;
      p[i] = value - step * m[i] / (std::sqrt(v[i]) / root2 + eps);
    }
  });
}

template <typename T>
void rmsprop_loop(T *p, const T *g, T *square, T *momentum, T *mean, int64_t n, const ix_optimizer_options &o) {
  const T lr = T(o.lr), alpha = T(o.alpha), rest = T(1 - o.alpha), eps = T(o.eps), decay = T(o.weight_decay),
          mu = T(o.momentum);
  elements(n, [=](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; i++) {
      T gradient = g[i] + decay * p[i];
      square[i] = alpha * square[i] + rest * gradient * gradient;
      T variance = square[i];
      if (mean != nullptr) {
        mean[i] = lerp(mean[i], gradient, rest, alpha);
        variance -= mean[i] * mean[i];
      }
      T direction = gradient / (std::sqrt(variance) + eps);
      if (momentum != nullptr) direction = momentum[i] = mu * momentum[i] + direction;
      p[i] -= lr * direction;
    }
  });
}

template <typename T>
T *data(const at::Tensor &t) {
  return t.defined() ? t.data_ptr<T>() : nullptr;
}

void zeros_once(at::Tensor &slot, const at::Tensor &p) {
  if (!slot.defined()) slot = at::zeros_like(p, at::MemoryFormat::Preserve);
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
  params_.insert(params_.end(), params.begin(), params.end());
  states_.resize(params_.size());
}

Optimizer::State &Optimizer::state(int64_t param) {
  TORCH_CHECK(param >= 0 && param < int64_t(states_.size()), "optimiser has ", states_.size(),
              " parameters, not a number ", param);
  return states_[param];
}

void Optimizer::step(const std::vector<at::Tensor> &gradients) {
  TORCH_CHECK(gradients.size() == params_.size(), "optimiser step got ", gradients.size(), " gradients for ",
              params_.size(), " parameters");
  // All checks come before the first change: a refused step changes nothing.
  for (size_t i = 0; i < gradients.size(); i++) {
    const auto &g = gradients[i];
    if (!g.defined()) continue;
    TORCH_CHECK(g.sizes() == params_[i].sizes(), "optimiser step: gradient ", i, " has shape ", g.sizes(),
                ", its parameter ", params_[i].sizes());
    TORCH_CHECK(g.device() == params_[i].device(), "optimiser step: gradient ", i, " is on ", g.device(),
                ", its parameter on ", params_[i].device());
    TORCH_CHECK(g.scalar_type() == params_[i].scalar_type(), "optimiser step: gradient ", i, " is ", g.scalar_type(),
                ", its parameter ", params_[i].scalar_type());
    for (const auto &slot : states_[i].slots) {
      TORCH_CHECK(!slot.defined() || (slot.sizes() == params_[i].sizes() && slot.device() == params_[i].device() &&
                                      slot.scalar_type() == params_[i].scalar_type()),
                  "optimiser step: parameter ", i, " was moved, reshaped or converted after the optimiser had begun; ",
                  "make a new optimiser");
    }
  }
  c10::NoGradGuard no_grad;
  for (size_t i = 0; i < gradients.size(); i++) {
    if (gradients[i].defined()) update(params_[i], gradients[i].detach(), states_[i]);
  }
}

void Optimizer::update(at::Tensor &p, const at::Tensor &gradient, State &s) const {
  at::Tensor g = gradient;
  if (p.strides() != g.strides() && p.is_non_overlapping_and_dense()) {
    g = at::empty_like(p, at::MemoryFormat::Preserve).copy_(g);
  }
  s.steps++;
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
  zeros_once(m, p);
  zeros_once(v, p);
  const bool decoupled = kind_ == IX_ADAMW;
  if (fusible(p, g) && alike(p, m) && alike(p, v)) {
    if (p.scalar_type() == at::kFloat) {
      adam_loop(data<float>(p), data<float>(g), data<float>(m), data<float>(v), p.numel(), o, decoupled, s.steps);
    } else {
      adam_loop(data<double>(p), data<double>(g), data<double>(m), data<double>(v), p.numel(), o, decoupled, s.steps);
    }
    p.unsafeGetTensorImpl()->bump_version();
    return;
  }
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
  zeros_once(square, p);
  if (o.momentum > 0) zeros_once(momentum, p);
  if (o.centered) zeros_once(mean, p);
  if (fusible(p, g) && alike(p, square) && alike(p, momentum) && alike(p, mean)) {
    if (p.scalar_type() == at::kFloat) {
      rmsprop_loop(data<float>(p), data<float>(g), data<float>(square), data<float>(momentum), data<float>(mean),
                   p.numel(), o);
    } else {
      rmsprop_loop(data<double>(p), data<double>(g), data<double>(square), data<double>(momentum), data<double>(mean),
                   p.numel(), o);
    }
    p.unsafeGetTensorImpl()->bump_version();
    return;
  }
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
