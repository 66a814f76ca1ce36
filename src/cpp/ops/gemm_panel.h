// Panels: the columns of b that one register tile computes, and the loop of tiles down a panel.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/gemm_blocked.h"
#include "ops/kernel_part.h"

namespace lepton {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Copies b[k, width] to k whole rows of a tile's columns, zeros behind the width.
template <class T>
void pack_panel(const GemmKernel<T>& kernel, int64_t k, int64_t width, MatrixView<T> b, T* panel) {
  const int64_t nr = kernel.columns;
  gemm_part<T>().copy_matrix(k, width, b.data, b.row, b.column, panel, nr);
  for (int64_t p = 0; width < nr && p < k; ++p)
    std::fill(panel + p * nr + width, panel + (p + 1) * nr, T(0));
}

/// c[rows, width] = a[rows, k] b + bias for one panel; width is at most the columns of the kernel.
template <class T>
struct PanelCall {
  int64_t rows, width, k;
  const T* a;  // k neighbours in a row
  int64_t a_row;
  const T* b;  // rows of whole tile columns
  int64_t b_row;
  T* c;
  int64_t c_row;
  const T* bias;  // width values, or null
  bool accumulate;
  bool row_end;  // c[i, width] is c[i + 1, 0], so a tile may write over the end of all rows but one
};

/// Runs the tiles from the top of the panel down. How tall they are depends on the rows alone.
template <class T>
void multiply_panel(const GemmKernel<T>& kernel, const PanelCall<T>& call) {
  const int64_t nr = kernel.columns, tiles = ceil_div(call.rows, kernel.max_rows), zero = 0;
  const bool ragged = call.width < nr, over = call.row_end && !call.accumulate;
  alignas(64) T out[kMaxTileElements], bias[kMaxTileElements];
  GemmTile<T> tile = {0,      1,          call.k,  nullptr, call.a_row, &zero,
                      call.b, call.b_row, nullptr, 0,       call.bias,  false};
  if (ragged && call.bias) {
    std::fill(std::copy(call.bias, call.bias + call.width, bias), bias + nr, T(0));
    tile.bias = bias;
  }
  for (int64_t t = 0; t < tiles; ++t) {
    const int64_t row = call.rows * t / tiles;
    T* c = call.c + row * call.c_row;
    const bool buffered = ragged && !(over && t + 1 < tiles);
    tile.rows = call.rows * (t + 1) / tiles - row;
    tile.a = call.a + row * call.a_row;
    tile.c = buffered ? out : c;
    tile.c_row = buffered ? nr : call.c_row;
    tile.accumulate = call.accumulate && !buffered;
    kernel.tile(tile);
    for (int64_t i = 0; buffered && i < tile.rows; ++i)
      for (int64_t j = 0; j < call.width; ++j) {
        T& to = c[i * call.c_row + j];
        to = call.accumulate ? to + out[i * nr + j] : out[i * nr + j];
      }
  }
}

}  // namespace lepton
