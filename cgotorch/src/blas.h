// The library that matrix products come from.
#pragma once

#include <string>

namespace imori {

// The file that sgemm comes from; "" if unknown.
const std::string &blas_library();
// Whether it is another than the reference BLAS.
bool fast_blas();
// The kernels that OpenBLAS uses: "SkylakeX"; "" if the library is another.
std::string blas_core();

}  // namespace imori
