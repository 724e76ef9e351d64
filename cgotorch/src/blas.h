// The library that matrix products come from.
#pragma once

#include <string>

namespace imori {

// The file that sgemm comes from; "" if unknown.
const std::string &blas_library();
// Whether a file is the reference BLAS.
bool reference_blas(const std::string &file);
bool fast_blas();  // whether ours is another
// The kernels that OpenBLAS uses: "SkylakeX"; "" if the library is another.
std::string blas_core();

}  // namespace imori
