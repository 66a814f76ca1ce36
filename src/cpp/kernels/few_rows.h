// Products of a few rows with a matrix read in place, bound by the memory that it lies in.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/gemm_table.h"
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

// The last lanes of a vector, as many as a row has left over; the others were counted before.
template <class T>
LEPTON_INLINE Vec<T> keep_last(Vec<T> v, int64_t count) {
  Mask<T> lane;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
  return lane >= static_cast<typename MaskLane<T>::type>(kLanes<T> - count) ? v : Vec<T>{};
}

template <class T>
LEPTON_INLINE void finish(const FewRows<T>& call, int64_t i, int64_t j, T sum) {
  T& out = call.c[i * call.c_row + j * call.c_column];
  if (call.bias) sum += call.bias[j];
  out = call.accumulate ? out + sum : sum;
}

/// kRows rows of a from i on times kColumns rows of b from j on, kVectors at a time of each.
template <class T, int kRows, int kColumns, int kVectors>
static void dot_tile(const FewRows<T>& call, int64_t i, int64_t j) {
  constexpr int64_t n = kLanes<T>;
  const T *a = call.a + i * call.a_row, *b = call.b + j * call.b_row;
  const int64_t a_row = call.a_row, b_row = call.b_row, k = call.k;
  Vec<T> acc[kVectors][kRows][kColumns];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v)
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int s = 0; s < kColumns; ++s) acc[v][r][s] = Vec<T>{};
  const auto step = [&](int64_t p, int64_t keep, int v = 0) __attribute__((always_inline)) {
    Vec<T> av[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      av[r] = load<T>(a + r * a_row + p);
      if (keep) av[r] = keep_last<T>(av[r], keep);
    }
#pragma GCC unroll 8
    for (int s = 0; s < kColumns; ++s) {
      Vec<T> bv = load<T>(b + s * b_row + p);
      if (keep) bv = keep_last<T>(bv, keep);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) multiply_add<T>(acc[v][r][s], av[r], bv);
    }
  };
  int64_t p = 0;
#pragma GCC unroll 1
  for (; p + kVectors * n <= k; p += kVectors * n)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) step(p + v * n, 0, v);
#pragma GCC unroll 1
  for (; p + n <= k; p += n) step(p, 0);
  if (p < k) step(k - n, k - p);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int s = 0; s < kColumns; ++s) {
      Vec<T> sum = acc[0][r][s];
      if constexpr (kVectors == 2) sum += acc[1][r][s];
      finish<T>(call, i + r, j + s, sum_lanes<T>(sum));
    }
}

template <class T, int kRows, int kColumns, int kVectors = 1>
static void dot_columns(const FewRows<T>& call, int64_t i) {
  int64_t j = 0;
  for (; j + kColumns <= call.n; j += kColumns) dot_tile<T, kRows, kColumns, kVectors>(call, i, j);
  for (; j < call.n; ++j) dot_tile<T, kRows, 1, kVectors>(call, i, j);
}

/// c = a b^T with rows of b in memory. k is at least one vector. One row of a: four rows of b, two
/// vectors of each, hide the latency of the sums; eight rows a power of two apart would push each
/// other out of the cache. More rows: the largest tile that
/// leaves registers for a.
template <class T>
static void row_dots(const FewRows<T>& call) {
  const int64_t tiles = (call.m + 2) / 3;
  constexpr int64_t kGroup = 4;
  if (call.m == 1) return dot_columns<T, 1, kGroup, 2>(call, 0);
  // Four rows of b stay in the first cache while all rows of a pass.
  for (int64_t j = 0; j < call.n; j += kGroup) {
    FewRows<T> group = call;
    group.n = call.n - j < kGroup ? call.n - j : kGroup;
    group.b += j * call.b_row;
    group.c += j * call.c_column;
    if (call.bias) group.bias += j;
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t i = call.m * t / tiles, rows = call.m * (t + 1) / tiles - i;
      if (rows == 3)
        dot_columns<T, 3, kGroup>(group, i);
      else if (rows == 2)
        dot_columns<T, 2, kGroup>(group, i);
      else
        dot_columns<T, 1, kGroup>(group, i);
    }
  }
}

/// Adds kSteps rows of b from p on, each times its elements of kRows rows of a, to rows of c.
template <class T, int kRows, int kSteps>
static void add_rows(const FewRows<T>& call, int64_t i, int64_t p) {
  const T* b = call.b + p * call.b_row;
  const int64_t b_row = call.b_row, c_row = call.c_row;
  Vec<T> factor[kRows][kSteps];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
    for (int s = 0; s < kSteps; ++s)
      factor[r][s] = splat<T>(call.a[(i + r) * call.a_row + (p + s) * call.a_column]);
  T* c = call.c + i * c_row;
  for_each_vector<T>(
      call.n, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
        Vec<T> sum[kRows];
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) sum[r] = load<T>(c + r * c_row + j, lanes);
#pragma GCC unroll 8
        for (int s = 0; s < kSteps; ++s) {
          const Vec<T> bv = load<T>(b + s * b_row + j, lanes);
#pragma GCC unroll 4
          for (int r = 0; r < kRows; ++r) multiply_add<T>(sum[r], factor[r][s], bv);
        }
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) store<T>(sum[r], c + r * c_row + j, lanes);
      });
}

template <class T, int kRows, int kSteps>
static void add_all_rows(const FewRows<T>& call, int64_t i) {
  int64_t p = 0;
  for (; p + kSteps <= call.k; p += kSteps) add_rows<T, kRows, kSteps>(call, i, p);
  for (; p < call.k; ++p) add_rows<T, kRows, 1>(call, i, p);
}

/// c = a b with whole rows of b added up; c_column is 1. Factors and sums share the registers.
template <class T>
static void row_sums(const FewRows<T>& call) {
  for (int64_t i = 0; i < call.m; ++i)
    for (int64_t j = 0; j < call.n; ++j) {
      T& out = call.c[i * call.c_row + j];
      out = (call.accumulate ? out : T(0)) + (call.bias ? call.bias[j] : T(0));
    }
  int64_t i = 0;
  for (; i + 2 <= call.m; i += 2) add_all_rows<T, 2, 4>(call, i);
  if (i < call.m) add_all_rows<T, 1, 8>(call, i);
}

}  // namespace lepton::LEPTON_ISA
