// Layer normalisation of rows, and its gradient.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/norm_table.h"
#include "kernels/simd.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

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

template <class T>
LEPTON_INLINE T square_root(T x) {
  if constexpr (sizeof(T) == sizeof(float))
    return __builtin_sqrtf(x);
  else
    return __builtin_sqrt(x);
}

template <class T>
void layer_norm(const LayerNormRows<T>& at, const T* bias, double eps, T* y) {
  const int64_t n = at.n;
  const T* x = at.x;
  const T* weight = at.weight;
  for (int64_t r = 0; r < at.rows; ++r, x += n, y += n) {
    const T count = static_cast<T>(n);
    const T mean =
        sum_of<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY { return load<T>(x + i, lanes); }) /
        count;
    const T variance = sum_of<T>(n,
                                 [&](int64_t i, int64_t lanes) LEPTON_BODY {
                                   const Vec<T> d = distance<T>(x + i, lanes, mean);
                                   return d * d;
                                 }) /
                       count;
    const T scale = T{1} / square_root<T>(variance + static_cast<T>(eps));
    for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      Vec<T> v = distance<T>(x + i, lanes, mean) * splat<T>(scale);
      if (weight) v *= load<T>(weight + i, lanes);
      if (bias) v += load<T>(bias + i, lanes);
      store<T>(v, y + i, lanes);
    });
    at.mean[r] = mean;
    at.inverse_std[r] = scale;
  }
}

/// The sums over a row that its gradient needs: of dy * weight, and of that times (x - mean).
template <class T, bool kWeight>
LEPTON_INLINE void row_sums(int64_t n, const T* x, const T* dy, const T* weight, T mean, T* sum,
                            T* dot) {
  Vec<T> plain[2] = {}, product[2] = {};
  const auto add = [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    Vec<T> g = load<T>(dy + i, lanes);
    if constexpr (kWeight) g *= load<T>(weight + i, lanes);
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

template <class T, bool kWeight, bool kSums>
void layer_norm_rows_gradient(const LayerNormRows<T>& at, const T* dy, T* dx, T* dweight,
                              T* dbias) {
  const int64_t n = at.n;
  const T* x = at.x;
  for (int64_t r = 0; r < at.rows; ++r, x += n, dy += n, dx += n) {
    const T mean = at.mean[r], scale = at.inverse_std[r];
    T sum, dot;
    row_sums<T, kWeight>(n, x, dy, at.weight, mean, &sum, &dot);
    const Vec<T> shift = splat<T>(sum / static_cast<T>(n)), factor = splat<T>(scale);
    const Vec<T> tilt = splat<T>(dot * scale / static_cast<T>(n));
    for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      const Vec<T> unit = distance<T>(x + i, lanes, mean) * factor, g = load<T>(dy + i, lanes);
      Vec<T> slope = g;
      if constexpr (kWeight) slope *= load<T>(at.weight + i, lanes);
      store<T>((slope - shift - unit * tilt) * factor, dx + i, lanes);
      if constexpr (kSums) {
        store<T>(load<T>(dweight + i, lanes) + g * unit, dweight + i, lanes);
        store<T>(load<T>(dbias + i, lanes) + g, dbias + i, lanes);
      }
    });
  }
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
