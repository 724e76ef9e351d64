// gotorch's tensors: construction, operations, gradients, devices.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/generated/variable_factories.h>

#include <iostream>
#include <sstream>

#include "call.h"
#include "gotorch.h"

using imori::get;
using imori::guard;
using imori::into;
using imori::ints;
using imori::wrap;

namespace {

at::TensorOptions grad(int64_t required) { return at::TensorOptions().requires_grad(required != 0); }

template <typename T>
const char *item(Tensor a, T *result) {
  return guard([&] { *result = get(a).item<T>(); });
}

c10::Device &device_of(Device d) {
  TORCH_CHECK(d != nullptr, "a device is missing (nil)");
  return *d;
}

}  // namespace

const char *exception_str(const char *e) { return strdup(e); }
void FreeString(const char *s) { std::free(const_cast<char *>(s)); }

// ---- memory ----
// gotorch's own collection waits for finalizers that it counted. Scopes have taken its place, so that there is nothing
// to wait for, but the flag keeps its meaning: between PrepareGC and FinishGC tensors of this thread are counted.
namespace {
thread_local bool gc_prepared = false;
}
uint8_t GCPrepared() { return gc_prepared; }
void PrepareGC() { gc_prepared = true; }
void FinishGC() { gc_prepared = false; }

void Tensor_Close(Tensor a) { imori::unref(a); }

// ---- devices ----
// gotorch has no function to free a device.
const char *Torch_Device(const char *device_type, Device *device) {
  return guard([&] { *device = new c10::Device(std::string(device_type)); });
}

// gotorch calls this from init with half the cores, which is 0 on one core.
void SetNumThreads(int32_t n) {
  imori::guard_or([&] { at::set_num_threads(n < 1 ? 1 : n); }, [](const char *) {});
}

// ---- construction ----
const char *RandN(int64_t *size, int64_t length, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::randn(ints(size, length), grad(require_grad)); });
}
const char *Rand(int64_t *size, int64_t length, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::rand(ints(size, length), grad(require_grad)); });
}
const char *Empty(int64_t *size, int64_t length, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::empty(ints(size, length), grad(require_grad)); });
}
const char *Ones(int64_t *size, int64_t length, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::ones(ints(size, length), grad(require_grad)); });
}
const char *Eye(int64_t n, int64_t m, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::eye(n, m, grad(require_grad)); });
}
const char *Full(int64_t *size, int64_t length, float value, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::full(ints(size, length), value, grad(require_grad).dtype(at::kFloat)); });
}
const char *Arange(float start, float end, float step, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::arange(start, end, step, grad(require_grad).dtype(at::kFloat)); });
}
const char *Linspace(float start, float end, int64_t steps, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::linspace(start, end, steps, grad(require_grad).dtype(at::kFloat)); });
}
const char *Logspace(float start, float end, int64_t steps, double base, int64_t require_grad, Tensor *result) {
  return into(result, [&] { return torch::logspace(start, end, steps, base, grad(require_grad).dtype(at::kFloat)); });
}
const char *Tensor_FromBlob(void *data, int8_t dtype, int64_t *sizes_data, int64_t sizes_data_len, Tensor *result) {
  return into(result, [&] {
    return at::from_blob(data, ints(sizes_data, sizes_data_len), at::TensorOptions().dtype(at::ScalarType(dtype)))
        .clone();
  });
}

// ---- reading ----
const char *Tensor_String(Tensor a) {
  std::ostringstream out;
  // No room for an error: the text says it.
  imori::guard_or([&] { out << get(a); }, [&](const char *message) { out << "error: " << message; });
  return strdup(out.str().c_str());
}
void Tensor_Print(Tensor a) {
  imori::guard_or([&] { std::cout << get(a) << std::endl; },
                  [](const char *message) { std::cout << "error: " << message << std::endl; });
}
const char *Tensor_Dim(Tensor tensor, int64_t *dim) {
  return guard([&] { *dim = get(tensor).dim(); });
}
const char *Tensor_Shape(Tensor tensor, int64_t *dims) {
  return guard([&] {
    for (int64_t size : get(tensor).sizes()) *dims++ = size;
  });
}
const char *Tensor_Dtype(Tensor tensor, int8_t *dtype) {
  return guard([&] { *dtype = static_cast<int8_t>(get(tensor).scalar_type()); });
}
const char *Item(Tensor a, float *result) { return item(a, result); }
const char *ItemInt64(Tensor a, int64_t *result) { return item(a, result); }
const char *ItemFloat64(Tensor a, double *result) { return item(a, result); }
const char *Tensor_Index(Tensor a, int64_t *index, int64_t index_len, Tensor *result) {
  return into(result, [&] {
    at::Tensor t = get(a);
    for (int64_t i = 0; i < index_len; i++) t = t.select(0, index[i]);
    return t;
  });
}

// ---- conversion ----
const char *Tensor_Detach(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).detach(); });
}
const char *Tensor_SetData(Tensor self, Tensor new_data) {
  return guard([&] { imori::set_data(get(self), get(new_data)); });
}
const char *Tensor_To(Tensor input, Device device, int8_t dtype, Tensor *output) {
  return into(output, [&] { return get(input).to(device_of(device), at::ScalarType(dtype)); });
}
const char *Tensor_CastTo(Tensor input, int8_t dtype, Tensor *output) {
  return into(output, [&] { return get(input).to(at::ScalarType(dtype)); });
}
const char *Tensor_CopyTo(Tensor input, Device device, Tensor *output) {
  return into(output, [&] { return get(input).to(device_of(device)); });
}
const char *Tensor_PinMemory(Tensor input, Tensor *output) {
  return into(output, [&] { return get(input).pin_memory(); });
}
const char *Tensor_CUDA(Tensor input, Device device, int8_t non_blocking, Tensor *output) {
  return into(output, [&] {
    TORCH_CHECK(device_of(device).is_cuda(), "a CUDA device is expected, found ", *device);
    return get(input).to(*device, at::TensorOptions(get(input).options()).dtype().toScalarType(), non_blocking != 0);
  });
}

// ---- gradients ----
void Tensor_Backward(Tensor a) {
  imori::guard_or([&] { get(a).backward(); }, [&](const char *message) { imori::poison(a, message); });
}
Tensor Tensor_Grad(Tensor a) {
  Tensor result = nullptr;
  imori::guard_or([&] { result = wrap(get(a).grad()); },
                  [&](const char *message) { imori::poison(result = wrap(at::Tensor()), message); });
  return result;
}

// ---- operations ----
const char *Equal(Tensor a, Tensor b, int64_t *result) {
  return guard([&] { *result = get(a).equal(get(b)); });
}
const char *AllClose(Tensor a, Tensor b, int64_t *result) {
  return guard([&] { *result = get(a).allclose(get(b)); });
}
const char *MM(Tensor a, Tensor b, Tensor *result) {
  return into(result, [&] { return get(a).mm(get(b)); });
}
const char *Sum(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).sum(); });
}
const char *SumByDim(Tensor a, int64_t dim, int8_t keepDim, Tensor *result) {
  return into(result, [&] { return get(a).sum(at::IntArrayRef{dim}, keepDim != 0); });
}
const char *Mean(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).mean(); });
}
const char *Relu(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).relu(); });
}
const char *LeakyRelu(Tensor a, double negative_slope, Tensor *result) {
  return into(result, [&] { return at::leaky_relu(get(a), negative_slope); });
}
const char *Tanh(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).tanh(); });
}
const char *Sigmoid(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).sigmoid(); });
}
const char *Add(Tensor a, Tensor other, float alpha, Tensor *result) {
  return into(result, [&] { return get(a).add(get(other), alpha); });
}
const char *Add_(Tensor a, Tensor other, float alpha, Tensor *result) {
  return into(result, [&] { return get(a).add_(get(other), alpha); });
}
const char *Sub(Tensor a, Tensor other, float alpha, Tensor *result) {
  return into(result, [&] { return get(a).sub(get(other), alpha); });
}
const char *Sub_(Tensor a, Tensor other, float alpha, Tensor *result) {
  return into(result, [&] { return get(a).sub_(get(other), alpha); });
}
const char *Mul(Tensor a, Tensor other, Tensor *result) {
  return into(result, [&] { return get(a).mul(get(other)); });
}
const char *Mul_(Tensor a, Tensor other, Tensor *result) {
  return into(result, [&] { return get(a).mul_(get(other)); });
}
const char *Div(Tensor a, Tensor other, Tensor *result) {
  return into(result, [&] { return get(a).div(get(other)); });
}
const char *Div_(Tensor a, Tensor other, Tensor *result) {
  return into(result, [&] { return get(a).div_(get(other)); });
}
const char *Eq(Tensor a, Tensor other, Tensor *result) {
  return into(result, [&] { return get(a).eq(get(other)); });
}
const char *LogSoftmax(Tensor a, int64_t dim, Tensor *result) {
  return into(result, [&] { return get(a).log_softmax(dim); });
}
const char *TopK(Tensor a, int64_t k, int64_t dim, int8_t largest, int8_t sorted, Tensor *values, Tensor *indices) {
  return guard([&] {
    auto found = get(a).topk(k, dim, largest != 0, sorted != 0);
    *values = wrap(std::get<0>(found));
    *indices = wrap(std::get<1>(found));
  });
}
const char *Argmin(Tensor a, int64_t *dim, int8_t keepdim, Tensor *result) {
  return into(result, [&] { return get(a).argmin(dim ? c10::make_optional(*dim) : c10::nullopt, keepdim != 0); });
}
const char *Argmax(Tensor a, int64_t *dim, int8_t keepdim, Tensor *result) {
  return into(result, [&] { return get(a).argmax(dim ? c10::make_optional(*dim) : c10::nullopt, keepdim != 0); });
}

// ---- shapes ----
const char *Permute(Tensor a, int64_t *dims, int64_t dims_size, Tensor *result) {
  return into(result, [&] { return get(a).permute(ints(dims, dims_size)); });
}
const char *Transpose(Tensor a, int64_t dim0, int64_t dim1, Tensor *result) {
  return into(result, [&] { return get(a).transpose(dim0, dim1); });
}
const char *Flatten(Tensor a, int64_t startDim, int64_t endDim, Tensor *result) {
  return into(result, [&] { return get(a).flatten(startDim, endDim); });
}
const char *ExpandAs(Tensor a, Tensor other, Tensor *result) {
  return into(result, [&] { return get(a).expand_as(get(other)); });
}
const char *IndexSelect(Tensor a, int64_t dim, Tensor index, Tensor *result) {
  return into(result, [&] { return get(a).index_select(dim, get(index)); });
}
const char *View(Tensor a, Tensor *result, int64_t *size, int64_t size_len) {
  return into(result, [&] { return get(a).view(ints(size, size_len)); });
}
const char *Squeeze(Tensor a, Tensor *result) {
  return into(result, [&] { return get(a).squeeze(); });
}
const char *SqueezeWithDim(Tensor a, int64_t dim, Tensor *result) {
  return into(result, [&] { return get(a).squeeze(dim); });
}
const char *Stack(Tensor *tensors, int64_t tensors_size, int64_t dim, Tensor *result) {
  return into(result, [&] { return at::stack(imori::list(tensors, tensors_size), dim); });
}
