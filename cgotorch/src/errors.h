// Turns everything a call into libtorch can throw into a message for the caller to free.
#pragma once

#include <c10/util/Exception.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

namespace imori {

// The message of the exception being handled, without libtorch's C++ backtrace; for free().
inline char *current_error() noexcept {
  try {
    throw;
  } catch (const c10::Error &e) {
    return strdup(e.what_without_backtrace());
  } catch (const std::bad_alloc &) {
    return strdup("out of memory");
  } catch (const std::exception &e) {
    return strdup(e.what());
  } catch (...) {
    return strdup("an exception of unknown type");
  }
}

// Runs f and returns nullptr, or the message of what f threw.
template <typename F>
const char *guard(F &&f) noexcept {
  try {
    f();
    return nullptr;
  } catch (...) {
    return current_error();
  }
}

// For functions whose signature has no room for an error: hands the message to report.
template <typename F, typename R>
void guard_or(F &&f, R &&report) noexcept {
  if (const char *message = guard(f)) {
    report(message);
    std::free(const_cast<char *>(message));
  }
}

}  // namespace imori
