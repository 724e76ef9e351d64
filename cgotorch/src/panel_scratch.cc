#include "panel_scratch.h"

#include <c10/core/CPUAllocator.h>

#include <vector>

#include "sanitizer.h"

namespace imori {
namespace panels {
namespace {

// A thread holds on to so much at most, and to no block that is larger than all of it.
#ifdef IMORI_SANITIZED
constexpr size_t kMost = 0;
#else
constexpr size_t kMost = 8 << 20;
#endif
constexpr size_t kLeast = 1 << 12;

struct Block {
  size_t bytes;
  at::DataPtr memory;
};

// Blocks that are not in use, the last one used last.
struct Free {
  std::vector<Block> blocks;
  size_t bytes = 0;

  // Returning a block must not fail: there is room for as many as there can be, and one on its way.
  Free() { blocks.reserve(kMost / kLeast + 1); }

  Block remove(size_t i) {
    Block b = std::move(blocks[i]);
    blocks.erase(blocks.begin() + static_cast<std::ptrdiff_t>(i));
    bytes -= b.bytes;
    return b;
  }
};

thread_local Free unused;

// Sizes are few: then blocks fit what is asked for next.
size_t size_of_block(size_t bytes) {
  size_t size = kLeast;
  while (size < bytes) size *= 2;
  return size;
}

}  // namespace

Lent::Lent(size_t bytes) : bytes_(bytes > kMost ? bytes : size_of_block(bytes)) {
  for (size_t i = unused.blocks.size(); i-- > 0;) {
    if (unused.blocks[i].bytes == bytes_) {
      memory_ = unused.remove(i).memory;
      return;
    }
  }
  memory_ = c10::GetCPUAllocator()->allocate(bytes_);
}

Lent::~Lent() {
  if (bytes_ > kMost) return;
  unused.blocks.push_back({bytes_, std::move(memory_)});
  unused.bytes += bytes_;
  while (unused.bytes > kMost) unused.remove(0);
}

}  // namespace panels
}  // namespace imori
