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

/// A block of pixels in which two tensors are multiplied and summed: x shifted by one tap against
/// dy.
template <class T>
struct ConvPixels {
  int64_t images, lines, pixels;
  const T* x;
  ConvSteps x_step;
  const T* dy;
  ConvSteps dy_step;
};

/// One register tile of a weight gradient: dw[i * dw_row + j] = sum over pixels of x[i] * dy[j].
template <class T>
struct ConvWeightKernel {
  int64_t max_rows;
  int64_t columns;  // every tile reads and writes this many
  void (*tile)(const ConvPixels<T>& block, int64_t rows, T* dw, int64_t dw_row, bool accumulate);
};

/// One line of output pixels of a depthwise convolution; its taps lie at x + tap_offsets[t].
template <class T>
struct DepthwiseLine {
  int64_t pixels, channels, taps;
  const T* x;
  int64_t x_pixel;
  const int64_t* tap_offsets;
  const T* weight;  // [taps][channels]
  const T* bias;    // [channels], or null
  T* y;
  int64_t y_pixel;
};

template <class T>
struct ConvPart {
  ConvWeightKernel<T> weight_tall;  // many input channels a tile, two vectors of output channels
  ConvWeightKernel<T> weight_wide;
  ConvWeightKernel<T> weight_narrow;  // one vector of output channels
  void (*depthwise_line)(const DepthwiseLine<T>& line);
  /// dw[c] = sum over the block's pixels of x[c] * dy[c]: one tap of a depthwise weight gradient.
  void (*depthwise_weight)(const ConvPixels<T>& block, int64_t channels, T* dw, bool accumulate);
};

struct ConvTable {
  ConvPart<float> f32;
  ConvPart<double> f64;
};

}  // namespace lepton
