// Those headers of libtorch that most files include. To read them takes a compiler longer than what follows them in
// most files, so the set-up compiles this one once for all. Files do not include it, but what they need.
#pragma once

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
