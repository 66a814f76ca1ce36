// Entry points of the copy kernels: conversion, transposition, gathering and scattering of rows.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// dst[i * dst_stride] = convert(src[i * src_stride]) for i < n; strides may be 0 or negative.
/// Float to integer saturates and turns NaN into 0; integer to integer wraps; to bool is x != 0.
using CastKernel = void (*)(int64_t n, const void* src, int64_t src_stride, void* dst,
                            int64_t dst_stride);

/// dst[r * dst_row + c * dst_col] = src[r * src_row + c * src_col], in blocks that fit the cache.
using TransposeKernel = void (*)(int64_t rows, int64_t cols, const void* src, int64_t src_row,
                                 int64_t src_col, void* dst, int64_t dst_row, int64_t dst_col);

/// dst[indices[i] * dst_row_stride + c] += src[i * cols + c], in the order of i.
using ScatterAddKernel = void (*)(int64_t n, int64_t cols, void* dst, int64_t dst_row_stride,
                                  const int64_t* indices, const void* src);

struct CopyTable {
  CastKernel cast[6][6];         // [DType of src][DType of dst]
  TransposeKernel transpose[3];  // element size 1, 4, 8
  /// Row i of dst = row indices[i] of src; rows are row_bytes long and indices are in range.
  void (*take_rows)(int64_t n_rows, int64_t row_bytes, const void* src, const int64_t* indices,
                    void* dst);
  ScatterAddKernel scatter_add_rows[2];  // float32, float64
};

}  // namespace lepton
