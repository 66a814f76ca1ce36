// Entry points of the matrix product kernels: register tile, packing copy, peak loop.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// One register tile of c = a b + bias. The sum runs over `segments` runs of `length` steps: step p
/// of run q reads a[i * a_row + a_offsets[q] + p * a_step] and row q * length + p of b, which holds
/// whole tile columns. a_row or a_step is 1.
template <class T>
struct GemmTile {
  int64_t rows;  // 1 .. max_rows of the kernel
  int64_t segments;
  int64_t length;
  const T* a;
  int64_t a_row;
  const int64_t* a_offsets;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  const T* bias;    // one value for each column of the tile, or null
  bool accumulate;  // adds to c instead of overwriting it
  int64_t a_step = 1;
  bool stream = false;  // store_streaming writes c, all of it before finish_streaming()
};

/// No tile of any instruction set has more elements.
constexpr int64_t kMaxTileElements = 512;
/// No vector has more.
constexpr int64_t kMaxLanes = 16;

template <class T>
struct GemmKernel {
  int64_t max_rows;
  int64_t columns;  // every tile computes and writes this many
  void (*tile)(const GemmTile<T>& tile);
  /// source[rows, length] as groups of max_rows rows, one behind the other, each step by step: rows
  /// that tiles read with a_row 1. Writes up to kMaxLanes elements more.
  void (*pack_rows)(int64_t rows, int64_t length, const T* source, int64_t source_row,
                    int64_t source_column, T* target);
};

/// A few rows times a matrix: c(i, j) = sum of a(i, p) b(p, j) + bias[j]. What b_row separates is
/// rows of b or of its transpose, as the kernel says; the other stride of b is 1.
template <class T>
struct FewRows {
  int64_t m, n, k;
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row, c_column;
  const T* bias;
  bool accumulate;
};

template <class T>
struct GemmPart {
  GemmKernel<T> narrow;  // one vector wide: few columns
  GemmKernel<T> tall;    // two vectors wide: operands in cache, few columns wasted
  GemmKernel<T> wide;    // for packed b: the fewest loads a step
  /// target[i * target_row + j] = source[i * source_row + j * source_column]; fast where either
  /// stride is 1.
  void (*copy_matrix)(int64_t rows, int64_t columns, const T* source, int64_t source_row,
                      int64_t source_column, T* target, int64_t target_row);
  /// source[k, width] as panels of nr columns, k rows each, zeros behind the width.
  void (*pack_panels)(int64_t k, int64_t width, const T* source, int64_t source_row,
                      int64_t source_column, int64_t nr, T* target);
  /// b(p, j) = b[j * b_row + p]; a_column is 1 and k at least `lanes`.
  void (*row_dots)(const FewRows<T>& call);
  /// b(p, j) = b[p * b_row + j]; c_column is 1.
  void (*row_sums)(const FewRows<T>& call);
  int64_t lanes;
  /// Ends what tiles streamed, before other threads may look.
  void (*finish_streaming)();
  /// Runs steps * peak_flops multiply-adds out of registers: this CPU's ceiling for any kernel
  /// here.
  T (*peak)(int64_t steps);
  int64_t peak_flops;
  GemmKernel<T> few;  // one or two rows, that pass packed b at the speed of the caches
};

struct GemmTable {
  GemmPart<float> f32;
  GemmPart<double> f64;
};

}  // namespace lepton
