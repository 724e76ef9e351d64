// gotorch's optimisers: on the .grad fields of their parameters.
#include <ATen/core/Tensor.h>

#include <cstdio>
#include <mutex>
#include <unordered_map>

#include "errors.h"
#include "gotorch.h"
#include "handle.h"
#include "optimizer.h"

namespace {

// An optimiser's number as the pointer that Go holds. Go takes pointers below 4096 for corruption.
void *pointer(uint64_t id) { return reinterpret_cast<void *>(static_cast<uintptr_t>(id << 16)); }
uint64_t number(::Optimizer o) { return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(o)) >> 16; }

// The handles of each optimiser's parameters, a reference to each. These functions have no room for an error: what
// goes wrong poisons the parameters, which the caller uses next, or is printed where there are none.
std::mutex mutex;
std::unordered_map<uint64_t, std::vector<imori::Handle *>> &parameters() {
  // Never destroyed: finalizers may run while the process ends.
  static auto *all = new std::unordered_map<uint64_t, std::vector<imori::Handle *>>;
  return *all;
}

void print(const char *message) { std::fprintf(stderr, "gotorch optimiser: %s\n", message); }

::Optimizer make(int32_t kind, const ix_optimizer_options &options) {
  ::Optimizer made = pointer(0);  // never registered: every use of it is an error
  imori::guard_or([&] { made = pointer(imori::register_optimizer(std::make_unique<imori::Optimizer>(kind, options))); },
                  print);
  return made;
}

template <typename F>
void with(::Optimizer o, F f) {
  imori::guard_or([&] { f(*imori::find_optimizer(number(o))); },
                  [&](const char *message) {
                    std::lock_guard<std::mutex> lock(mutex);
                    auto found = parameters().find(number(o));
                    if (found == parameters().end()) return print(message);
                    for (auto *h : found->second) imori::poison(h, message);
                  });
}

}  // namespace

Optimizer SGD(double learning_rate, double momentum, double dampening, double weight_decay, int64_t nesterov) {
  ix_optimizer_options o{};
  o.lr = learning_rate;
  o.momentum = momentum;
  o.dampening = dampening;
  o.weight_decay = weight_decay;
  o.nesterov = nesterov != 0;
  return make(IX_SGD, o);
}

Optimizer Adam(double learning_rate, double beta1, double beta2, double weight_decay) {
  ix_optimizer_options o{};
  o.lr = learning_rate;
  o.beta1 = beta1;
  o.beta2 = beta2;
  o.weight_decay = weight_decay;
  o.eps = 1e-8;
  return make(IX_ADAM, o);
}

void Optimizer_ZeroGrad(Optimizer opt) {
  with(opt, [](imori::Optimizer &o) {
    for (const auto &p : o.params()) {
      if (p.grad().defined()) p.grad().detach_().zero_();
    }
  });
}

void Optimizer_Step(Optimizer opt) {
  with(opt, [](imori::Optimizer &o) {
    std::vector<imori::Gradient> gradients;
    for (const auto &p : o.params()) gradients.push_back({p.grad(), {}});
    o.step(std::move(gradients));
  });
}

void Optimizer_AddParameters(Optimizer opt, Tensor *tensors, int64_t length) {
  imori::guard_or(
      [&] {
        auto o = imori::find_optimizer(number(opt));
        o->add(imori::list(tensors, length));
        std::lock_guard<std::mutex> lock(mutex);
        for (int64_t i = 0; i < length; i++) {
          parameters()[number(opt)].push_back(tensors[i]);
          tensors[i]->references.fetch_add(1, std::memory_order_relaxed);
        }
      },
      [&](const char *message) {
        for (int64_t i = 0; i < length; i++) imori::poison(tensors[i], message);
      });
}

void Optimizer_SetLR(Optimizer opt, double learning_rate) {
  with(opt, [&](imori::Optimizer &o) { o.set_lr(learning_rate); });
}

// gotorch calls this twice: by Close and by the finalizer.
void Optimizer_Close(Optimizer opt) {
  imori::guard_or(
      [&] {
        imori::close_optimizer(number(opt));
        std::lock_guard<std::mutex> lock(mutex);
        auto found = parameters().find(number(opt));
        if (found == parameters().end()) return;
        for (auto *h : found->second) imori::unref(h);
        parameters().erase(found);
      },
      print);
}
