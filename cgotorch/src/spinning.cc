#include "spinning.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "simd.h"

namespace imori {
namespace {

std::mutex mutex;
std::condition_variable changed;
bool limited = false, holding = false;  // wanted, and whether there is a thread that has it so

// Threads of OpenMP belong to the one that first used them, and end with it.
void hold() {
#ifdef _OPENMP
  const int missing = std::max(2, omp_get_num_procs() - at::get_num_threads() + 2);
#pragma omp parallel num_threads(missing)
  {}
  // libtorch may have come with a copy of the library.
  at::zeros({1 << 17});
#endif
  std::unique_lock<std::mutex> lock(mutex);
  changed.wait(lock, [] { return !limited; });
  holding = false;
}

}  // namespace

void limit_spinning(bool on) {
  const std::lock_guard<std::mutex> lock(mutex);
  limited = on;
  changed.notify_all();
  if (!kThreads || !on || holding) return;
  holding = true;
  std::thread(hold).detach();
}

}  // namespace imori
