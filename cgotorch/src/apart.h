// Threads on parts of a chip that have caches of their own, or on several chips.
#pragma once

#include <cstdint>

namespace imori {

constexpr int64_t kLine = 64;  // bytes that caches hold and exchange together

// Whether memory that other threads have read is written several times faster past the caches: where they share none,
// all copies of each line are called back before it changes. On the cores of an EPYC it takes ten times as long then,
// where they share one as long as past it. It is one answer for the process, and numbers are the same either way.
bool apart();
// Measures that for this thread's threads, outside of parallel regions, in a tenth of a millisecond. Returns what it
// found.
bool measure_apart();
// The same once a second at most: a virtual machine's processors move from chip to chip.
void look_apart();
// What apart() is, whatever was measured, or -1 for what was; for tests. Returns what it was.
int set_apart(int to);

// Copies n numbers past the caches, where the processor can. Before other threads read them there is to be a settle().
template <typename T>
void write_past(T *to, const T *from, int64_t n);
void settle();

}  // namespace imori
