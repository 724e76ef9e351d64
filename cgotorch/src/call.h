// What the functions that Go calls have in common.
#pragma once

#include "errors.h"
#include "handle.h"

namespace imori {

// Most of them compute one tensor.
template <typename F>
const char *into(Handle **result, F &&f) {
  return guard([&] { *result = wrap(f()); });
}

// A list of numbers as it comes from Go.
inline at::IntArrayRef ints(const int64_t *data, int64_t length) {
  return at::IntArrayRef(data, static_cast<size_t>(length));
}

}  // namespace imori
