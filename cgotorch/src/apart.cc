#include "apart.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <limits>
#include <mutex>
#include <vector>

#include "cpu.h"
#include "panel_scratch.h"

#ifdef __x86_64__
#define IMORI_EACH_CPU "apart_loops.h"
#include "each_cpu.h"
#endif

namespace imori {
namespace {

std::atomic<bool> measured{false};
std::atomic<int> wanted{-1};

#ifdef __x86_64__

void write_lines(char *to, const char *from, int64_t lines) { IMORI_CALL(float, write_lines(to, from, lines)); }
void fill_lines(float *to, int64_t lines, uint32_t number, bool past) {
  IMORI_CALL(float, fill_lines(to, lines, number, past));
}

using Clock = std::chrono::steady_clock;

// Threads that write stretches of memory, each its own, and then read all of them.
class Trial {
 public:
  explicit Trial(int64_t threads)
      : lines_(std::max<int64_t>(8, 1024 / threads)), numbers_(threads * lines_ * kNumbers), times_(threads) {}

  // Nanoseconds that the slowest thread took; past the caches, or not.
  double round(bool past) {
    const double written = slowest([&](int64_t thread) { write(thread, past); });
    return written + slowest([&](int64_t thread) { read(thread); });
  }

 private:
  static constexpr int64_t kNumbers = kLine / int64_t{sizeof(float)};  // of a line

  template <typename Work>
  double slowest(const Work &work) {
    at::parallel_for(0, static_cast<int64_t>(times_.size()), 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; i++) {
        const auto began = Clock::now();
        work(i);
        times_[i].ns = std::chrono::duration<double, std::nano>(Clock::now() - began).count();
      }
    });
    double most = 0;
    for (const Time &t : times_) most = std::max(most, t.ns);
    return most;
  }

  void write(int64_t thread, bool past) {
    fill_lines(numbers_.numbers() + thread * lines_ * kNumbers, lines_, ++times_[thread].number, past);
    if (past) settle();
  }

  void read(int64_t thread) {
    float sum = 0;
    const float *from = numbers_.numbers();
    for (size_t i = 0; i < times_.size() * static_cast<size_t>(lines_); i++, from += kNumbers) sum += *from;
    times_[thread].sum = sum;
  }

  // Each in a line of its own.
  struct alignas(kLine) Time {
    double ns = 0;
    uint32_t number = 0;
    volatile float sum = 0;
  };

  const int64_t lines_;
  panels::Scratch<float> numbers_;
  std::vector<Time> times_;
};

// Of several rounds, lest one in which a thread had to wait decides.
bool measure() {
  constexpr int kRounds = 4;
  Trial trial(at::get_num_threads());
  double within = std::numeric_limits<double>::max(), past = within;
  trial.round(false);  // what nobody has read is written fast
  for (int i = 0; i < kRounds; i++) within = std::min(within, trial.round(false));
  for (int i = 0; i < kRounds; i++) past = std::min(past, trial.round(true));
  return within > (measured ? 1.4 : 2) * past;  // what is between does not change from look to look
}

std::mutex mutex;  // of what measures
Clock::time_point next;

#endif

}  // namespace

bool apart() {
  const int to = wanted.load(std::memory_order_relaxed);
  return to < 0 ? measured.load(std::memory_order_relaxed) : to > 0;
}

int set_apart(int to) { return wanted.exchange(to); }

bool measure_apart() {
#ifdef __x86_64__
  if (!has_kernels() || at::in_parallel_region()) return measured;
  const std::lock_guard<std::mutex> lock(mutex);
  measured = at::get_num_threads() > 1 && measure();
  next = Clock::now() + std::chrono::seconds(1);
#endif
  return measured;
}

void look_apart() {
#ifdef __x86_64__
  {
    const std::unique_lock<std::mutex> lock(mutex, std::try_to_lock);
    if (!lock.owns_lock() || Clock::now() < next) return;
  }
  try {
    measure_apart();
  } catch (const std::exception &) {  // no memory; nothing depends on it
  }
#endif
}

template <typename T>
void write_past(T *to, const T *from, int64_t n) {
#ifdef __x86_64__
  if (has_kernels()) {
    constexpr int64_t kBytes = sizeof(T);
    const int64_t before = -reinterpret_cast<intptr_t>(to) & (kLine - 1);  // until a line begins
    // Numbers over memory that is not ours may lie anywhere, with no line's beginning between two of them.
    const int64_t head = before % kBytes == 0 ? std::min(n, before / kBytes) : n;
    const int64_t lines = (n - head) * kBytes / kLine, rest = head + lines * (kLine / kBytes);
    std::copy_n(from, head, to);
    write_lines(reinterpret_cast<char *>(to + head), reinterpret_cast<const char *>(from + head), lines);
    std::copy_n(from + rest, n - rest, to + rest);
    return;
  }
#endif
  std::copy_n(from, n, to);
}
template void write_past(float *, const float *, int64_t);
template void write_past(double *, const double *, int64_t);
template void write_past(c10::BFloat16 *, const c10::BFloat16 *, int64_t);

void settle() {
#ifdef __x86_64__
  _mm_sfence();
#endif
}

}  // namespace imori
