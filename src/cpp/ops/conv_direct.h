// Direct convolution: a sum over taps straight from the image, without a patch matrix.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace lepton {

/// Distances, in elements, between neighbours of an image batch or of weights, axis by axis.
struct ConvStrides {
  int64_t image, channel, line, pixel;
};

/// One tap along one axis: where it reads, relative to step * output, and which weight it takes.
struct ConvTap {
  int64_t offset, weight;
};

/// The taps [first, last) of an axis, by rising offset, that read inside its `length` for some of
/// the places from `begin` to `end` that they are moved to.
struct TapRange {
  int64_t first, last;
  bool operator==(const TapRange&) const = default;
};
TapRange taps_inside(const std::vector<ConvTap>& taps, int64_t begin, int64_t end, int64_t length);

/// y[n, j, h, w] = bias[j] + sum over taps and channels c of x[n, c, h * step_h + tap, w * step_w +
/// tap] weight[j, c, tap], where x is zero outside its bounds. Channel counts are those of one
/// group.
template <class T>
struct ConvPass {
  int64_t images, groups, in_channels, out_channels;
  int64_t in_h, in_w, out_h, out_w;
  int64_t step_h, step_w;
  std::vector<ConvTap> taps_h, taps_w;  // by rising offset
  const T* x;
  ConvStrides x_strides;
  const T* weight;
  const Tensor* weight_tensor;  // whose content that is: what is derived from it may be kept
  int64_t weight_group, weight_in, weight_out, weight_h, weight_w;  // strides
  int64_t weight_plane;  // taps of the whole kernel, which lie together
  const T* bias;         // null for none
  T* y;
  ConvStrides y_strides;  // the channel stride is 1
};

/// Computes the outputs of passes over the same x on all threads; the same bits for any number of
/// them.
template <class T>
void run_passes(const std::vector<ConvPass<T>>& passes);

}  // namespace lepton
