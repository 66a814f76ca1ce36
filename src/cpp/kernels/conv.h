// Weight-gradient tile of convolution and its packing; everything else is the tile of gemm.h.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/conv_table.h"
#include "kernels/gemm.h"

namespace lepton::LEPTON_ISA {

/// The tile with its sizes fixed.
template <class T, int kRows, int kVectors>
static void conv_weight_fixed(const ConvPixels<T>& block, T* dw, bool accumulate) {
  constexpr int n = kLanes<T>;
  const int64_t x_pixel = block.x_step.pixel, dy_pixel = block.dy_step.pixel;
  const int64_t pixels = block.pixels;
  int64_t offset[kRows];
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) offset[i] = block.x_offsets[i];
  Vec<T> acc[kRows][kVectors], yv[kVectors];
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      acc[i][j] = Vec<T>{};
      __builtin_prefetch(dw + (i * kVectors + j) * n, 1);
    }
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
          const Vec<T> xv = splat<T>(x[offset[i]]);
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
      T* out = dw + (i * kVectors + j) * n;
      store<T>(accumulate ? load<T>(out) + acc[i][j] : acc[i][j], out);
    }
}

/// Runs the tile built for this many rows.
template <class T, int kRows, int kVectors>
static void conv_weight_tile(const ConvPixels<T>& block, int64_t rows, T* dw, bool accumulate) {
  if constexpr (kRows > 1)
    if (rows < kRows) return conv_weight_tile<T, kRows - 1, kVectors>(block, rows, dw, accumulate);
  conv_weight_fixed<T, kRows, kVectors>(block, dw, accumulate);
}

/// Panel q takes kWidth columns from columns_padded * q / panels on: zeros past the last column.
template <class T, int kWidth>
static void conv_pack_panels(const ConvPanels<T>& p) {
  constexpr int64_t kPixels = 16;  // lines of them stay in the first-level cache over all panels
  for (int64_t first = 0; first < p.pixels; first += kPixels) {
    const int64_t pixels = p.pixels - first < kPixels ? p.pixels - first : kPixels;
    for (int64_t q = 0; q < p.panels; ++q) {
      const int64_t column = p.columns_padded * q / p.panels, valid = p.columns - column;
      const T* from = p.from + first * p.from_pixel + column;
      T* to = p.to + q * p.panel + first * kWidth;
      if (valid >= kWidth) {
        for (int64_t i = 0; i < pixels; ++i)
          memcpy(to + i * kWidth, from + i * p.from_pixel, kWidth * sizeof(T));
      } else {
        for (int64_t i = 0; i < pixels; ++i)
          for (int64_t j = 0; j < kWidth; ++j)
            to[i * kWidth + j] = j < valid ? from[i * p.from_pixel + j] : T(0);
      }
    }
  }
}

template <class T, int kRows, int kVectors>
constexpr ConvWeightKernel<T> kConvWeightKernel = {
    kRows, kVectors* kLanes<T>, conv_weight_tile<T, kRows, kVectors>, conv_pack_panels<T, kRows>,
    conv_pack_panels<T, kVectors * kLanes<T>>};

}  // namespace lepton::LEPTON_ISA
