// Attention block by block with a running softmax: no row of scores is ever whole in memory.
// SPDX-License-Identifier: Apache-2.0
//
// Dao, Fu, Ermon, Rudra and Re, "FlashAttention: Fast and Memory-Efficient Exact Attention with
// IO-Awareness", 2022; the running softmax is that of Milakov and Gimelshein, 2018.
#pragma once
#include "kernels/attention_block.h"

namespace lepton::LEPTON_ISA {
namespace {

/// Maximum, sum of exponentials and last change of scale of each query of a block.
template <class T>
struct Running {
  alignas(64) T max[kBlock], sum[kBlock], change[kBlock];
};

/// Turns scores into weights e^(score - max) and brings the running sums to the new maximum.
/// Returns whether any maximum moved.
template <class T>
bool update_softmax(const Block<T>& at, bool first, Running<T>& run) {
  const Vec<T> lowest = -infinity<Vec<T>>();
  bool moved = false;
  for (int64_t i = 0; i < whole_tiles<T>(at.queries); i += kLanes<T>) {
    T* s = at.scores + i;
    const Vec<T> before = first ? lowest : load<T>(run.max + i);
    Vec<T> m = before;
    for (int64_t j = 0; j < at.keys; ++j) {
      const Vec<T> x = load<T>(s + j * kPitch);
      m = select(x > m, x, m);
    }
    // Where nothing was seen yet -inf - -inf would be NaN.
    const Vec<T> center = select(m == lowest, constant<Vec<T>>(0), m);
    Vec<T> sum{};
    for (int64_t j = 0; j < at.keys; ++j) {
      const Vec<T> e = exp_of_negative(load<T>(s + j * kPitch) - center);
      sum += e;
      store<T>(e, s + j * kPitch);
    }
    store<T>(m, run.max + i);
    if (!first) {
      const Vec<T> change = exp_of_negative(before - center);
      moved |= any_lane(change != constant<Vec<T>>(1));
      store<T>(change, run.change + i);
      sum += change * load<T>(run.sum + i);
    }
    store<T>(sum, run.sum + i);
  }
  return moved;
}

template <class T>
void scale_rows(const T* factors, int64_t rows, int64_t width, T* x) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t e = 0; e < width; e += kLanes<T>)
      store<T>(load<T>(x + i * width + e) * splat<T>(factors[i]), x + i * width + e);
}

/// Divides by the sums. A query that sees no key has result 0, whatever its total holds.
template <class T>
void finish_rows(const Running<T>& run, int64_t rows, int64_t width, const T* total,
                 AttentionRows<T> y, int64_t columns, T* log_sum_exp) {
  for (int64_t i = 0; i < rows; ++i) {
    const bool nothing = run.sum[i] == 0;
    const Vec<T> factor = splat<T>(T(1) / run.sum[i]);
    for_each_vector<T>(
        columns, [&](int64_t e, int64_t lanes) __attribute__((always_inline)) {
          const Vec<T> result = load<T>(total + i * width + e) * factor;
          store<T>(nothing ? Vec<T>{} : result, y.data + i * y.row + e, lanes);
        });
    log_sum_exp[i] = nothing ? static_cast<T>(__builtin_inf()) : run.max[i] + log(run.sum[i]);
  }
}

template <class T>
struct ForwardRoom {
  T *queries, *scores, *spare, *total, *values;

  ForwardRoom(const AttentionHead<T>& head, T* scratch) {
    queries = scratch;
    scores = queries + head.width * kBlock;
    spare = scores + kBlock * kPitch;
    total = spare + kBlock * kPitch;
    values = total + kBlock * whole_tiles<T>(head.value_width);
  }
  static int64_t size(const AttentionHead<T>& head) {
    return head.width * kBlock + 2 * kBlock * kPitch +
           (kBlock + head.keys) * whole_tiles<T>(head.value_width);
  }
};

template <class T>
void attention_forward(const AttentionHead<T>& head, int64_t first, int64_t count,
                       AttentionRows<T> y, T* log_sum_exp, T* scratch) {
  const ForwardRoom<T> room(head, scratch);
  const int64_t width = whole_tiles<T>(head.value_width);
  const AttentionRows<const T> v =
      as_tiles<T>(head.v, seen_keys(head, first, count), head.value_width, room.values);
  Running<T> run;
  for (int64_t q = first; q < first + count; q += kBlock) {
    const int64_t queries = first + count - q < kBlock ? first + count - q : kBlock;
    const int64_t seen = seen_keys(head, q, queries);
    transpose_rows<T>({head.q.data + q * head.q.row, head.q.row}, queries, head.width, head.scale,
                      room.queries);
    if (seen == 0) memset(run.sum, 0, sizeof run.sum);
    for (int64_t k = 0; k < seen; k += kBlock) {
      const Block<T> at{q, queries, k, seen - k < kBlock ? seen - k : kBlock, room.scores};
      multiply<T>({at.keys, head.width, queries, head.k.data + k * head.k.row, head.k.row, 1,
                   room.queries, kBlock, room.scores, kPitch, false});
      apply_masks(head, at, room.spare);
      if (update_softmax(at, k == 0, run)) scale_rows(run.change, queries, width, room.total);
      if (head.dropout > 0) drop_weights(head, at, room.scores, room.scores);
      multiply<T>({queries, at.keys, head.value_width, room.scores, 1, kPitch, v.data + k * v.row,
                   v.row, room.total, width, k > 0});
    }
    finish_rows<T>(run, queries, width, room.total, {y.data + q * y.row, y.row}, head.value_width,
                   log_sum_exp + q);
  }
}

}  // namespace
}  // namespace lepton::LEPTON_ISA
