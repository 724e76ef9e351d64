// Work shared out among threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace imori {

// Calls work(share, i) for each i below sizes[share], of all shares, and done() on each thread at the end. A thread
// begins with the share of its own number, for which its cache may still have what is needed. Who is done helps the
// others: processors are not equally fast, least of all those of a virtual machine.
template <typename Work, typename Done>
void each_share(const std::vector<int64_t> &sizes, const Work &work, const Done &done) {
  struct alignas(64) Count {  // in a line of the cache of its own
    std::atomic<int64_t> n{0};
  };
  const int64_t shares = static_cast<int64_t>(sizes.size());
  int64_t all = 0;
  for (const int64_t n : sizes) all += n;
  std::vector<Count> taken(sizes.size());
  // None of them are no reason to wake the threads.
  at::parallel_for(0, std::min(all, shares), 1, [&](int64_t own, int64_t) {
    for (int64_t k = 0; k < shares; k++) {
      const auto s = static_cast<size_t>((own + k) % shares);
      for (int64_t i; (i = taken[s].n++) < sizes[s];) work(s, i);
    }
    done();
  });
}

// How n of the same kind are shared out: stretches of this length, as at::parallel_for does.
inline int64_t share_size(int64_t n) { return at::divup(n, at::get_num_threads()); }
// The share of the i-th of them.
inline size_t share_of(int64_t i, int64_t n) { return static_cast<size_t>(i / share_size(n)); }

// Calls work(i) for each i below n, on several threads.
template <typename Work>
void each_one(int64_t n, const Work &work) {
  const int64_t size = share_size(n);
  std::vector<int64_t> sizes(static_cast<size_t>(at::get_num_threads()));  // who has none of his own helps
  for (int64_t i = 0; i < n; i += size) sizes[share_of(i, n)] = std::min(size, n - i);
  each_share(
      sizes, [&](size_t share, int64_t i) { work(static_cast<int64_t>(share) * size + i); }, [] {});
}

}  // namespace imori
