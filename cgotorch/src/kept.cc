#include "kept.h"

#include <c10/core/GradMode.h>
#include <c10/util/intrusive_ptr.h>

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace imori {
namespace {

using Weak = c10::weak_intrusive_ptr<at::TensorImpl, c10::UndefinedTensorImpl>;

struct Made {
  Making making;
  int64_t uses = 0, before = 0;  // of this version of the parameter, and of the last one
  bool renewed = false;
  at::Tensor result;  // undefined: not kept
};

struct Parameter {
  Weak of;  // while there is an entry, the parameter's address is not used again
  uint32_t version;
  std::vector<Made> all;
};

thread_local std::unordered_map<const at::TensorImpl *, Parameter> parameters;
thread_local size_t changes = 0;  // since forget_dead

constexpr size_t kMost = 64 << 20;  // bytes of a result

void forget_dead() {
  changes = 0;
  for (auto i = parameters.begin(); i != parameters.end();) {
    i = i->second.of.expired() ? parameters.erase(i) : std::next(i);
  }
}

Parameter &parameter(const at::Tensor &w) {
  at::TensorImpl *impl = w.unsafeGetTensorImpl();
  const uint32_t version = static_cast<uint32_t>(w._version());
  auto found = parameters.find(impl);
  if (found == parameters.end()) {
    forget_dead();
    found = parameters.emplace(impl, Parameter{Weak(w.getIntrusivePtr()), version, {}}).first;
  }
  Parameter &p = found->second;
  if (p.version != version) {
    p.version = version;
    for (Made &m : p.all) m = {m.making, 0, m.uses, m.renewed, {}};
    if (++changes > parameters.size()) forget_dead();  // p is alive
  }
  return p;
}

// nullptr if there is none.
Made *find(const at::Tensor &w, const Making &making) {
  std::vector<Made> &all = parameter(w).all;
  const auto m = std::find_if(all.begin(), all.end(), [&](const Made &each) { return each.making == making; });
  return m == all.end() ? nullptr : &*m;
}

Made &entry(const at::Tensor &w, const Making &making) {
  Made *m = find(w, making);
  return m != nullptr ? *m : parameter(w).all.emplace_back(Made{making, 0, 0, false, {}});
}

bool of_parameter(const at::Tensor &w) { return w.is_leaf() && w.requires_grad(); }

}  // namespace

at::Tensor kept(const at::Tensor &w, const Making &making, const std::function<at::Tensor()> &make) {
  c10::NoGradGuard no_grad;
  if (!of_parameter(w)) return make();
  Made &m = entry(w, making);
  m.uses++;
  const bool fits = m.result.defined() && m.result.device() == w.device();
  const at::Tensor result = fits ? m.result : make();
  const bool last = !m.renewed && m.uses == std::max<int64_t>(m.before, 1);
  const bool large = !m.renewed && result.nbytes() > kMost;
  m.result = last || large ? at::Tensor() : result;
  return result;
}

bool renewed(const at::Tensor &w, const Making &making) {
  if (!of_parameter(w) || parameters.count(w.unsafeGetTensorImpl()) == 0) return false;
  const Made *m = find(w, making);
  return m != nullptr && m->renewed;
}

at::Tensor take_kept(const at::Tensor &w, const Making &making) {
  if (!of_parameter(w)) return {};
  Made &m = entry(w, making);
  m.renewed = true;
  const at::Tensor result = std::exchange(m.result, {});
  return m.uses > 0 ? result : at::Tensor();
}

void keep(const at::Tensor &w, const Making &making, const at::Tensor &result) { entry(w, making).result = result; }

}  // namespace imori
