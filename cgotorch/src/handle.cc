#include "handle.h"

#include <c10/util/Exception.h>

#include <mutex>

#include "sanitizer.h"

namespace imori {
namespace {

struct Scope {
  uint64_t id;
  std::vector<Handle *> handles;  // a reference to each
};

// Handles name their scope by number, not by address: a number is never used twice.
std::atomic<uint64_t> next_scope{1};
std::atomic<int64_t> live_tensors{0};
thread_local std::vector<Scope> scopes;

void adopt(Scope &scope, Handle *h) {
  scope.handles.push_back(h);
  h->references.fetch_add(1, std::memory_order_relaxed);
  h->scope = scope.id;
}

void uncount(Handle *h) {
  if (h->counted) {
    h->counted = false;
    live_tensors.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace

#ifdef IMORI_SANITIZED
void *Handle::operator new(std::size_t n) { return ::operator new(n); }
void Handle::operator delete(void *p) noexcept { ::operator delete(p); }
#else
namespace {

// A free shell's memory holds the next one.
struct Shell {
  Shell *next;
};
constexpr std::size_t kSlab = 4096;  // handles
std::mutex shells_mutex;
Shell *shells = nullptr;

}  // namespace

void *Handle::operator new(std::size_t) {
  std::lock_guard<std::mutex> lock(shells_mutex);
  if (shells == nullptr) {
    // Never given back: there are as many as live at once between two collections.
    auto *slab = static_cast<char *>(::operator new(kSlab * sizeof(Handle)));
    for (std::size_t i = 0; i < kSlab; i++) {
      auto *shell = reinterpret_cast<Shell *>(slab + i * sizeof(Handle));
      shell->next = shells;
      shells = shell;
    }
  }
  Shell *shell = shells;
  shells = shell->next;
  return shell;
}

void Handle::operator delete(void *p) noexcept {
  std::lock_guard<std::mutex> lock(shells_mutex);
  auto *shell = static_cast<Shell *>(p);
  shell->next = shells;
  shells = shell;
}
#endif

Handle *wrap(at::Tensor t) {
  auto *h = new Handle;
  h->tensor = std::move(t);
  if (h->tensor.defined()) {
    h->counted = true;
    live_tensors.fetch_add(1, std::memory_order_relaxed);
  }
  if (!scopes.empty()) adopt(scopes.back(), h);
  return h;
}

at::Tensor &get(Handle *h) {
  TORCH_CHECK(h != nullptr, "a tensor is missing (nil)");
  TORCH_CHECK(h->state != Handle::kEmptied,
              "tensor used after it was freed: the scope that made it has ended, or it was passed to Free; "
              "use Keep to hand it to the enclosing scope");
  TORCH_CHECK(h->state != Handle::kPoisoned, h->poison);
  return h->tensor;
}

at::Tensor optional(Handle *h) { return h == nullptr ? at::Tensor() : get(h); }

std::vector<at::Tensor> list(Handle *const *hs, int64_t n) {
  std::vector<at::Tensor> ts;
  ts.reserve(n);
  for (int64_t i = 0; i < n; i++) ts.push_back(get(hs[i]));
  return ts;
}

void set_data(const at::Tensor &t, const at::Tensor &data) {
  t.set_data(data);
  t.unsafeGetTensorImpl()->bump_version();
}

void empty(Handle *h) {
  uncount(h);
  h->tensor.reset();
  h->state = Handle::kEmptied;
}

void poison(Handle *h, const char *message) {
  if (h == nullptr) return;
  uncount(h);
  h->tensor.reset();
  h->poison = message;
  h->state = Handle::kPoisoned;
}

void unref(Handle *h) {
  if (h == nullptr) return;
  if (h->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  uncount(h);
  delete h;
}

int64_t live() { return live_tensors.load(std::memory_order_relaxed); }

void scope_begin() { scopes.push_back(Scope{next_scope.fetch_add(1, std::memory_order_relaxed), {}}); }

void scope_end() {
  if (scopes.empty()) return;
  Scope scope = std::move(scopes.back());
  scopes.pop_back();
  for (Handle *h : scope.handles) {
    // A kept handle names another scope by now.
    if (h->scope == scope.id) empty(h);
    unref(h);
  }
}

int64_t scope_depth() { return static_cast<int64_t>(scopes.size()); }

void keep(Handle *h, int levels) {
  get(h);
  if (levels < 0) {
    h->scope = 0;
    return;
  }
  // Only a handle of the innermost scope moves: one kept already, or made further out, stays where it is.
  if (scopes.empty() || h->scope != scopes.back().id) return;
  if (scopes.size() == 1) {
    h->scope = 0;
    return;
  }
  adopt(scopes[scopes.size() - 2], h);
}

}  // namespace imori
