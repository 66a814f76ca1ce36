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
};

template <class T>
struct PoolPart {
  /// y = largest element of each window, NaN if it has one. tap, which may be null, gets its number
  /// within the window: uint8 in the first entry, for windows of up to 255 elements, else int32.
  void (*max[2])(const PoolBlock& at, const T* x, T* y, void* tap);
  /// dx += dy at the tap of each window.
  void (*max_gradient[2])(const PoolBlock& at, const T* dy, const void* tap, T* dx);
  /// y = sum of each window over its lengths, or over divisor where that is not 0.
  void (*average)(const PoolBlock& at, const T* x, int64_t divisor, T* y);
  /// dx += the share of dy in each element of its window.
  void (*average_gradient)(const PoolBlock& at, const T* dy, int64_t divisor, T* dx);
};

struct PoolTable {
  PoolPart<float> f32;
  PoolPart<double> f64;
};

}  // namespace lepton
