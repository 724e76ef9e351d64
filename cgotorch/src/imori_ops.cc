// The operations of torchx.
#include <ATen/ATen.h>

#include "activation.h"
#include "batch_norm.h"
#include "call.h"
#include "conv.h"
#include "cross_entropy.h"
#include "fold.h"
#include "group_norm.h"
#include "imori.h"
#include "linear.h"
#include "pool.h"
#include "precision.h"

using imori::full;
using imori::get;
using imori::into;
using imori::optional;

namespace {

std::vector<int64_t> vec(const int64_t v[2]) { return {v[0], v[1]}; }

at::Tensor unknown(const char *what, int32_t op) { TORCH_CHECK(false, "unknown ", what, " operation ", op); }

}  // namespace

const char *ix_unary(int32_t op, ix_tensor h, double p, double q, ix_tensor *out) {
  return into(out, [&] {
    const at::Tensor &a = get(h);
    switch (op) {
      case IX_NEG:
        return a.neg();
      case IX_ABS:
        return a.abs();
      case IX_EXP:
        return full(a).exp();
      case IX_LOG:
        return full(a).log();
      case IX_SQRT:
        return full(a).sqrt();
      case IX_SQUARE:
        return full(a).square();
      case IX_RELU:
        return imori::leaky_relu(a, 0);
      case IX_LEAKY_RELU:
        return imori::leaky_relu(a, p);
      case IX_TANH:
        return a.tanh();
      case IX_SIGMOID:
        return a.sigmoid();
      case IX_SOFTPLUS:
        return at::softplus(full(a));
      case IX_ADD_SCALAR:
        return a.add(p);
      case IX_MUL_SCALAR:
        return a.mul(p);
      case IX_POW:
        return full(a).pow(p);
      case IX_CLAMP:
        return a.clamp(p, q);
      case IX_DETACH:
        return a.detach();
      case IX_CLONE:
        return a.clone();
      case IX_CONTIGUOUS:
        return a.contiguous();
      case IX_UPSAMPLE_NEAREST:
        return imori::upsample_nearest2d(a, static_cast<int64_t>(p));
      case IX_FULL:
        return full(a);
      case IX_FOLD_AVG_POOL:
        return imori::fold_avg_pool(a);
      case IX_FOLD_UPSAMPLE:
        return imori::fold_upsample(a);
      default:
        return unknown("unary", op);
    }
  });
}

const char *ix_binary(int32_t op, ix_tensor a, ix_tensor b, ix_tensor *out) {
  return into(out, [&] {
    switch (op) {
      case IX_ADD:
        return get(a).add(get(b));
      case IX_SUB:
        return get(a).sub(get(b));
      case IX_MUL:
        return get(a).mul(get(b));
      case IX_DIV:
        return get(a).div(get(b));
      case IX_MATMUL:
        return get(a).matmul(get(b));
      default:
        return unknown("binary", op);
    }
  });
}

const char *ix_reduce(int32_t op, ix_tensor h, const int64_t *dims, int64_t n, int8_t keepdim, ix_tensor *out) {
  return into(out, [&] {
    const at::Tensor a = full(get(h));
    std::vector<int64_t> over(dims, dims + n);
    if (over.empty()) {
      for (int64_t i = 0; i < a.dim(); i++) over.push_back(i);
    }
    switch (op) {
      case IX_SUM:
        return a.sum(over, keepdim != 0);
      case IX_MEAN:
        return a.mean(over, keepdim != 0);
      case IX_NORM2:
        return at::norm(a, 2, over, keepdim != 0);
      default:
        return unknown("reducing", op);
    }
  });
}

const char *ix_view(int32_t op, ix_tensor h, const int64_t *args, int64_t n, ix_tensor *out) {
  return into(out, [&] {
    const at::Tensor &a = get(h);
    at::IntArrayRef values(args, static_cast<size_t>(n));
    switch (op) {
      case IX_RESHAPE:
        return a.reshape(values);
      case IX_PERMUTE:
        return a.permute(values);
      case IX_FLATTEN:
        TORCH_CHECK(n == 2, "flatten takes a first and a last dimension");
        return a.flatten(args[0], args[1]);
      case IX_NARROW:
        TORCH_CHECK(n == 3, "narrow takes a dimension, a start and a length");
        return a.narrow(args[0], args[1], args[2]);
      case IX_EXPAND:
        return a.expand(values);
      default:
        return unknown("shape", op);
    }
  });
}

const char *ix_cat(ix_tensor *ts, int64_t n, int64_t dim, ix_tensor *out) {
  return into(out, [&] { return at::cat(imori::list(ts, n), dim); });
}
const char *ix_argmax(ix_tensor a, int64_t dim, ix_tensor *out) {
  return into(out, [&] { return get(a).argmax(dim); });
}
const char *ix_linear(ix_tensor x, ix_tensor w, ix_tensor b, double slope, ix_tensor *out) {
  return into(out, [&] { return imori::linear(get(x), get(w), optional(b), slope); });
}
const char *ix_conv2d(ix_tensor x, ix_tensor w, ix_tensor b, const int64_t stride[2], const int64_t padding[2],
                      const int64_t dilation[2], int64_t groups, ix_tensor *out) {
  return into(out, [&] {
    return imori::conv2d(get(x), get(w), optional(b), {vec(stride), vec(padding), vec(dilation), groups});
  });
}
const char *ix_conv_transpose2d(ix_tensor x, ix_tensor w, ix_tensor b, const int64_t stride[2],
                                const int64_t padding[2], const int64_t output_padding[2], int64_t groups,
                                const int64_t dilation[2], ix_tensor *out) {
  return into(out, [&] {
    return imori::conv_transpose2d(get(x), get(w), optional(b), {vec(stride), vec(padding), vec(dilation), groups},
                                   vec(output_padding));
  });
}
const char *ix_batch_norm(ix_tensor x, ix_tensor w, ix_tensor b, ix_tensor mean, ix_tensor var, int8_t training,
                          double momentum, double eps, double slope, ix_tensor *out) {
  return into(out, [&] {
    return imori::batch_norm(get(x), optional(w), optional(b), optional(mean), optional(var),
                             {training != 0, momentum, eps, slope});
  });
}
const char *ix_group_norm(ix_tensor x, int64_t groups, ix_tensor w, ix_tensor b, double eps, double slope,
                          ix_tensor *out) {
  return into(out, [&] { return imori::group_norm(get(x), groups, optional(w), optional(b), eps, slope); });
}
const char *ix_max_pool2d(ix_tensor x, int64_t kernel, double slope, ix_tensor *out) {
  return into(out, [&] { return imori::max_pool2d(get(x), kernel, slope); });
}
const char *ix_avg_pool2d(ix_tensor x, int64_t kernel, ix_tensor *out) {
  return into(out, [&] { return imori::avg_pool2d(get(x), kernel); });
}
const char *ix_dropout(ix_tensor x, double p, int8_t training, ix_tensor *out) {
  return into(out, [&] { return at::dropout(get(x), p, training != 0); });
}
const char *ix_loss(int32_t op, ix_tensor a, ix_tensor target, ix_tensor *out) {
  return into(out, [&] {
    // libtorch broadcasts here, which hides mistakes in shapes.
    TORCH_CHECK(get(a).sizes() == get(target).sizes(), "a loss compares shape ", get(a).sizes(), " with ",
                get(target).sizes());
    switch (op) {
      case IX_BCE_WITH_LOGITS:
        return imori::cross_entropy(full(get(a)), full(get(target)));
      case IX_MSE:
        return at::mse_loss(full(get(a)), full(get(target)));
      case IX_L1:
        return at::l1_loss(full(get(a)), full(get(target)));
      default:
        return unknown("loss", op);
    }
  });
}
