#include "blas.h"

#include <dlfcn.h>

#include <cstdlib>

namespace imori {

const std::string &blas_library() {
  static const std::string file = [] {
    void *sgemm = dlsym(RTLD_DEFAULT, "sgemm_");
    Dl_info info;
    if (sgemm == nullptr || dladdr(sgemm, &info) == 0) return std::string();
    char *resolved = realpath(info.dli_fname, nullptr);  // Debian's alternatives are links
    std::string name = resolved != nullptr ? resolved : info.dli_fname;
    std::free(resolved);
    return name;
  }();
  return file;
}

// Debian's reference BLAS is /usr/lib/x86_64-linux-gnu/blas/libblas.so.3.11.0, OpenBLAS's openblas-openmp/libblas.so.3
// or the like; MKL is inside libtorch.
bool reference_blas(const std::string &file) { return file.find("/blas/libblas.so.3") != std::string::npos; }

bool fast_blas() {
  static const bool fast = !reference_blas(blas_library());
  return fast;
}

std::string blas_core() {
  auto *core = reinterpret_cast<char *(*)()>(dlsym(RTLD_DEFAULT, "openblas_get_corename"));
  return core != nullptr ? core() : "";
}

}  // namespace imori
