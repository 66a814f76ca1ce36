// The gradient of attention: each block of weights is computed again from the log-sum-exp.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/attention_block.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
struct BackwardRoom {
  T *queries, *upstream;          // transposed blocks of q and dy
  T *weights, *dropped, *slopes;  // blocks of softmax, of it after dropout, of its gradient
  T* dq;
  T *q, *k, *dy, *dk, *dv;  // rows of whole tiles, where the tensors have none

  BackwardRoom(const AttentionHead<T>& head, T* scratch) {
    const int64_t width = whole_tiles<T>(head.width), value = whole_tiles<T>(head.value_width);
    T** const parts[] = {&queries, &upstream, &weights, &dropped, &slopes, &dq,
                         &q,       &k,        &dy,      &dk,      &dv};
    const int64_t sizes[] = {head.width * kBlock,  head.value_width * kBlock, kBlock * kPitch,
                             kBlock * kPitch,      kBlock * kPitch,           kBlock * width,
                             head.queries * width, head.keys * width,         head.queries * value,
                             head.keys * width,    head.keys * value};
    total = 0;
    for (int i = 0; i < 11; ++i) {
      *parts[i] = scratch + total;
      total += sizes[i];
    }
  }
  int64_t total;
};

/// For each query the sum of y * dy: what softmax's gradient takes from every slope of the row.
template <class T>
void row_products(const AttentionGradient<T>& g, int64_t first, int64_t queries, int64_t columns,
                  T* sums) {
  for (int64_t i = 0; i < queries; ++i) {
    const T *y = g.y.data + (first + i) * g.y.row, *dy = g.dy.data + (first + i) * g.dy.row;
    Vec<T> sum{};
    for_each_vector<T>(
        columns, [&](int64_t e, int64_t lanes) __attribute__((always_inline)) {
          sum += load<T>(y + e, lanes) * load<T>(dy + e, lanes);
        });
    sums[i] = sum_lanes<T>(sum);
  }
  for (int64_t i = queries; i < kBlock; ++i) sums[i] = 0;
}

template <class T>
void weights_of_scores(const Block<T>& at, const T* log_sum_exp) {
  for (int64_t i = 0; i < whole_tiles<T>(at.queries); i += kLanes<T>) {
    const Vec<T> center = load<T>(log_sum_exp + i);
    T* s = at.scores + i;
    // Rounding may leave a score a little above the log-sum-exp, which exp_of_negative allows.
    for (int64_t j = 0; j < at.keys; ++j)
      store<T>(exp_of_negative(load<T>(s + j * kPitch) - center), s + j * kPitch);
  }
}

/// slopes = weights * (slopes - sums) * scale, each slope first dropped as its weight was. A weight
/// that is 0 of itself counts as dropped too: it multiplies the difference anyway.
template <class T>
void slopes_of_scores(const AttentionHead<T>& head, const Block<T>& at, const T* dropped,
                      const T* sums, T scale, T* slopes) {
  const bool drops = head.dropout > 0;
  const Vec<T> zero{}, factor = splat<T>(scale);
  const Vec<T> kept = splat<T>(head.dropout < 1 ? static_cast<T>(1 / (1 - head.dropout)) : T(0));
  for (int64_t i = 0; i < whole_tiles<T>(at.queries); i += kLanes<T>) {
    const Vec<T> sum = load<T>(sums + i);
    for (int64_t n = i; n < at.keys * kPitch; n += kPitch) {
      Vec<T> slope = load<T>(slopes + n);
      if (drops) slope = select(load<T>(dropped + n) != zero, slope * kept, zero);
      store<T>(load<T>(at.scores + n) * factor * (slope - sum), slopes + n);
    }
  }
}

template <class T>
void copy_rows(const T* from, int64_t from_row, int64_t rows, int64_t columns, T* to,
               int64_t to_row) {
  if (from != to) copy_matrix<T>(rows, columns, from, from_row, 1, to, to_row);
}

template <class T>
void zero_rows(AttentionRows<T> x, int64_t rows, int64_t columns) {
  for (int64_t i = 0; i < rows; ++i)
    memset(x.data + i * x.row, 0, static_cast<size_t>(columns) * sizeof(T));
}

/// One head's gradient by a range of keys.
template <class T>
class HeadGradient {
 public:
  HeadGradient(const AttentionHead<T>& head, const AttentionGradient<T>& gradient, int64_t first,
               int64_t count, T* scratch)
      : head_(head), g_(gradient), first_(first), end_(first + count), room_(head, scratch) {
    q_ = as_tiles<T>(head.q, head.queries, head.width, room_.q);
    k_ = as_tiles<T>(head.k, head.keys, head.width, room_.k);
    dy_ = as_tiles<T>(gradient.dy, head.queries, head.value_width, room_.dy);
    dk_ = target(gradient.dk, head.width, room_.dk);
    dv_ = target(gradient.dv, head.value_width, room_.dv);
  }

  void run() {
    zero_rows(from(dk_, first_), end_ - first_, whole_tiles<T>(head_.width));
    zero_rows(from(dv_, first_), end_ - first_, whole_tiles<T>(head_.value_width));
    for (int64_t q = 0; q < head_.queries; q += kBlock)
      query_block(q, head_.queries - q < kBlock ? head_.queries - q : kBlock);
    const AttentionRows<T> dk = from(g_.dk, first_), dv = from(g_.dv, first_);
    copy_rows(from(dk_, first_).data, dk_.row, end_ - first_, head_.width, dk.data, dk.row);
    copy_rows(from(dv_, first_).data, dv_.row, end_ - first_, head_.value_width, dv.data, dv.row);
  }

 private:
  template <class U>
  static AttentionRows<U> from(AttentionRows<U> x, int64_t row) {
    return {x.data + row * x.row, x.row};
  }
  static AttentionRows<T> target(AttentionRows<T> x, int64_t columns, T* room) {
    const int64_t width = whole_tiles<T>(columns);
    return width == columns ? x : AttentionRows<T>{room, width};
  }

  void query_block(int64_t q, int64_t queries) {
    const int64_t width = whole_tiles<T>(head_.width);
    const int64_t seen = seen_keys(head_, q, queries), end = seen < end_ ? seen : end_;
    if (end <= first_) return zero_rows(from(g_.dq, q), queries, head_.width);
    transpose_rows(from(head_.q, q), queries, head_.width, head_.scale, room_.queries);
    transpose_rows(from(g_.dy, q), queries, head_.value_width, T(1), room_.upstream);
    row_products(g_, q, queries, head_.value_width, sums_);
    for (int64_t i = 0; i < kBlock; ++i) log_sum_exp_[i] = i < queries ? g_.log_sum_exp[q + i] : 0;
    for (int64_t k = first_; k < end; k += kBlock)
      key_block({q, queries, k, end - k < kBlock ? end - k : kBlock, room_.weights}, k > first_);
    copy_rows<T>(room_.dq, width, queries, head_.width, g_.dq.data + q * g_.dq.row, g_.dq.row);
  }

  void key_block(const Block<T>& at, bool accumulate) {
    const int64_t q = at.first_query, k = at.first_key;
    multiply<T>({at.keys, head_.width, at.queries, head_.k.data + k * head_.k.row, head_.k.row, 1,
                 room_.queries, kBlock, room_.weights, kPitch, false});
    apply_masks(head_, at, room_.dropped);
    weights_of_scores(at, log_sum_exp_);
    multiply<T>({at.keys, head_.value_width, at.queries, head_.v.data + k * head_.v.row,
                 head_.v.row, 1, room_.upstream, kBlock, room_.slopes, kPitch, false});
    const T* weights = room_.weights;
    if (head_.dropout > 0) {
      drop_weights(head_, at, room_.weights, room_.dropped);
      weights = room_.dropped;
    }
    multiply<T>({at.keys, at.queries, head_.value_width, weights, kPitch, 1, dy_.data + q * dy_.row,
                 dy_.row, dv_.data + k * dv_.row, dv_.row, true});
    if (g_.dmask) {
      slopes_of_scores(head_, at, weights, sums_, T(1), room_.slopes);
      copy_matrix<T>(at.queries, at.keys, room_.slopes, 1, kPitch, g_.dmask + q * head_.keys + k,
                     head_.keys);
      for (int64_t i = 0; i < at.keys * kPitch; i += kLanes<T>)
        store<T>(load<T>(room_.slopes + i) * splat<T>(head_.scale), room_.slopes + i);
    } else {
      slopes_of_scores(head_, at, weights, sums_, head_.scale, room_.slopes);
    }
    multiply<T>({at.keys, at.queries, head_.width, room_.slopes, kPitch, 1, q_.data + q * q_.row,
                 q_.row, dk_.data + k * dk_.row, dk_.row, true});
    multiply<T>({at.queries, at.keys, head_.width, room_.slopes, 1, kPitch, k_.data + k * k_.row,
                 k_.row, room_.dq, whole_tiles<T>(head_.width), accumulate});
  }

  const AttentionHead<T>& head_;
  const AttentionGradient<T>& g_;
  const int64_t first_, end_;
  const BackwardRoom<T> room_;
  AttentionRows<const T> q_, k_, dy_;
  AttentionRows<T> dk_, dv_;
  alignas(64) T sums_[kBlock], log_sum_exp_[kBlock];
};

template <class T>
void attention_backward(const AttentionHead<T>& head, const AttentionGradient<T>& gradient,
                        int64_t first, int64_t count, T* scratch) {
  HeadGradient<T>(head, gradient, first, count, scratch).run();
}

template <class T>
int64_t attention_scratch(const AttentionHead<T>& head, bool gradient) {
  return gradient ? BackwardRoom<T>(head, nullptr).total : ForwardRoom<T>::size(head);
}

}  // namespace
}  // namespace lepton::LEPTON_ISA
