// Panels: the columns of b that one register tile computes, and the loop of tiles down a panel.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>

#include "ops/gemm_blocked.h"
#include "ops/kernel_part.h"

namespace lepton {

/// Panels to pack in one call: rows of b are read in runs of 64 elements and more.
template <class T>
int64_t panels_together(const GemmKernel<T>& kernel) {
  return std::max<int64_t>(1, 64 / kernel.columns);
}

/// Copies panels j to end of b, the columns beyond n as zeros.
template <class T>
void pack_panels(const GemmKernel<T>& kernel, int64_t k, int64_t n, MatrixView<T> b, int64_t j,
                 int64_t end, T* target) {
  const int64_t nr = kernel.columns, first = j * nr;
  gemm_part<T>().pack_panels(k, std::min(n, end * nr) - first, b.data + first * b.column, b.row,
                             b.column, nr, target);
}

/// c[rows, width] = a[rows, k] b + bias for one panel; width is at most the columns of the kernel.
/// For several panels side by side it is just those, of each.
template <class T>
struct PanelCall {
  int64_t rows, width, k;
  MatrixView<T> a;
  const T* b;  // rows of whole tile columns
  int64_t b_row;
  T* c;
  int64_t c_row;
  const T* bias;  // width values, or null
  bool accumulate;
  // c[i, width] is c[i + 1, 0] and width at least half a tile, so that a tile may write over the
  // end of a row into the next one, which is written later; not at the last row.
  bool row_end;
  bool packed_a = false;            // a.data comes from pack_rows
  int64_t a_group = 0;              // steps from a group of rows to the next, if not k
  int64_t panels = 1, b_panel = 0;  // how many, and elements of b from one to the next
};

/// Runs the tiles from the top down, across all panels: equal ones where packing has not cut the
/// rows.
template <class T>
void multiply_panel(const GemmKernel<T>& kernel, const PanelCall<T>& call) {
  const int64_t nr = kernel.columns, tiles = ceil_div(call.rows, kernel.max_rows), zero = 0;
  const int64_t least = call.rows / tiles, more = call.rows % tiles;
  const bool ragged = call.width < nr, over = call.row_end && !call.accumulate;
  alignas(64) T out[kMaxTileElements], bias[kMaxTileElements];
  GemmTile<T> tile = {};
  tile.segments = 1;
  tile.length = call.k;
  tile.a_row = call.packed_a ? 1 : call.a.row;
  tile.a_step = call.packed_a ? kernel.max_rows : call.a.column;
  tile.a_offsets = &zero;
  tile.b_row = call.b_row;
  const T* first_bias = call.bias;
  if (ragged && call.bias) {
    std::fill(std::copy(call.bias, call.bias + call.width, bias), bias + nr, T(0));
    first_bias = bias;
  }
  const int64_t a_pitch = !call.packed_a ? call.a.row : call.a_group ? call.a_group : call.k;
  for (int64_t t = 0, row = 0; t < tiles; ++t, row += tile.rows) {
    T* c = call.c + row * call.c_row;
    const bool buffered = ragged && !(over && t + 1 < tiles);
    tile.rows = call.packed_a ? std::min(kernel.max_rows, call.rows - row) : least + (t < more);
    tile.a = call.a.data + row * a_pitch;
    tile.c_row = buffered ? nr : call.c_row;
    tile.accumulate = call.accumulate && !buffered;
    for (int64_t p = 0; p < call.panels; ++p) {
      tile.b = call.b + p * call.b_panel;
      tile.bias = first_bias ? first_bias + p * nr : nullptr;
      tile.c = buffered ? out : c + p * nr;
      kernel.tile(tile);
    }
    for (int64_t i = 0; buffered && i < tile.rows; ++i)
      for (int64_t j = 0; j < call.width; ++j) {
        T& to = c[i * call.c_row + j];
        to = call.accumulate ? to + out[i * nr + j] : out[i * nr + j];
      }
  }
}

}  // namespace lepton
