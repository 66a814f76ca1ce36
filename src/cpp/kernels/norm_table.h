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

/// What follows a normalisation: nothing, a ReLU, or a ReLU of the sum with a residual.
enum class Activation { kNone, kRelu, kResidualRelu };
constexpr int kActivations = 3;

/// Per channel: y = (x - mean) * scale + shift.
template <class T>
struct ChannelAffine {
  const T* mean;
  const T* scale;
  const T* shift;
};

/// What arrives in a backward pass. With a residual, y is the result of forward and dz takes dy
/// where y is positive and else 0; dz may be dy.
template <class T>
struct ChannelGradient {
  ChannelAffine<T> by;
  const T* dy;
  const T* y;
  T* dz;
};

/// Per channel: dx = of_dy * dy + of_x * (x - mean) + constant.
template <class T>
struct ChannelSlope {
  const T* of_dy;
  const T* of_x;
  const T* constant;
};

/// Rows of a layer normalisation; weight and bias, of n elements each, may be null. `stream` stores
/// y past the caches.
template <class T>
struct LayerNormRows {
  int64_t rows, n;
  bool stream;
  const T* x;
  const T* weight;
  T* mean;
  T* inverse_std;
};

template <class T>
struct NormPart {
  /// Mean, 1 / sqrt(variance + eps) and y of each row.
  void (*layer_norm)(const LayerNormRows<T>& at, const T* bias, double eps, T* y);
  /// dx of each row; adds the rows' shares to dweight and dbias, which may both be null. dx may be
  /// dy.
  void (*layer_norm_gradient)(const LayerNormRows<T>& at, const T* dy, T* dx, T* dweight, T* dbias);

  /// Per channel: the mean and the sum of squared distances from it. Kernels on channels read up to
  /// one vector past the end of per-channel arrays that they take, but write only `channels`
  /// elements.
  void (*moments)(const ChannelBlock& at, const T* x, T* mean, T* squares);
  /// By Activation: y = activation(affine of x [+ residual]); `stream` stores it past the caches.
  void (*normalize[kActivations])(const ChannelBlock& at, const T* x, const ChannelAffine<T>& by,
                                  const T* residual, bool stream, T* y);
  /// By Activation, whose own gradient is taken first: per channel the sums of dy and of dy * (x -
  /// mean).
  void (*gradient_sums[kActivations])(const ChannelBlock& at, const T* x,
                                      const ChannelGradient<T>& g, T* sum_dy, T* sum_dy_x);
  /// By Activation: dx. With a residual dz is dy by then: its entry is that of no activation. dx
  /// may be dy where channels are planes or fill whole vectors.
  void (*gradient[kActivations])(const ChannelBlock& at, const T* x, const ChannelGradient<T>& g,
                                 const ChannelSlope<T>& slope, bool stream, T* dx);
};

struct NormTable {
  NormPart<float> f32;
  NormPart<double> f64;
};

/// Elements that per-channel arrays must be longer than the number of channels, and a multiple of
/// every vector's lanes.
constexpr int64_t kChannelPadding = 16;

}  // namespace lepton
