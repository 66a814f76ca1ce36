// Entry points of the normalisation kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// Memory of channels: element i of channel c in row r lies at r * row_stride + c * run + i, i <
/// run. run is 1 where channels are innermost; otherwise the channels are planes of `run` elements.
struct ChannelBlock {
  int64_t rows, channels, run, row_stride;
};

/// Rows of a layer normalisation; weight and bias, of n elements each, may be null.
template <class T>
struct LayerNormRows {
  int64_t rows, n;
  const T* x;
  const T* weight;
  T* mean;
  T* inverse_std;
};

template <class T>
struct NormPart {
  /// Mean, 1 / sqrt(variance + eps) and y of each row.
  void (*layer_norm)(const LayerNormRows<T>& at, const T* bias, double eps, T* y);
  /// dx of each row; adds the rows' shares to dweight and dbias, which may both be null.
  void (*layer_norm_gradient)(const LayerNormRows<T>& at, const T* dy, T* dx, T* dweight, T* dbias);

  /// Per channel: the mean and the sum of squared distances from it. Kernels on channels read up to
  /// one vector past the end of per-channel arrays that they take, but write only `channels`
  /// elements.
  void (*moments)(const ChannelBlock& at, const T* x, T* mean, T* squares);
  /// y = (x - mean) * scale + shift
  void (*normalize)(const ChannelBlock& at, const T* x, const T* mean, const T* scale,
                    const T* shift, T* y);
  /// Per channel: the sums of dy and of dy * (x - mean).
  void (*gradient_sums)(const ChannelBlock& at, const T* x, const T* dy, const T* mean, T* sum_dy,
                        T* sum_dy_x);
  /// dx = of_dy * dy + of_x * (x - mean) + shift
  void (*gradient)(const ChannelBlock& at, const T* x, const T* dy, const T* mean, const T* of_dy,
                   const T* of_x, const T* shift, T* dx);
};

struct NormTable {
  NormPart<float> f32;
  NormPart<double> f64;
};

/// Elements that per-channel arrays must be longer than the number of channels.
constexpr int64_t kChannelPadding = 16;

}  // namespace lepton
