// The functions torchx calls, in addition to those that gotorch's own headers declare.
//
// Every function that can fail returns NULL or a message which the caller frees with FreeString. Tensor arguments
// are handles (see handle.h); a NULL handle stands for an absent optional tensor.
#pragma once

#include <stdint.h>

#ifdef __cplusplus
namespace imori {
struct Handle;
}
#pragma GCC visibility push(default)  // the rest of the library is hidden
extern "C" {
typedef imori::Handle *ix_tensor;
#else
typedef void *ix_tensor;
#endif

// ---- library ----
const char *ix_build_id(void);               // static
const char *ix_libtorch_version(void);       // static
const char *ix_blas_library(void);           // file that sgemm comes from; "" if unknown; static
int8_t ix_reference_blas(const char *file);  // whether a file is the reference BLAS
const char *ix_blas_core(void);       // OpenBLAS's kernels: "SkylakeX"; "" for another library; until the next call
const char *ix_cpu_capability(void);  // "AVX2", "AVX512", "DEFAULT", ...; static
int8_t ix_own_kernels(void);          // whether imori's own loops were compiled: they need OpenMP
int32_t ix_num_threads(void);
const char *ix_set_num_threads(int32_t n);
const char *ix_limit_spinning(int8_t on);  // of OpenMP's threads that have no work
int32_t ix_cuda_devices(void);             // 0 without CUDA
void ix_free_string(const char *s);

// ---- how layers compute ----
int8_t ix_plain(void);
int8_t ix_set_plain(int8_t on);  // libtorch's own kernels wherever there are faster ones; returns what it was
// On this thread linear layers and convolutions compute in bfloat16; returns what it was.
int8_t ix_set_bf16_layers(int8_t on);
int32_t ix_bf16_hardware(void);   // 0 none, 1 avx512_bf16, 2 amx_bf16
int8_t ix_bf16_pays(void);        // whether that makes more products in a second than float32
int8_t ix_set_amx(int8_t on);     // whether to use it where it is; returns what it was
int8_t ix_set_avx512(int8_t on);  // the same of AVX-512, for layers of float32
int32_t ix_float_kernels(void);   // which they take: 0 libtorch's, 1 those for AVX2, 2 those for AVX-512

int8_t ix_measure_apart(void);   // whether threads are on parts of a chip that share no cache
int8_t ix_set_apart(int8_t to);  // 0 or 1: as if they were not, or were; -1: as measured; returns what it was

// ---- scopes and lifetime ----
void ix_scope_begin(void);
void ix_scope_end(void);
int64_t ix_scope_depth(void);
const char *ix_keep(ix_tensor t);      // to the enclosing scope
const char *ix_keep_all(ix_tensor t);  // out of every scope
void ix_release(ix_tensor t);          // storage goes now; later use is an error
void ix_close(ix_tensor t);            // drops the owner's reference (Go's finalizer)
int64_t ix_live_tensors(void);
int8_t ix_grad_mode(int8_t on);  // returns the previous mode of this thread

// ---- making and reading tensors ----
// dtypes are c10::ScalarType's numbers, as in gotorch. Data are bytes to C: cgo then looks for no pointers in them.
const char *ix_from_data(const uint8_t *data, int8_t dtype, const int64_t *sizes, int64_t n, ix_tensor *out);  // copies
const char *ix_to_data(ix_tensor t, int8_t dtype, uint8_t *dst, int64_t bytes);  // contiguous, converted, on the host
const char *ix_full(const int64_t *sizes, int64_t n, double value, int8_t dtype, const char *device, ix_tensor *out);
const char *ix_info(ix_tensor t, int64_t *dims, int64_t sizes[16], int8_t *dtype, int8_t *requires_grad, int8_t *leaf);
const char *ix_device(ix_tensor t, const char **device);  // "cpu", "cuda:0"; freed by the caller
const char *ix_item(ix_tensor t, double *value);
const char *ix_set_requires_grad(ix_tensor t, int8_t on);
const char *ix_copy_(ix_tensor dst, ix_tensor src);        // outside autograd
const char *ix_clamp_(ix_tensor t, double lo, double hi);  // outside autograd
const char *ix_set_data(ix_tensor t, ix_tensor data);
const char *ix_channels_last_(ix_tensor t);  // 4-d: its data are laid out so from now on
const char *ix_to(ix_tensor t, const char *device, int8_t dtype, ix_tensor *out);  // dtype -1: as it is

// ---- random numbers ----
const char *ix_manual_seed(uint64_t seed);  // the default generators of every device
const char *ix_generator_new(const char *device, uint64_t seed, void **out);
void ix_generator_free(void *g);
// kind 0: uniform on [a, b); 1: normal with mean a, deviation b. g NULL: the device's default generator.
const char *ix_random(int32_t kind, void *g, double a, double b, const int64_t *sizes, int64_t n, int8_t dtype,
                      const char *device, ix_tensor *out);
const char *ix_random_(int32_t kind, ix_tensor t, double a, double b);  // in place, outside autograd, default generator
const char *ix_generator_state(const char *device, ix_tensor *out);     // default generator's, bytes on the host
const char *ix_set_generator_state(const char *device, ix_tensor state);

// ---- operations ----
enum {
  IX_NEG,
  IX_ABS,
  IX_EXP,
  IX_LOG,
  IX_SQRT,
  IX_SQUARE,
  IX_RELU,
  IX_LEAKY_RELU /* p: slope */,
  IX_TANH,
  IX_SIGMOID,
  IX_SOFTPLUS,
  IX_ADD_SCALAR /* p */,
  IX_MUL_SCALAR /* p */,
  IX_POW /* p */,
  IX_CLAMP /* p, q */,
  IX_DETACH,
  IX_CLONE,
  IX_CONTIGUOUS,
  IX_UPSAMPLE_NEAREST /* p: factor */,
  IX_FULL /* float32 if it is bfloat16 */,
  IX_FOLD_AVG_POOL /* kernel 3 x 3 to that of 4 x 4 and stride 2 which the average of 2 x 2 behind it makes of it */,
  IX_FOLD_UPSAMPLE /* kernel 3 x 3 to that of the transposed 4 x 4 and stride 2 which doubling before it makes of it */
};
const char *ix_unary(int32_t op, ix_tensor a, double p, double q, ix_tensor *out);
enum { IX_ADD, IX_SUB, IX_MUL, IX_DIV, IX_MATMUL };
const char *ix_binary(int32_t op, ix_tensor a, ix_tensor b, ix_tensor *out);
enum { IX_SUM, IX_MEAN, IX_NORM2 };
const char *ix_reduce(int32_t op, ix_tensor a, const int64_t *dims, int64_t n, int8_t keepdim,
                      ix_tensor *out);  // n 0: all
enum { IX_RESHAPE, IX_PERMUTE, IX_FLATTEN /* start, end */, IX_NARROW /* dim, start, length */, IX_EXPAND };
const char *ix_view(int32_t op, ix_tensor a, const int64_t *args, int64_t n, ix_tensor *out);
const char *ix_cat(ix_tensor *ts, int64_t n, int64_t dim, ix_tensor *out);
const char *ix_argmax(ix_tensor a, int64_t dim, ix_tensor *out);
const char *ix_linear(ix_tensor x, ix_tensor w, ix_tensor b, double slope, ix_tensor *out);  // slope: see linear.h
const char *ix_conv2d(ix_tensor x, ix_tensor w, ix_tensor b, const int64_t stride[2], const int64_t padding[2],
                      const int64_t dilation[2], int64_t groups, ix_tensor *out);
const char *ix_conv_transpose2d(ix_tensor x, ix_tensor w, ix_tensor b, const int64_t stride[2],
                                const int64_t padding[2], const int64_t output_padding[2], int64_t groups,
                                const int64_t dilation[2], ix_tensor *out);
const char *ix_batch_norm(ix_tensor x, ix_tensor w, ix_tensor b, ix_tensor mean, ix_tensor var, int8_t training,
                          double momentum, double eps, double slope, ix_tensor *out);  // slope: see batch_norm.h
const char *ix_group_norm(ix_tensor x, int64_t groups, ix_tensor w, ix_tensor b, double eps, double slope,
                          ix_tensor *out);
const char *ix_max_pool2d(ix_tensor x, int64_t kernel, double slope, ix_tensor *out);  // slope: see pool.h
const char *ix_avg_pool2d(ix_tensor x, int64_t kernel, ix_tensor *out);
const char *ix_dropout(ix_tensor x, double p, int8_t training, ix_tensor *out);
enum { IX_BCE_WITH_LOGITS, IX_MSE, IX_L1 };
const char *ix_loss(int32_t op, ix_tensor a, ix_tensor target, ix_tensor *out);  // mean over elements

// ---- gradients ----
// grads[i] is set to NULL where the loss does not depend on params[i].
const char *ix_gradients(ix_tensor loss, ix_tensor *params, int64_t n, int8_t create_graph, ix_tensor *grads);

// ---- optimisers ----
enum { IX_SGD, IX_ADAM, IX_ADAMW, IX_RMSPROP };
typedef struct {
  double lr, weight_decay, eps;
  double momentum, dampening;  // sgd, rmsprop (momentum only)
  double beta1, beta2;         // adam, adamw
  double alpha;                // rmsprop
  int8_t nesterov, centered;
} ix_optimizer_options;
const char *ix_optimizer_new(int32_t kind, ix_optimizer_options o, ix_tensor *params, int64_t n, uint64_t *id);
const char *ix_optimizer_step(uint64_t id, ix_tensor *grads, int64_t n);  // a NULL gradient leaves its parameter alone
// A step of n optimisers along the gradients of a loss of one element, none of which is made if it need not be.
const char *ix_minimize(ix_tensor loss, uint64_t *ids, int64_t n);
const char *ix_optimizer_set_lr(uint64_t id, double lr);
void ix_optimizer_free(uint64_t id);
// slots: SGD {momentum_buffer}; Adam and AdamW {exp_avg, exp_avg_sq}; RMSprop {square_avg, momentum_buffer, grad_avg};
// NULL where not (yet) there. Tensors returned share storage with the optimiser's.
const char *ix_optimizer_state(uint64_t id, int64_t param, int64_t *steps, ix_tensor slots[3]);
const char *ix_optimizer_load(uint64_t id, int64_t param, int64_t steps, ix_tensor slots[3]);  // copies

#ifdef __cplusplus
}
#pragma GCC visibility pop
#endif
