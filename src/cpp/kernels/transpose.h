// Copies a matrix between any two strides, through registers where rows and columns change places.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

/// Of every two blocks of h lanes the first (or, if kUpper, the second), from a and b in turn.
template <int h, bool kUpper, class V>
LEPTON_INLINE V take_blocks(V a, V b) {
  constexpr int n = sizeof(V) / sizeof(a[0]);
  return pick_lanes(
      a, b, [](int i) constexpr { return i / h % 2 == 0 ? i + kUpper * h : n + i - !kUpper * h; });
}

/// In every piece of g lanes: the lower or upper half of a and b, lane by lane in turn.
template <int g, bool kUpper, class V>
LEPTON_INLINE V interleave(V a, V b) {
  constexpr int n = sizeof(V) / sizeof(a[0]);
  return pick_lanes(
      a, b, [](int i) constexpr { return i / g * g + kUpper * g / 2 + i % g / 2 + i % 2 * n; });
}

/// Rows become columns in a square of kLanes<T> vectors. First blocks of lanes change places
/// between rows, down to pieces of 16 bytes, inside which machines interleave in one instruction.
template <class T>
LEPTON_INLINE void transpose_vectors(Vec<T>* a) {
  constexpr int n = kLanes<T>, g = 16 / sizeof(T);
  Vec<T> b[n];
  const auto exchange = [&]<int h>() __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i)
      if (i / h % 2 == 0) {
        const Vec<T> x = a[i], y = a[i + h];
        a[i] = take_blocks<h, false>(x, y);
        a[i + h] = take_blocks<h, true>(x, y);
      }
  };
  if constexpr (n / 2 >= g) exchange.template operator()<n / 2>();
  if constexpr (n / 4 >= g) exchange.template operator()<n / 4>();
  if constexpr (n / 8 >= g) exchange.template operator()<n / 8>();
#pragma GCC unroll 4
  for (int step = 1; step < g; step *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < n / 2; ++i) {
      const int from = i / (g / 2) * g + i % (g / 2), to = i / (g / 2) * g + i % (g / 2) * 2;
      b[to] = interleave<g, false>(a[from], a[from + g / 2]);
      b[to + 1] = interleave<g, true>(a[from], a[from + g / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) a[i] = b[i];
  }
}

/// target[j * target_row + i] = source[i * source_row + j] for kRows <= kLanes<T> rows of
/// kLanes<T>; writes zeros behind them, kLanes<T> elements in all.
template <class T, int kRows = kLanes<T>>
LEPTON_INLINE void transpose_block(const T* source, int64_t source_row, T* target,
                                   int64_t target_row) {
  constexpr int n = kLanes<T>;
  Vec<T> a[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) a[i] = i < kRows ? load<T>(source + i * source_row) : Vec<T>{};
  transpose_vectors<T>(a);
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) store<T>(a[i], target + i * target_row);
}

/// target[i * target_row + j] = source[i * source_row + j * source_column]. Squares are transposed
/// along strips that fill whole cache lines of the target.
template <class T>
static void copy_matrix(int64_t rows, int64_t columns, const T* source, int64_t source_row,
                        int64_t source_column, T* target, int64_t target_row) {
  constexpr int64_t n = kLanes<T>;
  if (source_column == 1) {
    for (int64_t i = 0; i < rows; ++i) {
      const T* s = source + i * source_row;
      T* t = target + i * target_row;
      int64_t j = 0;
      for (; j + n <= columns; j += n) store<T>(load<T>(s + j), t + j);
      for (; j < columns; ++j) t[j] = s[j];
    }
    return;
  }
  int64_t whole_rows = 0, whole_columns = 0;
  if (source_row == 1) {
    whole_rows = rows / n * n;
    whole_columns = columns / n * n;
    constexpr int64_t kStrip = 64 / sizeof(T);
    for (int64_t strip = 0; strip < whole_columns; strip += kStrip)
      for (int64_t i = 0; i < whole_rows; i += n)
        for (int64_t j = strip; j < whole_columns && j < strip + kStrip; j += n)
          transpose_block<T>(source + i + j * source_column, source_column,
                             target + i * target_row + j, target_row);
  }
  for (int64_t i = whole_columns < columns ? 0 : whole_rows; i < rows; ++i)
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j)
      target[i * target_row + j] = source[i * source_row + j * source_column];
}

/// source[k, width] as panels of nr columns, k rows each, one behind the other; zeros behind the
/// width. Rows are copied across all panels: short pieces far apart would wait for memory.
template <class T>
static void pack_panels(int64_t k, int64_t width, const T* source, int64_t source_row,
                        int64_t source_column, int64_t nr, T* target) {
  const int64_t whole = source_column == 1 ? width / nr : 0;
  for (int64_t p = 0; whole && p < k; ++p)
    for (int64_t q = 0; q < whole; ++q)
      for (int64_t j = 0; j < nr; j += kLanes<T>)
        store<T>(load<T>(source + p * source_row + q * nr + j), target + (q * k + p) * nr + j);
  for (int64_t j = whole * nr; j < width; j += nr) {
    const int64_t columns = width - j < nr ? width - j : nr;
    T* panel = target + j * k;
    copy_matrix<T>(k, columns, source + j * source_column, source_row, source_column, panel, nr);
    for (int64_t p = 0; columns < nr && p < k; ++p)
      for (int64_t i = columns; i < nr; ++i) panel[p * nr + i] = 0;
  }
}

/// Rows kFirst .. kRows of a block of kLanes<T> steps, step by step; the last rows first, as each
/// transposed square writes zeros over the rows that follow.
template <class T, int kRows, int kFirst = 0>
LEPTON_INLINE void pack_block(const T* source, int64_t source_row, T* target) {
  constexpr int kEnd = kRows - kFirst < kLanes<T> ? kRows : kFirst + kLanes<T>;
  if constexpr (kEnd < kRows) pack_block<T, kRows, kEnd>(source, source_row, target);
  transpose_block<T, kEnd - kFirst>(source + kFirst * source_row, source_row, target + kFirst,
                                    kRows);
}

/// source[rows, length] as groups of kRows rows, one behind the other, each step by step. May write
/// up to kLanes<T> elements behind the last; lanes without a row are left as they are.
template <class T, int kRows>
static void pack_rows(int64_t rows, int64_t length, const T* source, int64_t source_row,
                      int64_t source_column, T* target) {
  constexpr int64_t n = kLanes<T>;
  const int64_t whole = rows / kRows;
  int64_t done = 0;  // steps of the whole groups
  if (source_column == 1) {
    done = length / n * n;
    for (int64_t t = 0; t < whole; ++t)
      for (int64_t p = 0; p < done; p += n)
        pack_block<T, kRows>(source + t * kRows * source_row + p, source_row,
                             target + (t * length + p) * kRows);
  } else if (source_row == 1) {
    done = length;
    // So many steps at a time that whole lines of each group are written, whose distance may be one
    // at which they push each other out of the cache.
    constexpr int64_t kSteps = 8;
    for (int64_t first = 0; first < done; first += kSteps)
      for (int64_t t = 0; t < whole; ++t)
        for (int64_t p = first; p < done && p < first + kSteps; ++p)
          memcpy(target + (t * length + p) * kRows, source + p * source_column + t * kRows,
                 kRows * sizeof(T));
  }
  for (int64_t t = 0; t * kRows < rows; ++t) {
    const int64_t count = t < whole ? kRows : rows - t * kRows;
    for (int64_t p = t < whole ? done : 0; p < length; ++p)
      for (int64_t i = 0; i < count; ++i)
        target[(t * length + p) * kRows + i] =
            source[(t * kRows + i) * source_row + p * source_column];
  }
}

}  // namespace lepton::LEPTON_ISA
