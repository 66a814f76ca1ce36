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

/// The gradient that enters an op, laid out as `like`, and whether its memory may be written over:
/// where nobody else will read it.
struct IncomingGradient {
  Tensor dy;
  bool reusable;

  IncomingGradient(const Tensor& upstream, const Tensor& like)
      : reusable(upstream.is_unshared() || !has_layout(upstream, like.strides())) {
    dy = laid_out_as(upstream, like);
  }
};

/// Results of this many bytes are stored past the caches: a little less than half of a last level
/// of 32 MB, which then holds no result beside its input; what the next op reads of smaller ones is
/// still there.
constexpr int64_t kStreamBytes = int64_t{15} << 20;
inline bool is_streamed(int64_t bytes) { return bytes >= kStreamBytes; }
inline bool is_streamed(const Tensor& result) {
  return is_streamed(result.numel() * result.item_size());
}

}  // namespace lepton
