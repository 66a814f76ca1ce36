// Depthwise convolution: each channel with its own filter, line by line.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <vector>

#include "ops/conv_direct.h"

namespace lepton {

/// Whether every group of the pass has one input and one output channel.
template <class T>
bool is_depthwise(const ConvPass<T>& pass) {
  return pass.groups > 1 && pass.in_channels == 1 && pass.out_channels == 1;
}

/// Computes the y of depthwise passes that share x and interleave their outputs, in one sweep.
template <class T>
void run_depthwise(const std::vector<ConvPass<T>>& phases);

/// dw, contiguous [channel][taps], and, where db is not null, the sum of dy over pixels; y of the
/// pass and its strides are dy's.
template <class T>
void depthwise_weight_gradient(const ConvPass<T>& forward, const T* dy, T* dw, T* db);

}  // namespace lepton
