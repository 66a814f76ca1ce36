// Entry points of the transforms of Winograd's convolution by 3 x 3 and 2 x 2 filters.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// Tiles that neighbour along a line of a channels-last image. Value (i, j) of the transform of
/// tile t goes to v[(i * size + j) * v_tap + t * v_tile + channel].
template <class T>
struct WinogradInput {
  int64_t tiles, channels;
  const T* x;  // first pixel of the first tile; all pixels of all tiles are read
  int64_t x_pixel, x_line;
  T* v;
  int64_t v_tile, v_tap;
};

/// Sums of products of transforms, value by value, taken back to taps: value i is m[i * m_value +
/// k], tap (r, s) goes to w[taps[r * filter + s] + k].
template <class T>
struct WinogradTaps {
  int64_t count;  // whole vectors
  const T* m;
  int64_t m_value;
  T* w;
  int64_t taps[9];
};

/// Filters that neighbour in memory. Tap (r, s) of filter (i, k) is w[i * w_row + taps[r * filter +
/// s]
/// + k], value (i, j) of its transform goes to u[(i * size + j) * u_tap + i * columns + k].
template <class T>
struct WinogradWeight {
  int64_t rows, columns;  // whole vectors of columns
  const T* w;
  int64_t w_row;
  int64_t taps[9];
  T* u;
  int64_t u_tap;
};

/// The outputs of tiles that neighbour along a line, from the products of the transforms, which lie
/// as WinogradInput leaves them.
template <class T>
struct WinogradOutput {
  int64_t tiles, channels;
  int64_t lines, pixels;  // of each tile that lie inside the image
  const T* m;
  int64_t m_tile, m_tap;
  const T* bias;  // one value for each channel, or null
  T* y;           // first pixel of the first tile
  int64_t y_pixel, y_line;
};

/// The algorithm F(outputs x outputs, filter x filter): a tile of size = outputs + filter - 1
/// pixels squared.
template <class T>
struct WinogradKernel {
  int64_t outputs, filter;
  void (*input)(const WinogradInput<T>& run);
  void (*weight)(const WinogradWeight<T>& filters);
  void (*output)(const WinogradOutput<T>& run);
  /// The gradient of a weight by the transpose, null in `large`: the sum over tiles of the products
  /// of input() of the image and of this of the 2 x 2 gradients of the tile's outputs, taken back.
  void (*gradient)(const WinogradInput<T>& run);
  void (*taps)(const WinogradTaps<T>& sums);
};

template <class T>
struct WinogradPart {
  WinogradKernel<T> small;     // F(2 x 2, 3 x 3): as accurate as a sum over taps
  WinogradKernel<T> large;     // F(4 x 4, 3 x 3): fewer products, larger errors
  WinogradKernel<T> two_taps;  // F(2 x 2, 2 x 2): as accurate as a sum over taps
};

struct WinogradTable {
  WinogradPart<float> f32;
  WinogradPart<double> f64;
};

}  // namespace lepton
