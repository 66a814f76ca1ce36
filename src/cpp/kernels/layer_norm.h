// Layer normalisation of rows, and its gradient.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/math.h"
#include "kernels/norm_table.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

/// How many of n terms to look at first for a center that the others' distances are taken from.
LEPTON_INLINE int64_t sample_size(int64_t n) {
  const int64_t sample = n / 16;
  return sample < 16 ? (n < 16 ? n : 16) : sample;
}

/// Sum of term(offset, lanes) over n elements in four chains; a partial term must be 0 in unused
/// lanes.
template <class T, class Term>
LEPTON_INLINE T sum_of(int64_t n, Term term) {
  constexpr int64_t kStep = kLanes<T>;
  Vec<T> sum[4] = {};
  int64_t i = 0;
  for (; i + 4 * kStep <= n; i += 4 * kStep) {
#pragma GCC unroll 4
    for (int64_t k = 0; k < 4; ++k) sum[k] += term(i + k * kStep, kStep);
  }
  for (; i + kStep <= n; i += kStep) sum[0] += term(i, kStep);
  if (i < n) sum[1] += term(i, n - i);
  return sum_lanes<T>((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/// x - mean, and 0 in the lanes past the end.
template <class T>
LEPTON_INLINE Vec<T> distance(const T* x, int64_t lanes, T mean) {
  if (lanes == kLanes<T>) return load<T>(x) - splat<T>(mean);
  Vec<T> v = splat<T>(mean);
  memcpy(&v, x, static_cast<size_t>(lanes) * sizeof(T));
  return v - splat<T>(mean);
}

/// The sums over a row of g = term(offset, lanes) and of g * (x - mean), in two chains each.
template <class T, class Term>
LEPTON_INLINE void paired_sums(int64_t n, const T* x, T mean, Term term, T* sum, T* dot) {
  Vec<T> plain[2] = {}, product[2] = {};
  const auto add = [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    const Vec<T> g = term(i, lanes);
    plain[k] += g;
    product[k] += g * distance<T>(x + i, lanes, mean);
  };
  constexpr int64_t kStep = kLanes<T>;
  int64_t i = 0;
  for (; i + 2 * kStep <= n; i += 2 * kStep) {
    add(i, kStep, 0);
    add(i + kStep, kStep, 1);
  }
  for (; i < n; i += kStep) add(i, n - i < kStep ? n - i : kStep, 0);
  *sum = sum_lanes<T>(plain[0] + plain[1]);
  *dot = sum_lanes<T>(product[0] + product[1]);
}

template <class T>
LEPTON_INLINE T square_root(T x) {
  if constexpr (sizeof(T) == sizeof(float))
    return __builtin_sqrtf(x);
  else
    return __builtin_sqrt(x);
}

/// The mean of a row and its sum of squared distances from it, in one pass like column_moments.
template <class T>
LEPTON_INLINE void row_moments(int64_t n, const T* x, T* mean, T* squares) {
  const int64_t sample = sample_size(n);
  const T center = sum_of<T>(sample, [&](int64_t i, int64_t lanes)
                                         LEPTON_BODY { return load<T>(x + i, lanes); }) /
                   static_cast<T>(sample);
  T rest, square;
  paired_sums<T>(
      n, x, center,
      [&](int64_t i, int64_t lanes) LEPTON_BODY { return distance<T>(x + i, lanes, center); },
      &rest, &square);
  const T average = rest / static_cast<T>(n);
  *mean = center + average;
  const T left = square - rest * average;
  *squares = left > 0 ? left : 0;
}

template <class T, bool kWeight, bool kBias>
void layer_norm_rows(const LayerNormRows<T>& at, const T* bias, double eps, T* y) {
  const int64_t n = at.n;
  const bool stream = at.stream && can_stream(y, n);
  const T *x = at.x, *weight = at.weight;
  for (int64_t r = 0; r < at.rows; ++r, x += n, y += n) {
    T mean, squares;
    row_moments<T>(n, x, &mean, &squares);
    const T scale = T{1} / square_root<T>(squares / static_cast<T>(n) + static_cast<T>(eps));
    for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      Vec<T> v = (load<T>(x + i, lanes) - splat<T>(mean)) * splat<T>(scale);
      if constexpr (kWeight) v *= load<T>(weight + i, lanes);
      if constexpr (kBias) v += load<T>(bias + i, lanes);
      store_either<T>(stream, v, y + i, lanes);
    });
    at.mean[r] = mean;
    at.inverse_std[r] = scale;
  }
  if (stream) finish_streaming();
}

template <class T>
void layer_norm(const LayerNormRows<T>& at, const T* bias, double eps, T* y) {
  if (at.weight && bias) return layer_norm_rows<T, true, true>(at, bias, eps, y);
  if (at.weight) return layer_norm_rows<T, true, false>(at, bias, eps, y);
  if (bias) return layer_norm_rows<T, false, true>(at, bias, eps, y);
  layer_norm_rows<T, false, false>(at, bias, eps, y);
}

/// dx = (dy * weight - shift - unit * tilt) * scale with unit = (x - mean) * scale.
template <class T>
struct RowSlope {
  Vec<T> mean, scale, shift, tilt;
};

template <class T, bool kWeight>
LEPTON_INLINE RowSlope<T> row_slope(int64_t n, const T* x, const T* dy, const T* weight, T mean,
                                    T scale) {
  T sum, dot;
  paired_sums<T>(
      n, x, mean,
      [&](int64_t i, int64_t lanes) LEPTON_BODY {
        Vec<T> g = load<T>(dy + i, lanes);
        if constexpr (kWeight) g *= load<T>(weight + i, lanes);
        return g;
      },
      &sum, &dot);
  const T count = static_cast<T>(n);
  return {splat<T>(mean), splat<T>(scale), splat<T>(sum / count), splat<T>(dot * scale / count)};
}

/// The gradient of kRows rows at once: their shares of dweight and dbias are summed in registers.
template <class T, bool kWeight, bool kSums, int kRows>
LEPTON_INLINE void some_rows_gradient(const LayerNormRows<T>& rows, int64_t first, const T* dy,
                                      T* dx, T* dweight, T* dbias) {
  const int64_t n = rows.n;
  const T* x = rows.x + first * n;
  const T* weight = rows.weight;
  dy += first * n;
  dx += first * n;
  RowSlope<T> row[kRows];
  for (int r = 0; r < kRows; ++r)
    row[r] = row_slope<T, kWeight>(n, x + r * n, dy + r * n, weight, rows.mean[first + r],
                                   rows.inverse_std[first + r]);
  for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
    Vec<T> of_weight{}, of_bias{};
#pragma GCC unroll 2
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = r * n + i;
      const Vec<T> unit = (load<T>(x + at, lanes) - row[r].mean) * row[r].scale;
      const Vec<T> g = load<T>(dy + at, lanes);
      Vec<T> slope = g;
      if constexpr (kWeight) slope *= load<T>(weight + i, lanes);
      const Vec<T> v = (slope - row[r].shift - unit * row[r].tilt) * row[r].scale;
      store<T>(v, dx + at, lanes);
      of_weight += g * unit;
      of_bias += g;
    }
    if constexpr (kSums) {
      store<T>(load<T>(dweight + i, lanes) + of_weight, dweight + i, lanes);
      store<T>(load<T>(dbias + i, lanes) + of_bias, dbias + i, lanes);
    }
  });
}

template <class T, bool kWeight, bool kSums>
void layer_norm_rows_gradient(const LayerNormRows<T>& at, const T* dy, T* dx, T* dweight,
                              T* dbias) {
  // Two rows: what they need each stays in the 16 registers of AVX2.
  int64_t r = 0;
  for (; r + 2 <= at.rows; r += 2)
    some_rows_gradient<T, kWeight, kSums, 2>(at, r, dy, dx, dweight, dbias);
  if (r < at.rows) some_rows_gradient<T, kWeight, kSums, 1>(at, r, dy, dx, dweight, dbias);
}

template <class T>
void layer_norm_gradient(const LayerNormRows<T>& at, const T* dy, T* dx, T* dweight, T* dbias) {
  if (at.weight && dweight)
    layer_norm_rows_gradient<T, true, true>(at, dy, dx, dweight, dbias);
  else if (at.weight)
    layer_norm_rows_gradient<T, true, false>(at, dy, dx, dweight, dbias);
  else if (dweight)
    layer_norm_rows_gradient<T, false, true>(at, dy, dx, dweight, dbias);
  else
    layer_norm_rows_gradient<T, false, false>(at, dy, dx, dweight, dbias);
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
