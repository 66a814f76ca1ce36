// What the convolution ops have in common: checks of arguments, memory orders, weight gradients.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>

#include "ops/conv_passes.h"
#include "ops/op.h"

namespace lepton {

/// Beyond any image; keeps sums of these numbers far from overflow.
constexpr int64_t kLargestConv = int64_t{1} << 31;

/// ValueError unless both numbers are at least `least` and below kLargestConv.
void check_conv_pair(const char* op, const char* what, Pair p, int64_t least);
/// Ranks, dtypes and groups, and a kernel with points; `channels` describes weight's first axes.
void check_conv_tensors(const char* op, const char* channels, const Tensor& input,
                        const Tensor& weight, const std::optional<Tensor>& bias, int64_t groups);
/// ValueError unless bias, if there is one, holds a number for each output channel.
void check_conv_bias(const char* op, const std::optional<Tensor>& bias, int64_t out_channels);

/// The convolution by `weight` that takes images of size `in` to images of size `out`, one for each
/// image of x.
ConvShape conv_shape(const Tensor& x, const Tensor& weight, Pair in, Pair out, Pair stride,
                     Pair dilation, Pair padding, int64_t groups);

/// The strides of [n, c, h, w]. Those of axes of length 1, which may be anything, are chosen as in
/// channels-last memory, which the passes look for.
ConvStrides conv_strides(const Tensor& x);
/// x, or a copy, with neighbouring channels.
Tensor with_neighbour_channels(const Tensor& x);

/// The gradients of the weight, of shape `of`, and, where asked for, of the bias of the convolution
/// that took x to y.
struct ConvWeightGradients {
  Tensor weight, bias;
};
ConvWeightGradients conv_weight_gradients(const char* op, const ConvShape& shape, const Tensor& x,
                                          const Tensor& dy, const Shape& of, bool bias);

}  // namespace lepton
