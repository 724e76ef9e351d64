// gotorch's CUDA streams. They go through c10's device guards, which find the CUDA half of libtorch at run time, so
// that this file needs no CUDA headers.
#include <ATen/Context.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "errors.h"
#include "gotorch.h"

namespace {

c10::impl::VirtualGuardImpl guard() {
  TORCH_CHECK(IsCUDAAvailable(), "CUDA streams need a CUDA device and a libtorch built with CUDA");
  return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA);
}

c10::Device with_index(Device *device) {
  TORCH_CHECK(device != nullptr && *device != nullptr, "a device is missing (nil)");
  c10::Device d = **device;
  TORCH_CHECK(d.is_cuda(), "a CUDA stream was asked for on ", d);
  return d.has_index() ? d : guard().getDevice();
}

c10::Stream &get(CUDAStream stream) {
  TORCH_CHECK(stream != nullptr, "a CUDA stream is missing (nil)");
  return *static_cast<c10::Stream *>(stream);
}

}  // namespace

bool IsCUDAAvailable() {
  bool available = false;
  imori::guard_or([&] { available = at::hasCUDA() && at::detail::getCUDAHooks().getNumGPUs() > 0; },
                  [](const char *) {});
  return available;
}

bool IsCUDNNAvailable() {
  bool available = false;
  imori::guard_or([&] { available = IsCUDAAvailable() && at::detail::getCUDAHooks().hasCuDNN(); }, [](const char *) {});
  return available;
}

// gotorch keeps a stream for ever: there is no function to free one.
const char *CUDA_GetCurrentCUDAStream(CUDAStream *stream, Device *device) {
  return imori::guard([&] { *stream = new c10::Stream(guard().getStream(with_index(device))); });
}

const char *CUDA_SetCurrentCUDAStream(CUDAStream stream) {
  return imori::guard([&] { guard().exchangeStream(get(stream)); });
}

const char *CUDA_GetCUDAStreamFromPool(CUDAStream *stream, Device *device) {
  return imori::guard([&] { *stream = new c10::Stream(guard().getStreamFromGlobalPool(with_index(device))); });
}

const char *CUDA_Synchronize(CUDAStream stream) {
  return imori::guard([&] { get(stream).synchronize(); });
}

const char *CUDA_Query(CUDAStream stream, int8_t *result) {
  return imori::guard([&] { *result = get(stream).query(); });
}
