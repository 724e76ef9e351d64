// gotorch's files and gobs of tensors, in libtorch's own formats.
#include <ATen/ATen.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/serialize.h>

#include "errors.h"
#include "gotorch.h"
#include "handle.h"

const char *Tensor_Save(Tensor tensor, const char *path) {
  return imori::guard([&] { torch::save(imori::get(tensor), path); });
}

const char *Tensor_Load(const char *path, Tensor *result) {
  return imori::guard([&] {
    at::Tensor t;
    torch::load(t, path);
    *result = imori::wrap(t);
  });
}

const char *Tensor_Encode(Tensor tensor, ByteBuffer *result) {
  return imori::guard([&] {
    auto bytes = torch::jit::pickle_save(imori::get(tensor).cpu());
    *result = new std::vector<char>(std::move(bytes));
  });
}

void *ByteBuffer_Data(ByteBuffer buffer) { return buffer->data(); }
int64_t ByteBuffer_Size(ByteBuffer buffer) { return static_cast<int64_t>(buffer->size()); }
void ByteBuffer_Free(ByteBuffer buffer) { delete buffer; }

const char *Tensor_Decode(void *addr, int64_t size, Tensor *result) {
  const auto *bytes = static_cast<const char *>(addr);
  const char *error = imori::guard(
      [&] { *result = imori::wrap(torch::jit::pickle_load(std::vector<char>(bytes, bytes + size)).toTensor()); });
  std::free(addr);  // gotorch hands over a copy and forgets it
  return error;
}
