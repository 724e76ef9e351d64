#include <features.h>

#ifdef __GLIBC__
#include <limits.h>
#include <malloc.h>

// tune runs in the process's first thread when no other is there yet. Each arena that another thread had made by then
// would stay in use, whatever the limit: a training that got one paid for its memory anew in each iteration.
__attribute__((constructor)) static void tune(void) {
  // Other arenas than the first consist of pieces of 64 MiB, each given back once it is empty, thresholds or not.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  // glibc documents 32 MiB as the most; newer ones take more.
  if (mallopt(M_MMAP_THRESHOLD, 1 << 30) == 0) mallopt(M_MMAP_THRESHOLD, 32 << 20);
}
#endif
