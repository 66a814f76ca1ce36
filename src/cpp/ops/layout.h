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

/// Whether the elements of two dense tensors of one shape come in the same order of memory.
inline bool same_layout(const Tensor& a, const Tensor& b) {
  for (size_t i = 0; i < a.ndim(); ++i)
    if (a.shape()[i] != 1 && a.strides()[i] != b.strides()[i]) return false;
  return true;
}

/// x itself if its elements lie as those of `like`, which is dense and has its shape, else such a copy.
inline Tensor laid_out_as(const Tensor& x, const Tensor& like) {
  if (same_layout(x, like)) return x;
  Tensor y = empty_strided(like.shape(), like.strides(), x.dtype());
  copy_into(y, x);
  return y;
}

}  // namespace lepton
