// Copies a matrix between any two strides, through registers where rows and columns change places.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

/// The lower or upper halves of a and b, lane by lane in turn: a0 b0 a1 b1 ...
template <bool kUpper, class V>
LEPTON_INLINE V interleave(V a, V b) {
  constexpr int n = sizeof(V) / sizeof(a[0]), h = kUpper ? n / 2 : 0;
  if constexpr (n == 2) {
    return __builtin_shufflevector(a, b, h, n + h);
  } else if constexpr (n == 4) {
    return __builtin_shufflevector(a, b, h, n + h, h + 1, n + h + 1);
  } else if constexpr (n == 8) {
    return __builtin_shufflevector(a, b, h, n + h, h + 1, n + h + 1, h + 2, n + h + 2, h + 3,
                                   n + h + 3);
  } else {
    static_assert(n == 16);
    return __builtin_shufflevector(a, b, h, n + h, h + 1, n + h + 1, h + 2, n + h + 2, h + 3,
                                   n + h + 3, h + 4, n + h + 4, h + 5, n + h + 5, h + 6, n + h + 6,
                                   h + 7, n + h + 7);
  }
}

/// target[j * target_row + i] = source[i * source_row + j] for one square of kLanes<T> rows.
/// Interleaving row i with row i + half, log2(lanes) times over, is a transposition.
template <class T>
LEPTON_INLINE void transpose_block(const T* source, int64_t source_row, T* target,
                                   int64_t target_row) {
  constexpr int n = kLanes<T>;
  Vec<T> a[n], b[n];
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) a[i] = load<T>(source + i * source_row);
#pragma GCC unroll 4
  for (int step = 1; step < n; step *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < n / 2; ++i) {
      b[2 * i] = interleave<false>(a[i], a[i + n / 2]);
      b[2 * i + 1] = interleave<true>(a[i], a[i + n / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) a[i] = b[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < n; ++i) store<T>(a[i], target + i * target_row);
}

/// target[i * target_row + j] = source[i * source_row + j * source_column].
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
    for (int64_t j = 0; j < whole_columns; j += n)
      for (int64_t i = 0; i < whole_rows; i += n)
        transpose_block<T>(source + i + j * source_column, source_column,
                           target + i * target_row + j, target_row);
  }
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j)
      target[i * target_row + j] = source[i * source_row + j * source_column];
}

}  // namespace lepton::LEPTON_ISA
