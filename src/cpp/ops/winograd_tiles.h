// The overlapping tiles that Winograd's algorithm cuts images into, and their transforms.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/shape.h"
#include "kernels/winograd_table.h"
#include "ops/conv_direct.h"

namespace lepton {

/// Every step-th place of an axis, the one at `at` among them: the first, how many, and which of
/// them lies at `at`, which may be outside.
struct WinogradEvery {
  int64_t first, count, index;
  WinogradEvery(int64_t at, int64_t step, int64_t length)
      : first((at % step + step) % step),
        count(ceil_div(std::max<int64_t>(length - first, 0), step)),
        index((at - first) / step) {}
};

/// Spreads the values of a transform over the sets of the first-level cache, in elements.
constexpr int64_t kWinogradSkew = 16;

/// Tiles of `reads` pixels squared whose corners lie `step` pixels apart, image after image and
/// line after line of the grid; zero outside the images.
template <class T>
struct WinogradTiles {
  const T* x;
  ConvStrides strides;  // the channel stride is 1
  int64_t in_h, in_w, channels;
  int64_t first_h, first_w;  // the corner of tile 0
  int64_t step, reads;
  int64_t tiles_h, tiles_w;  // of the grid
  void (*kernel)(const WinogradInput<T>& run);

  /// Where a tile lies: its image, and its place in the grid.
  struct Place {
    int64_t image, h, w;
  };
  Place place(int64_t tile) const {
    return {tile / (tiles_h * tiles_w), tile / tiles_w % tiles_h, tile % tiles_w};
  }

  /// Elements of the patch that transform() needs.
  int64_t patch_size() const { return reads * reads * channels; }

  /// Tiles t0..t1: value i of tile t goes to v[i * v_value + (t - t0) * v_tile + channel].
  void transform(int64_t t0, int64_t t1, T* v, int64_t v_tile, int64_t v_value, T* patch) const {
    WinogradInput<T> run = {};
    run.channels = channels;
    run.v_tile = v_tile;
    run.v_tap = v_value;
    for (int64_t t = t0; t < t1; t += run.tiles) {
      const Place at = place(t);
      const int64_t h = at.h * step + first_h, w = at.w * step + first_w;
      run.tiles = 1;
      run.v = v + (t - t0) * v_tile;
      if (h >= 0 && h + reads <= in_h && w >= 0 && w + reads <= in_w) {
        const int64_t inside = (in_w - reads - w) / step + 1;
        run.tiles = std::min({t1 - t, inside, tiles_w - at.w});
        run.x_pixel = strides.pixel;
        run.x_line = strides.line;
        run.x = x + at.image * strides.image + h * run.x_line + w * run.x_pixel;
      } else {
        copy_patch(at.image, h, w, patch);
        run.x_pixel = channels;
        run.x_line = reads * run.x_pixel;
        run.x = patch;
      }
      kernel(run);
    }
  }

 private:
  // The pixels of a tile that reaches over the edge.
  void copy_patch(int64_t image, int64_t h, int64_t w, T* patch) const {
    for (int64_t i = 0; i < reads * reads; ++i, patch += channels) {
      const int64_t y = h + i / reads, z = w + i % reads;
      const T* pixel = x + image * strides.image + y * strides.line;
      if (y < 0 || y >= in_h || z < 0 || z >= in_w)
        std::fill(patch, patch + channels, T(0));
      else
        std::copy_n(pixel + z * strides.pixel, channels, patch);
    }
  }
};

/// Which tap of the whole kernel the i-th of a pass is, line after line.
template <class T>
int64_t kernel_tap(const ConvPass<T>& pass, int64_t i) {
  const auto width = static_cast<int64_t>(pass.taps_w.size());
  return pass.taps_h[i / width].weight * pass.weight_h +
         pass.taps_w[i % width].weight * pass.weight_w;
}

/// The tiles that a pass of step 1 without dilation reads.
template <class T>
WinogradTiles<T> winograd_tiles(const ConvPass<T>& pass, const WinogradKernel<T>& transform) {
  return {.x = pass.x,
          .strides = pass.x_strides,
          .in_h = pass.in_h,
          .in_w = pass.in_w,
          .channels = pass.in_channels,
          .first_h = pass.taps_h[0].offset,
          .first_w = pass.taps_w[0].offset,
          .step = transform.outputs,
          .reads = transform.outputs + transform.filter - 1,
          .tiles_h = ceil_div(pass.out_h, transform.outputs),
          .tiles_w = ceil_div(pass.out_w, transform.outputs),
          .kernel = transform.input};
}

}  // namespace lepton
