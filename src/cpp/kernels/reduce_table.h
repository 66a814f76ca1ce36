// Entry points of the reduction and scan kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// One reduction, by DType of the input; null where the type makes no sense. The result has the
/// type of the input, except for any and all: bool for every input.
struct ReduceKernels {
  /// *result = op of n elements `stride` apart; of none, the identity. Callers cut long sums into
  /// chunks of at most 4096. Max and min of none are the lowest and the highest value.
  void (*row[6])(int64_t n, const void* x, int64_t stride, void* result);
  /// acc[c] = op(acc[c], x[r * row_stride + c]) for r = 0 .. rows - 1 in this order, c < cols.
  void (*columns[6])(int64_t rows, int64_t cols, const void* x, int64_t row_stride, void* acc);
};

/// *index = where the largest (smallest) of n >= 1 elements first occurs; the first NaN wins.
struct ArgKernels {
  void (*row[6])(int64_t n, const void* x, int64_t stride, int64_t* index);
  /// The same down each of `cols` neighbouring columns of `rows` >= 1 rows.
  void (*columns[6])(int64_t rows, int64_t cols, const void* x, int64_t row_stride, int64_t* index);
};

/// y[i] = op of x[0] .. x[i]; x and y may be the same memory.
struct ScanKernels {
  void (*row[6])(int64_t n, const void* x, int64_t x_stride, void* y, int64_t y_stride);
};

struct ReduceTable {
  ReduceKernels sum, prod, max, min, any, all;
  ArgKernels arg_max, arg_min;
  ScanKernels cumulative_sum, cumulative_prod;
};

}  // namespace lepton
