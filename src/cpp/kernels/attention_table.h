// Entry points of the attention kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// Rows of a matrix where they lie: elements of a row are neighbours.
template <class T>
struct AttentionRows {
  T* data;
  int64_t row;
};

/// One head: softmax(scale q k^T + mask) v for q [queries, width], k [keys, width] and
/// v [keys, value_width].
template <class T>
struct AttentionHead {
  int64_t queries, keys, width, value_width;
  AttentionRows<const T> q, k, v;
  T scale;
  bool causal;    // query i sees the keys 0 .. i alone
  const T* mask;  // element (i, j) at i * mask_row + j * mask_column, or null
  int64_t mask_row, mask_column;
  double dropout;  // probability that a weight becomes 0
  uint64_t seed, counter;
  void (*drop)(int64_t n, uint64_t seed, uint64_t counter, const void* x, void* y, double p);
};

/// What the gradient reads and writes besides the head itself.
template <class T>
struct AttentionGradient {
  AttentionRows<const T> y, dy;
  const T* log_sum_exp;  // one for each query
  AttentionRows<T> dq;   // the share of the keys in the call, overwritten
  AttentionRows<T> dk, dv;
  T* dmask;  // row-major [queries, keys] of zeros, or null
};

/// Queries and keys are taken in blocks of so many: a block of weights stays in a first-level cache
/// of 32 KB with what it is multiplied by.
constexpr int64_t kAttentionBlock = 64;

/// Numbers of the random state that a head with dropout uses: weight (i, j) takes number
/// j * attention_pitch(queries) + i.
static constexpr int64_t attention_pitch(int64_t queries) {
  return (queries + kAttentionBlock - 1) / kAttentionBlock * kAttentionBlock;
}

template <class T>
struct AttentionPart {
  /// Elements of scratch that the two calls below need.
  int64_t (*scratch)(const AttentionHead<T>& head, bool gradient);
  /// Results of the queries first .. first + count - 1, with the logarithm of each one's sum of
  /// exponentials (infinity where no key is seen: its result is 0).
  void (*forward)(const AttentionHead<T>& head, int64_t first, int64_t count, AttentionRows<T> y,
                  T* log_sum_exp, T* scratch);
  /// dk and dv of the keys first .. first + count - 1, and dq and dmask as far as they come from
  /// these.
  void (*backward)(const AttentionHead<T>& head, const AttentionGradient<T>& gradient,
                   int64_t first, int64_t count, T* scratch);
};

struct AttentionTable {
  AttentionPart<float> f32;
  AttentionPart<double> f64;
};

}  // namespace lepton
