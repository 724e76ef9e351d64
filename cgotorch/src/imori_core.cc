// The library itself, scopes, data, random numbers, gradients and optimisers of torchx.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>
#include <torch/version.h>

#include <iterator>
#include <utility>

#include "amx.h"
#include "apart.h"
#include "blas.h"
#include "call.h"
#include "conv.h"
#include "cpu.h"
#include "gotorch.h"
#include "gradients.h"
#include "imori.h"
#include "optimizer.h"
#include "precision.h"
#include "simd.h"
#include "spinning.h"

using imori::get;
using imori::guard;
using imori::ints;
using imori::wrap;

namespace {

at::TensorOptions options(int8_t dtype, const char *device) {
  return at::TensorOptions().dtype(at::ScalarType(dtype)).device(at::Device(std::string(device)));
}

const at::Generator &default_generator(const at::Device &device) {
  if (device.is_cpu()) return at::detail::getDefaultCPUGenerator();
  return at::globalContext().defaultGenerator(device);
}

at::Tensor &draw(at::Tensor &t, int32_t kind, double a, double b, const c10::optional<at::Generator> &g) {
  TORCH_CHECK(kind == 0 || kind == 1, "unknown distribution ", kind);
  return kind == 0 ? t.uniform_(a, b, g) : t.normal_(a, b, g);
}

}  // namespace

// ---- library ----
const char *ix_libtorch_version(void) { return TORCH_VERSION; }

const char *ix_blas_library(void) { return imori::blas_library().c_str(); }
int8_t ix_reference_blas(const char *file) { return imori::reference_blas(file); }
const char *ix_blas_core(void) {
  static thread_local std::string name;
  name = imori::blas_core();
  return name.c_str();
}

const char *ix_cpu_capability(void) {
  // at::get_cpu_capability came after 1.13; the text of the configuration has always named it.
  static const std::string name = [] {
    const std::string config = at::show_config(), label = "CPU capability usage: ";
    const auto at = config.find(label);
    if (at == std::string::npos) return std::string("unknown");
    const auto from = at + label.size();
    return config.substr(from, config.find('\n', from) - from);
  }();
  return name.c_str();
}

int8_t ix_own_kernels(void) { return imori::kThreads; }
int32_t ix_num_threads(void) { return at::get_num_threads(); }
const char *ix_limit_spinning(int8_t on) {
  return guard([&] { imori::limit_spinning(on != 0); });
}
const char *ix_set_num_threads(int32_t n) {
  return guard([&] { at::set_num_threads(n); });
}
int32_t ix_cuda_devices(void) {
  int32_t n = 0;
  imori::guard_or([&] { n = IsCUDAAvailable() ? at::detail::getCUDAHooks().getNumGPUs() : 0; }, [](const char *) {});
  return n;
}
void ix_free_string(const char *s) { std::free(const_cast<char *>(s)); }

// ---- how layers compute ----
int8_t ix_plain(void) { return imori::plain(); }
int8_t ix_set_plain(int8_t on) { return imori::set_plain(on != 0); }
int8_t ix_set_bf16_layers(int8_t on) { return imori::set_bf16_layers(on != 0); }
int8_t ix_set_amx(int8_t on) { return imori::amx::set_used(on != 0) ? 1 : 0; }
int8_t ix_set_avx512(int8_t on) { return imori::avx512_used.exchange(on != 0); }
int32_t ix_float_kernels(void) { return imori::uses_avx512() ? 2 : imori::has_kernels() ? 1 : 0; }
int32_t ix_bf16_hardware(void) { return imori::bf16_hardware(); }
int8_t ix_bf16_pays(void) { return imori::bf16_pays(); }

int8_t ix_measure_apart(void) {
  bool is = false;
  imori::guard_or([&] { is = imori::measure_apart(); }, [](const char *) {});
  return is;
}
int8_t ix_set_apart(int8_t to) { return static_cast<int8_t>(imori::set_apart(to)); }

// ---- scopes and lifetime ----
void ix_scope_begin(void) { imori::scope_begin(); }
void ix_scope_end(void) { imori::scope_end(); }
int64_t ix_scope_depth(void) { return imori::scope_depth(); }
const char *ix_keep(ix_tensor t) {
  return guard([&] { imori::keep(t, 1); });
}
const char *ix_keep_all(ix_tensor t) {
  return guard([&] { imori::keep(t, -1); });
}
void ix_release(ix_tensor t) {
  if (t != nullptr) imori::empty(t);
}
void ix_close(ix_tensor t) { imori::unref(t); }
int64_t ix_live_tensors(void) { return imori::live(); }
int8_t ix_grad_mode(int8_t on) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(on != 0);
  return before;
}

// ---- making and reading tensors ----
const char *ix_from_data(const uint8_t *data, int8_t dtype, const int64_t *sizes, int64_t n, ix_tensor *out) {
  return guard([&] {
    at::Tensor t = at::empty(ints(sizes, n), at::TensorOptions().dtype(at::ScalarType(dtype)));
    if (t.numel() > 0) std::memcpy(t.data_ptr(), data, t.nbytes());
    *out = wrap(t);
  });
}
const char *ix_to_data(ix_tensor t, int8_t dtype, uint8_t *dst, int64_t bytes) {
  return guard([&] {
    at::Tensor host = get(t).detach().to(at::kCPU, at::ScalarType(dtype)).contiguous();
    TORCH_CHECK(static_cast<int64_t>(host.nbytes()) == bytes, "a tensor of ", host.nbytes(), " bytes does not fit ",
                bytes);
    if (bytes > 0) std::memcpy(dst, host.data_ptr(), host.nbytes());
  });
}
const char *ix_full(const int64_t *sizes, int64_t n, double value, int8_t dtype, const char *device, ix_tensor *out) {
  return guard([&] { *out = wrap(at::full(ints(sizes, n), value, options(dtype, device))); });
}
const char *ix_info(ix_tensor t, int64_t *dims, int64_t sizes[16], int8_t *dtype, int8_t *requires_grad, int8_t *leaf) {
  return guard([&] {
    const at::Tensor &x = get(t);
    TORCH_CHECK(x.defined(), "the tensor is undefined: it has no shape");
    TORCH_CHECK(x.dim() <= 16, "a tensor has ", x.dim(), " dimensions, at most 16 are supported");
    *dims = x.dim();
    std::copy(x.sizes().begin(), x.sizes().end(), sizes);
    *dtype = static_cast<int8_t>(x.scalar_type());
    *requires_grad = x.requires_grad();
    *leaf = x.is_leaf();
  });
}
const char *ix_device(ix_tensor t, const char **device) {
  return guard([&] { *device = strdup(get(t).device().str().c_str()); });
}
const char *ix_item(ix_tensor t, double *value) {
  return guard([&] { *value = get(t).item<double>(); });
}
const char *ix_set_requires_grad(ix_tensor t, int8_t on) {
  return guard([&] { get(t).requires_grad_(on != 0); });
}
const char *ix_copy_(ix_tensor dst, ix_tensor src) {
  return guard([&] {
    c10::NoGradGuard no_grad;
    // A scalar fills; any other broadcast would hide a mistake.
    TORCH_CHECK(get(src).dim() == 0 || get(dst).sizes() == get(src).sizes(), "cannot copy shape ", get(src).sizes(),
                " into ", get(dst).sizes());
    get(dst).copy_(get(src));
  });
}
const char *ix_clamp_(ix_tensor t, double lo, double hi) {
  return guard([&] {
    c10::NoGradGuard no_grad;
    get(t).clamp_(lo, hi);
  });
}
const char *ix_set_data(ix_tensor t, ix_tensor data) {
  return guard([&] { imori::set_data(get(t), get(data)); });
}
const char *ix_channels_last_(ix_tensor t) {
  return guard([&] {
    at::Tensor &x = get(t);
    imori::set_data(x, x.detach().contiguous(at::MemoryFormat::ChannelsLast));
  });
}
const char *ix_to(ix_tensor t, const char *device, int8_t dtype, ix_tensor *out) {
  return guard([&] {
    const at::Tensor &x = get(t);
    *out = wrap(x.to(at::Device(std::string(device)), dtype < 0 ? x.scalar_type() : at::ScalarType(dtype)));
  });
}

// ---- random numbers ----
const char *ix_manual_seed(uint64_t seed) {
  return guard([&] { at::manual_seed(seed); });
}
const char *ix_generator_new(const char *device, uint64_t seed, void **out) {
  return guard([&] {
    at::Device d{std::string(device)};
    at::Generator g = d.is_cpu() ? at::detail::createCPUGenerator() : default_generator(d).clone();
    g.set_current_seed(seed);
    *out = new at::Generator(g);
  });
}
void ix_generator_free(void *g) { delete static_cast<at::Generator *>(g); }
const char *ix_random(int32_t kind, void *g, double a, double b, const int64_t *sizes, int64_t n, int8_t dtype,
                      const char *device, ix_tensor *out) {
  return guard([&] {
    at::Tensor t = at::empty(ints(sizes, n), options(dtype, device));
    c10::optional<at::Generator> generator;
    if (g != nullptr) generator = *static_cast<at::Generator *>(g);
    *out = wrap(draw(t, kind, a, b, generator));
  });
}
const char *ix_random_(int32_t kind, ix_tensor t, double a, double b) {
  return guard([&] {
    c10::NoGradGuard no_grad;
    at::Tensor &x = get(t);
    if (x.is_contiguous()) {
      draw(x, kind, a, b, c10::nullopt);
    } else {  // the same numbers at the same places, however the tensor is laid out
      at::Tensor drawn = at::empty(x.sizes(), x.options());
      x.copy_(draw(drawn, kind, a, b, c10::nullopt));
    }
  });
}
const char *ix_generator_state(const char *device, ix_tensor *out) {
  return guard([&] {
    at::Generator g = default_generator(at::Device(std::string(device)));
    std::lock_guard<std::mutex> lock(g.mutex());
    *out = wrap(g.get_state().clone());
  });
}
const char *ix_set_generator_state(const char *device, ix_tensor state) {
  return guard([&] {
    at::Generator g = default_generator(at::Device(std::string(device)));
    std::lock_guard<std::mutex> lock(g.mutex());
    g.set_state(get(state));
  });
}

// ---- gradients ----
const char *ix_gradients(ix_tensor loss, ix_tensor *params, int64_t n, int8_t create_graph, ix_tensor *grads) {
  return guard([&] {
    auto found = imori::gradients(get(loss), imori::list(params, n), create_graph != 0);
    for (int64_t i = 0; i < n; i++) {
      const at::Tensor g = std::exchange(found[static_cast<size_t>(i)], {}).made();
      grads[i] = g.defined() ? wrap(g) : nullptr;
    }
  });
}

// ---- optimisers ----
const char *ix_optimizer_new(int32_t kind, ix_optimizer_options o, ix_tensor *params, int64_t n, uint64_t *id) {
  return guard([&] {
    auto made = std::make_unique<imori::Optimizer>(kind, o);
    made->add(imori::list(params, n));
    *id = imori::register_optimizer(std::move(made));
  });
}
const char *ix_optimizer_step(uint64_t id, ix_tensor *grads, int64_t n) {
  return guard([&] {
    std::vector<imori::Gradient> gradients;
    gradients.reserve(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; i++) gradients.push_back({imori::optional(grads[i]), {}});
    imori::find_optimizer(id)->step(std::move(gradients));
  });
}
const char *ix_minimize(ix_tensor loss, uint64_t *ids, int64_t n) {
  return guard([&] {
    std::vector<std::shared_ptr<imori::Optimizer>> optimizers;
    std::vector<at::Tensor> params;
    for (int64_t i = 0; i < n; i++) {
      optimizers.push_back(imori::find_optimizer(ids[i]));
      const auto &own = optimizers.back()->params();
      params.insert(params.end(), own.begin(), own.end());
    }
    auto found = imori::gradients(get(loss), params, false);
    std::vector<std::vector<imori::Gradient>> parts;
    auto next = std::make_move_iterator(found.begin());
    for (const auto &o : optimizers) {
      const auto end = next + static_cast<std::ptrdiff_t>(o->params().size());
      o->check(parts.emplace_back(next, end));  // before the first of them steps
      next = end;
    }
    for (size_t i = 0; i < optimizers.size(); i++) optimizers[i]->step(std::move(parts[i]));
  });
}
const char *ix_optimizer_set_lr(uint64_t id, double lr) {
  return guard([&] { imori::find_optimizer(id)->set_lr(lr); });
}
void ix_optimizer_free(uint64_t id) { imori::close_optimizer(id); }
const char *ix_optimizer_state(uint64_t id, int64_t param, int64_t *steps, ix_tensor slots[3]) {
  return guard([&] {
    auto o = imori::find_optimizer(id);
    auto &s = o->state(param);
    *steps = s.steps;
    for (int i = 0; i < imori::Optimizer::kSlots; i++) slots[i] = s.slots[i].defined() ? wrap(s.slots[i]) : nullptr;
  });
}
const char *ix_optimizer_load(uint64_t id, int64_t param, int64_t steps, ix_tensor slots[3]) {
  return guard([&] {
    auto o = imori::find_optimizer(id);
    auto &s = o->state(param);
    const at::Tensor &p = o->params()[static_cast<size_t>(param)];
    imori::Optimizer::State loaded;
    loaded.steps = steps;
    for (int i = 0; i < imori::Optimizer::kSlots; i++) {
      if (slots[i] == nullptr) continue;
      const at::Tensor &t = get(slots[i]);
      TORCH_CHECK(t.sizes() == p.sizes(), "optimiser state has shape ", t.sizes(), ", its parameter ", p.sizes());
      loaded.slots[i] = at::empty_like(p, at::MemoryFormat::Preserve).detach().copy_(t);
    }
    s = loaded;
  });
}
