// The optimisers, equal to torch.optim's step for step. They work on gradients handed to them, not on .grad fields.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "gradients.h"
#include "half_weights.h"
#include "imori.h"
#include "optimizer_loops.h"

namespace imori {

namespace dense {
class WeightGradient;
}

class Optimizer {
 public:
  static constexpr int kSlots = 3;
  // One parameter's state. What the slots hold depends on the kind: see ix_optimizer_state.
  struct State {
    int64_t steps = 0;
    at::Tensor slots[kSlots];
  };

  Optimizer(int32_t kind, const ix_optimizer_options &options);

  void add(const std::vector<at::Tensor> &params);
  // Throws where a step would refuse the gradients. It has changed nothing then.
  void check(const std::vector<Gradient> &gradients) const;
  // A gradient that is not defined leaves its parameter alone. Products are used up tile by tile where that can be; the
  // result is the same to the last bit.
  void step(std::vector<Gradient> gradients);
  void set_lr(double lr) { options_.lr = lr; }
  const std::vector<at::Tensor> &params() const { return params_; }
  State &state(int64_t param);

 private:
  // One parameter's part of a step.
  struct Update {
    at::Tensor p, g;  // g is undefined where there is a product
    std::unique_ptr<dense::WeightGradient> product;
    State *s, begun;  // as it is, and with one step more and the slots that the kind uses
    bool fuses;       // by the loops of optimizer_loops.h, not by tensor operations
    AdamStep adam;
    dense::Renewal halves;  // where it fuses
  };
  Update update_for(size_t param, Gradient gradient);
  void prepare(const at::Tensor &p, State &s) const;
  bool fusible(const at::Tensor &p, const State &s) const;
  AdamStep adam_step(const State &s) const;
  // A stretch or tile of a parameter's update, or a part of a product's preparation.
  struct Part {
    const Update *of;
    int64_t i;
  };
  using Shares = std::vector<std::vector<Part>>;  // those of each thread
  Shares preparations(const std::vector<Update> &all) const;
  Shares parts(const std::vector<Update> &all) const;
  template <typename Work>
  static void each(const Shares &shares, const Work &work);
  void update_stretch(const Update &f, int64_t first) const;
  void update_tile(const Update &f, int64_t i) const;
  template <typename T>
  void loop(const Update &f, const T *g, int64_t from, int64_t n) const;
  template <typename T>
  void loop(const Update &f, T *p, const T *g, int64_t from, int64_t n) const;
  void update(at::Tensor &p, const at::Tensor &g, State &s) const;
  void sgd(at::Tensor &p, at::Tensor g, State &s) const;
  void adam(at::Tensor &p, at::Tensor g, State &s) const;
  void rmsprop(at::Tensor &p, at::Tensor g, State &s) const;

  int32_t kind_;
  ix_optimizer_options options_;
  std::vector<at::Tensor> params_;
  std::vector<State> states_;
};

// Optimisers are named by numbers which are never used twice, so that closing one a second time closes nothing.
uint64_t register_optimizer(std::unique_ptr<Optimizer> o);
// Throws when there is none. Hold the pointer for the whole call: a finalizer may close the optimiser meanwhile.
std::shared_ptr<Optimizer> find_optimizer(uint64_t id);
void close_optimizer(uint64_t id);

}  // namespace imori
