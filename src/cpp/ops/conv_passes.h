// The three passes of a 2-d convolution on raw memory: forward, to the input, to the weights.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/conv_direct.h"

namespace lepton {

/// The geometry of a 2-d convolution; channel counts are those of one group.
struct ConvShape {
  int64_t images, groups;
  int64_t in_channels, out_channels;
  int64_t in_h, in_w, out_h, out_w;
  int64_t kernel_h, kernel_w;
  int64_t stride_h, stride_w;
  int64_t dilation_h, dilation_w;
  int64_t pad_top, pad_left;
};

/// The forward pass over x, without weight, bias and y.
template <class T>
ConvPass<T> forward_pass(const ConvShape& shape, const T* x, const ConvStrides& x_strides);

/// y = conv(x, weight) + bias; y's channels are neighbours, weight is contiguous [out, in, h, w].
template <class T>
void conv_forward(const ConvShape& shape, const T* x, const ConvStrides& x_strides,
                  const Tensor& weight, const T* bias, T* y, const ConvStrides& y_strides);

/// dx from dy, plus the bias of a transposed convolution; dx's channels are neighbours.
template <class T>
void conv_backward_data(const ConvShape& shape, const T* dy, const ConvStrides& dy_strides,
                        const Tensor& weight, T* dx, const ConvStrides& dx_strides,
                        const T* bias = nullptr);

/// dw, contiguous [out, in, h, w], from x and dy, whose channels are neighbours; and where db is
/// not null the sums of dy over pixels.
template <class T>
void conv_backward_weight(const ConvShape& shape, const T* x, const ConvStrides& x_strides,
                          const T* dy, const ConvStrides& dy_strides, T* dw, T* db = nullptr);

}  // namespace lepton
