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

template <class T>
void layer_norm_gradient(const LayerNormRows<T>& at, const T* dy, T* dx, T* dweight, T* dbias) {
  const int64_t n = at.n;
  const T* x = at.x;
  const T* weight = at.weight;
  for (int64_t r = 0; r < at.rows; ++r, x += n, dy += n) {
    const T mean = at.mean[r], scale = at.inverse_std[r];
    const auto slope = [&](int64_t i, int64_t lanes) LEPTON_BODY {
      const Vec<T> g = load<T>(dy + i, lanes);
      return weight ? g * load<T>(weight + i, lanes) : g;
    };
    T sum = 0, dot = 0;
    if (dx) {
      sum = sum_of<T>(n, slope) / static_cast<T>(n);
      dot = sum_of<T>(
                n, [&](int64_t i, int64_t lanes)
                       LEPTON_BODY { return slope(i, lanes) * distance<T>(x + i, lanes, mean); }) *
            scale / static_cast<T>(n);
    }
    for_each_vector<T>(n, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      const Vec<T> unit = distance<T>(x + i, lanes, mean) * splat<T>(scale);
      if (dx)
        store<T>((slope(i, lanes) - splat<T>(sum) - unit * splat<T>(dot)) * splat<T>(scale), dx + i,
                 lanes);
      const Vec<T> g = load<T>(dy + i, lanes);
      if (dweight) store<T>(load<T>(dweight + i, lanes) + g * unit, dweight + i, lanes);
      if (dbias) store<T>(load<T>(dbias + i, lanes) + g, dbias + i, lanes);
    });
    if (dx) dx += n;
  }
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
