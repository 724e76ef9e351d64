// How long OpenMP's threads look for new work before they sleep.
#pragma once

namespace imori {

// GCC's OpenMP library lets threads look for milliseconds, or for microseconds while it has more threads than there are
// processors. On, it has more: some that sleep, where there can be so many.
void limit_spinning(bool on);

}  // namespace imori
