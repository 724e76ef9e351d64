// How long OpenMP's threads look for new work before they sleep.
#pragma once

namespace imori {

// GCC's OpenMP library lets threads look for milliseconds, or for microseconds while it has more threads than there are
// processors. On, it has more: some that sleep. A thread that nothing ends keeps them until off.
void limit_spinning(bool on);

}  // namespace imori
