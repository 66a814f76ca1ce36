// Entry points of the convolution kernels that the matrix tile does not cover.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// Distances, in elements, between neighbouring pixels, lines and images of a channels-last block.
struct ConvSteps {
  int64_t pixel;
  int64_t line;
  int64_t image;
};

/// A block of pixels over which products of x and dy are summed: row i of a tile is x shifted by
/// x_offsets[i].
template <class T>
struct ConvPixels {
  int64_t images, lines, pixels;
  const T* x;
  ConvSteps x_step;
  const int64_t* x_offsets;
  const T* dy;
  ConvSteps dy_step;
};

/// Pixels of `columns` neighbouring channels, cut into panels of a tile's rows or columns: panel q
/// begins at channel columns_padded * q / panels and holds [pixels][width].
template <class T>
struct ConvPanels {
  int64_t pixels, columns, columns_padded, panels;
  const T* from;
  int64_t from_pixel;
  T* to;
  int64_t panel;  // distance between panels
};

/// One register tile of a weight gradient: dw[i * columns + j] = sum over pixels of x[i] * dy[j].
template <class T>
struct ConvWeightKernel {
  int64_t max_rows;
  int64_t columns;  // every tile reads and writes this many
  void (*tile)(const ConvPixels<T>& block, int64_t rows, T* dw, bool accumulate);
  void (*pack_rows)(const ConvPanels<T>& panels);     // max_rows wide
  void (*pack_columns)(const ConvPanels<T>& panels);  // `columns` wide
};

/// Pixels of a depthwise convolution that have the same taps: tap t of pixel p reads
/// x[p * x_pixel + x_offsets[t]] and takes the weights from weight_offsets[t] on.
template <class T>
struct DepthwiseTaps {
  int64_t pixels, channels, taps;
  const T* x;
  int64_t x_pixel;
  const int64_t* x_offsets;
  const int64_t* weight_offsets;
  int64_t next_lines;  // of x that the line after this one reads: from next_offsets like x_offsets
  const int64_t* next_offsets;
  bool stream;  // store y past the caches
};

template <class T>
struct ConvPart {
  ConvWeightKernel<T> weight_tall;  // many input channels a tile, two vectors of output channels
  ConvWeightKernel<T> weight_wide;
  ConvWeightKernel<T> weight_narrow;  // one vector of output channels
  /// y = bias (zero where it is null) + the sum over taps.
  void (*depthwise_line)(const DepthwiseTaps<T>& line, const T* weight, const T* bias, T* y,
                         int64_t y_pixel);
  /// Adds every tap's sum over pixels of x * dy to dw, and the sum of dy to db unless it is null.
  void (*depthwise_weight)(const DepthwiseTaps<T>& line, const T* dy, int64_t dy_pixel, T* dw,
                           T* db);
};

struct ConvTable {
  ConvPart<float> f32;
  ConvPart<double> f64;
};

}  // namespace lepton
