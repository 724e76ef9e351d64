// What a gotorch Tensor points to, and who keeps it alive.
//
// A Handle is an at::Tensor with a reference count. Go's finalizer holds one reference. A handle made inside a scope
// gets a second one from the scope, so that no finalizer can free it under a running call. The end of the scope empties
// the handle, which releases the storage at once, and drops that reference; the finalizer later frees the empty shell.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace imori {

struct Handle {
  enum State : uint8_t { kAlive, kEmptied, kPoisoned };

  at::Tensor tensor;
  std::string poison;  // the error that a call without an error slot met; reported at the next use
  uint64_t scope = 0;  // the scope that empties this handle; 0: none
  std::atomic<int32_t> references{1};
  State state = kAlive;
  bool counted = false;  // among the live tensors

  // From slabs of their own: an empty shell lives until Go's next collection, and among the tensors' storage it would
  // keep the freed block around it from serving the next tensor of that size.
  static void *operator new(std::size_t size);
  static void operator delete(void *p) noexcept;
};

// Makes a handle that belongs to the innermost scope of this thread.
Handle *wrap(at::Tensor t);
// The tensor behind h. Throws where h is null, emptied or poisoned.
at::Tensor &get(Handle *h);
// The same where null means an absent optional argument: then an undefined tensor.
at::Tensor optional(Handle *h);
std::vector<at::Tensor> list(Handle *const *hs, int64_t n);

// set_data, which counts as a change of t: in libtorch it does not.
void set_data(const at::Tensor &t, const at::Tensor &data);

// Releases the storage now.
void empty(Handle *h);
// Makes every later use of h report message.
void poison(Handle *h, const char *message);
// Drops one reference.
void unref(Handle *h);

// Live tensors: handles that hold a defined tensor.
int64_t live();

void scope_begin();
void scope_end();
int64_t scope_depth();
// Moves h from the innermost scope to the one around it (levels 1), or out of every scope (levels < 0).
void keep(Handle *h, int levels);

}  // namespace imori
