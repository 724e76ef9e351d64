#include "winograd_plan.h"

#include <algorithm>

namespace imori {
namespace winograd {
namespace {

int64_t places_of(int64_t phase, int64_t kernel, int64_t stride) { return (kernel - phase + stride - 1) / stride; }

}  // namespace

bool Plan::fits(int64_t kernel, int64_t stride) {
  if (stride < 1 || stride > 2) return false;
  return places_of(0, kernel, stride) <= 3 && places_of(stride - 1, kernel, stride) >= 2;
}

Plan::Plan(const Sizes &sizes, int outputs_of_tile)
    : s(sizes),
      outputs(outputs_of_tile),
      places{},
      tiles_y((s.oh + outputs - 1) / outputs),
      tiles_x((s.ow + outputs - 1) / outputs),
      first{} {
  for (int64_t phase = 0; phase < s.stride; phase++) {
    places[phase] = static_cast<int>(places_of(phase, s.kernel, s.stride));
  }
  side = outputs + places[0] - 1;  // the first phase is not shorter than the other
  points = side * side;
  const auto has = [&](int64_t phase, int u) { return places[phase] == places[0] || u != side - 2; };
  for (int p = 0; p < points; p++) {
    int slots = 0;
    for (int64_t y = 0; y < 2; y++) {
      for (int64_t x = 0; x < 2; x++) {
        const bool both = std::max(y, x) < s.stride && has(y, p / side) && has(x, p % side);
        slot[p][y][x] = both ? slots++ : -1;
      }
    }
    inner[p] = slots * s.c;
    first[p + 1] = first[p] + inner[p];
  }
}

}  // namespace winograd
}  // namespace imori
