#include <features.h>

#ifdef __GLIBC__
#include <limits.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// Large pages, which processors look up far sooner, for the first part of the heap, where Linux gives them to those
// that ask. They are taken one by one, as they are used.
static void ask_for_large_pages(void) {
  const uintptr_t page = 2 << 20;
  const uintptr_t first = ((uintptr_t)sbrk(0) + page - 1) / page * page;
  void *volatile room = malloc(512 << 20);  // volatile: a compiler may leave out what is never used
  free(room);                               // the heap has grown, and is not trimmed
  const uintptr_t end = (uintptr_t)sbrk(0) / page * page;
  if (first < end) madvise((void *)first, end - first, MADV_HUGEPAGE);
}

// tune runs in the process's first thread when no other is there yet. Each arena that another thread had made by then
// would stay in use, whatever the limit: a training that got one paid for its memory anew in each iteration.
__attribute__((constructor)) static void tune(void) {
  // Other arenas than the first consist of pieces of 64 MiB, each given back once it is empty, thresholds or not.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  // glibc documents 32 MiB as the most; newer ones take more.
  if (mallopt(M_MMAP_THRESHOLD, 1 << 30) != 0) {
    ask_for_large_pages();
  } else {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
  }
}
#endif
