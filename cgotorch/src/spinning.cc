#include "spinning.h"

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "simd.h"

namespace imori {
namespace {

std::mutex mutex;
// Never destroyed: at the end of the process there may be a thread that waits for it.
std::condition_variable &changed = *new std::condition_variable;
bool limited = false, holding = false;  // wanted, and whether there is a thread that has it so

#ifdef _OPENMP
// Whether there can be so many threads more. GCC's library ends the process where there cannot.
bool there_can_be(int threads) {
  std::promise<void> enough;
  const std::shared_future<void> all(enough.get_future());
  std::vector<std::thread> made;
  bool can = true;
  try {
    for (int i = 0; i < threads; i++) made.emplace_back([all] { all.wait(); });
  } catch (const std::system_error &) {
    can = false;
  }
  enough.set_value();
  for (std::thread &t : made) t.join();
  return can;
}

// Threads of OpenMP belong to the one that first used them, and end with it.
void make_threads() {
  const int more = omp_get_num_procs() + 1;
  if (!there_can_be(std::max(more, at::get_num_threads()))) return;
  try {
    at::zeros({1 << 17});  // libtorch may have come with a copy of the library
  } catch (const std::exception &) {
    return;  // there is no memory, and so no training that this could make faster
  }
#pragma omp parallel num_threads(more)
  {}
}
#else
void make_threads() {}
#endif

void hold() {
  make_threads();
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
  try {
    std::thread(hold).detach();
    holding = true;
  } catch (const std::system_error &) {
    // There can be no more threads; these spin as before.
  }
}

}  // namespace imori
