// Bringing tensors into the memory order that an op works in. Records nothing.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/tensor.h"

namespace lepton {

/// x itself if some order of its axes covers its memory without gaps, else a copy that is so.
inline Tensor dense(const Tensor& x) {
  if (x.is_dense()) return x;
  Tensor y = empty_like(x);
  copy_into(y, x);
  return y;
}

/// Whether the elements of dense x come in memory as these dense strides of its shape say.
inline bool has_layout(const Tensor& x, const Strides& strides) {
  for (size_t i = 0; i < x.ndim(); ++i)
    if (x.shape()[i] != 1 && x.strides()[i] != strides[i]) return false;
  return true;
}

/// x itself if its elements lie as these dense strides of its shape say, else such a copy.
inline Tensor laid_out(const Tensor& x, const Strides& strides) {
  if (has_layout(x, strides)) return x;
  Tensor y = empty_strided(x.shape(), strides, x.dtype());
  copy_into(y, x);
  return y;
}
/// The same for the layout of a dense tensor of x's shape.
inline Tensor laid_out_as(const Tensor& x, const Tensor& like) {
  return laid_out(x, like.strides());
}

/// Memory for an elementwise result of the gradient dy, in the dense layout of `like`: dy's own
/// where it lies so and nobody else will read it.
inline Tensor gradient_memory(const Tensor& dy, const Tensor& like) {
  const bool reuse = dy.is_unshared() && has_layout(dy, like.strides());
  return reuse ? dy : empty_like(like);
}

}  // namespace lepton
