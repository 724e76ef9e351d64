// Convolutions of two dimensions, and their gradients of any order.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <vector>

namespace imori {

struct Conv {
  std::vector<int64_t> stride, padding, dilation;
  int64_t groups;

  bool whole() const { return groups == 1 && dilation[0] == 1 && dilation[1] == 1; }  // one group, no dilation
};

// libtorch's, made faster on the CPU, in the type that layer_input gives: maps are laid out with channels last, which
// oneDNN computes without reordering; in bfloat16 AMX, if there is one, adds products of blocks; else, where it saves
// multiplications, Winograd's algorithm takes their place; small maps are a product of matrices; few channels, an
// image's for instance, have kernels of their own; a gradient's gradient is again one of three sums, where libtorch
// makes a convolution with a large, dilated kernel of it. x is N x C x H x W, w is out x C/groups x kh x kw, b of out
// or undefined.
at::Tensor conv2d(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o);

// The transposed convolution, as the input gradient of a convolution, which is the same sum: libtorch's own multiplies
// matrices image by image. w is C x out/groups x kh x kw.
at::Tensor conv_transpose2d(const at::Tensor &x, const at::Tensor &w, const at::Tensor &b, const Conv &o,
                            const std::vector<int64_t> &output_padding);

// Memory for maps with channels last.
inline at::Tensor empty_maps(at::IntArrayRef size, const at::TensorOptions &options) {
  return at::empty(size, options, at::MemoryFormat::ChannelsLast);
}

// Maps with channels last, if they are of a type that there are kernels for.
at::Tensor packed(const at::Tensor &maps);

// Makes the functions above, and all others that have a faster form here, take libtorch's own; for tests, which compare
// the two. Returns what it was.
bool set_plain(bool on);
bool plain();

}  // namespace imori
