// Entry points of the pooling kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// The window of one output coordinate along one axis: its `count` input coordinates that lie
/// inside the image, from `first` on, and the length that an average divides by.
struct PoolSpan {
  int64_t first, count, length;
};

/// Windows of a block of output lines over one channels-last image; distances are in elements.
struct PoolBlock {
  int64_t channels;
  int64_t line_count, pixel_count;  // of the output
  const PoolSpan* lines;
  const PoolSpan* pixels;
  int64_t line, pixel;            // from one input coordinate to the next
  int64_t line_step, pixel_step;  // from one tap of a window to the next
  int64_t image;                  // elements of the image
  bool stream;                    // store y past the caches
};

/// A window of `taps` taps that has a given input coordinate as its `tap`, and the coordinate's
/// share of an average along this axis.
struct PoolSource {
  int64_t window, tap, taps;
  double share;
};
/// The windows of input coordinate i are source[first[i]] .. source[first[i + 1] - 1].
struct PoolSources {
  const int64_t* first;
  const PoolSource* source;
};

/// A block of input lines of one channels-last image, and the windows that have their elements.
struct PoolGradientBlock {
  int64_t channels;
  int64_t first_line, line_count, pixel_count;  // of the input
  PoolSources lines, pixels;
  int64_t out_pixels;
  bool stream;  // store past the caches
};

template <class T>
struct PoolPart {
  /// y = largest element of each window, NaN if it has one. tap, which may be null, gets its number
  /// within the window: uint8 in the first entry, for windows of up to 255 elements, else int32.
  void (*max[2])(const PoolBlock& at, const T* x, T* y, void* tap);
  /// dx = sum of dy of the windows whose tap is the element; dy and tap are the image's.
  void (*max_gradient[2])(const PoolGradientBlock& at, const T* dy, const void* tap, T* dx);
  /// y = sum of each window over its lengths, or over divisor where that is not 0.
  void (*average)(const PoolBlock& at, const T* x, int64_t divisor, T* y);
  /// dx = sum of the shares of dy of the windows that have the element.
  void (*average_gradient)(const PoolGradientBlock& at, const T* dy, T* dx);
};

struct PoolTable {
  PoolPart<float> f32;
  PoolPart<double> f64;
};

}  // namespace lepton
