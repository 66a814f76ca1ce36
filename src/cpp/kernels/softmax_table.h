// Entry points of the softmax kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// `count` lines of n elements each. With step 1 the lines follow one another, else the elements of
/// a line are `step` apart and neighbouring elements belong to neighbouring lines. `stream` writes
/// results past the caches where the kernel can.
struct Lines {
  int64_t count, n, step;
  bool stream;
};

/// What the gradient of cross-entropy needs of each line (all but `smooth`, which has one per
/// class): dx = share * softmax(x) - scale * smooth, less `hit` at the target.
template <class T>
struct CrossEntropyLines {
  const T* log_sum_exp;
  const T* share;
  const T* hit;
  const T* scale;
  const T* smooth;        // null where labels are not smoothed
  const int64_t* target;  // below 0: no target
};

template <class T>
struct SoftmaxPart {
  void (*softmax)(const Lines& at, const T* x, T* y);
  void (*log_softmax)(const Lines& at, const T* x, T* y);
  void (*softmax_gradient)(const Lines& at, const T* y, const T* dy, T* dx);
  void (*log_softmax_gradient)(const Lines& at, const T* y, const T* dy, T* dx);
  /// Logarithm of the sum of the exponentials of each line; with `smooth`, distance = the sum over
  /// the line of smooth[c] * (log_sum_exp - x[c]).
  void (*log_sum_exp)(const Lines& at, const T* x, const T* smooth, T* log_sum_exp, T* distance);
  void (*cross_entropy_gradient)(const Lines& at, const T* x, const CrossEntropyLines<T>& line,
                                 T* dx);
};

struct SoftmaxTable {
  SoftmaxPart<float> f32;
  SoftmaxPart<double> f64;
};

}  // namespace lepton
