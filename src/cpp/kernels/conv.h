// Weight-gradient tile and depthwise loops of convolution; everything else is the tile of gemm.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/conv_table.h"
#include "kernels/gemm.h"

namespace lepton::LEPTON_ISA {

/// The tile with its sizes fixed; both operands are read where they lie.
template <class T, int kRows, int kVectors>
static void conv_weight_fixed(const ConvPixels<T>& block, T* dw, int64_t dw_row, bool accumulate) {
  constexpr int n = kLanes<T>;
  const int64_t x_pixel = block.x_step.pixel, dy_pixel = block.dy_step.pixel;
  const int64_t pixels = block.pixels;
  Vec<T> acc[kRows][kVectors], yv[kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) acc[i][j] = Vec<T>{};
  for (int64_t image = 0; image < block.images; ++image) {
    for (int64_t line = 0; line < block.lines; ++line) {
      const T* x = block.x + image * block.x_step.image + line * block.x_step.line;
      const T* dy = block.dy + image * block.dy_step.image + line * block.dy_step.line;
#pragma GCC unroll 1
      for (int64_t p = 0; p < pixels; ++p, x += x_pixel, dy += dy_pixel) {
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) yv[j] = load<T>(dy + j * n);
#pragma GCC unroll 32
        for (int i = 0; i < kRows; ++i) {
          const Vec<T> xv = splat<T>(x[i]);
#pragma GCC unroll 4
          for (int j = 0; j < kVectors; ++j) acc[i][j] += xv * yv[j];
        }
      }
    }
  }
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      T* out = dw + i * dw_row + j * n;
      store<T>(accumulate ? load<T>(out) + acc[i][j] : acc[i][j], out);
    }
}

/// Runs the tile built for this many rows.
template <class T, int kRows, int kVectors>
static void conv_weight_tile(const ConvPixels<T>& block, int64_t rows, T* dw, int64_t dw_row,
                             bool accumulate) {
  if constexpr (kRows > 1)
    if (rows < kRows)
      return conv_weight_tile<T, kRows - 1, kVectors>(block, rows, dw, dw_row, accumulate);
  conv_weight_fixed<T, kRows, kVectors>(block, dw, dw_row, accumulate);
}

template <class T, int kRows, int kVectors>
constexpr ConvWeightKernel<T> kConvWeightKernel = {kRows, kVectors* kLanes<T>,
                                                   conv_weight_tile<T, kRows, kVectors>};

/// kPixels neighbouring pixels of one vector of `lanes` channels from channel c on.
template <class T, int kPixels>
LEPTON_INLINE void depthwise_pixels(const DepthwiseLine<T>& line, int64_t pixel, int64_t c,
                                    int64_t lanes) {
  Vec<T> acc[kPixels];
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) acc[i] = line.bias ? load<T>(line.bias + c, lanes) : Vec<T>{};
  const T* x = line.x + pixel * line.x_pixel + c;
#pragma GCC unroll 1
  for (int64_t t = 0; t < line.taps; ++t) {
    const Vec<T> w = load<T>(line.weight + t * line.channels + c, lanes);
    const T* xt = x + line.tap_offsets[t];
#pragma GCC unroll 8
    for (int i = 0; i < kPixels; ++i) acc[i] += load<T>(xt + i * line.x_pixel, lanes) * w;
  }
  T* y = line.y + pixel * line.y_pixel + c;
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) store<T>(acc[i], y + i * line.y_pixel, lanes);
}

template <class T>
static void depthwise_line(const DepthwiseLine<T>& line) {
  constexpr int kPixels = 8;
  for_each_vector<T>(
      line.channels, [&](int64_t c, int64_t lanes) __attribute__((always_inline)) {
        int64_t p = 0;
        for (; p + kPixels <= line.pixels; p += kPixels)
          depthwise_pixels<T, kPixels>(line, p, c, lanes);
        for (; p < line.pixels; ++p) depthwise_pixels<T, 1>(line, p, c, lanes);
      });
}

/// kVectors vectors of channels from channel c on; the last one may hold fewer than a whole vector.
template <class T, int kVectors>
LEPTON_INLINE void depthwise_weight_channels(const ConvPixels<T>& block, int64_t c, int64_t lanes,
                                             T* dw, bool accumulate) {
  constexpr int n = kLanes<T>;
  Vec<T> acc[kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) acc[j] = Vec<T>{};
  for (int64_t image = 0; image < block.images; ++image) {
    for (int64_t line = 0; line < block.lines; ++line) {
      const T* x = block.x + image * block.x_step.image + line * block.x_step.line + c;
      const T* dy = block.dy + image * block.dy_step.image + line * block.dy_step.line + c;
      for (int64_t p = 0; p < block.pixels; ++p, x += block.x_step.pixel, dy += block.dy_step.pixel)
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j)
          acc[j] += load<T>(x + j * n, lanes) * load<T>(dy + j * n, lanes);
    }
  }
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) {
    T* out = dw + c + j * n;
    store<T>(accumulate ? load<T>(out, lanes) + acc[j] : acc[j], out, lanes);
  }
}

template <class T>
static void depthwise_weight(const ConvPixels<T>& block, int64_t channels, T* dw, bool accumulate) {
  constexpr int64_t n = kLanes<T>;
  int64_t c = 0;
  for (; c + 4 * n <= channels; c += 4 * n)
    depthwise_weight_channels<T, 4>(block, c, n, dw, accumulate);
  for (; c + n <= channels; c += n) depthwise_weight_channels<T, 1>(block, c, n, dw, accumulate);
  if (c < channels) depthwise_weight_channels<T, 1>(block, c, channels - c, dw, accumulate);
}

}  // namespace lepton::LEPTON_ISA
