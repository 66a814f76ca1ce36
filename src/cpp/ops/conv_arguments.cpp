// Checks and memory orders of the convolution ops.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_arguments.h"

namespace lepton {

void check_conv_pair(const char* op, const char* what, Pair p, int64_t least) {
  check<ValueError>(
      p.first >= least && p.second >= least && p.first < kLargestConv && p.second < kLargestConv,
      op, ": ", what, " expects numbers from ", least, " to ", kLargestConv - 1, ", got (", p.first,
      ", ", p.second, ")");
}

void check_conv_tensors(const char* op, const char* channels, const Tensor& input,
                        const Tensor& weight, const std::optional<Tensor>& bias, int64_t groups) {
  check<ValueError>(input.ndim() == 4 && weight.ndim() == 4, op,
                    ": expects input [n, in, h, w] and weight [", channels,
                    ", h, w] (input: ", input.shape(), ", weight: ", weight.shape(), ")");
  check<TypeError>(is_floating(input.dtype()) && input.dtype() == weight.dtype() &&
                       (!bias || bias->dtype() == weight.dtype()),
                   op, ": expects one floating dtype (input: ", input.dtype(),
                   ", weight: ", weight.dtype(), ", bias: ", bias ? name(bias->dtype()) : "none",
                   ")");
  check<ValueError>(groups >= 1 && weight.length(0) % groups == 0 && input.length(1) % groups == 0,
                    op, ": groups = ", groups,
                    " does not divide the channels (input: ", input.shape(),
                    ", weight: ", weight.shape(), ")");
  check<ValueError>(weight.length(2) > 0 && weight.length(3) > 0 &&
                        weight.length(2) < kLargestConv && weight.length(3) < kLargestConv,
                    op, ": the kernel is empty (weight: ", weight.shape(), ")");
}

void check_conv_bias(const char* op, const std::optional<Tensor>& bias, int64_t out_channels) {
  check<ValueError>(!bias || (bias->ndim() == 1 && bias->length(0) == out_channels), op,
                    ": bias expects [", out_channels, "], got ", bias ? bias->shape() : Shape());
}

ConvShape conv_shape(const Tensor& x, const Tensor& weight, Pair in, Pair out, Pair stride,
                     Pair dilation, Pair padding, int64_t groups) {
  return {.images = x.length(0),
          .groups = groups,
          .in_channels = weight.length(1),
          .out_channels = weight.length(0) / groups,
          .in_h = in.first,
          .in_w = in.second,
          .out_h = out.first,
          .out_w = out.second,
          .kernel_h = weight.length(2),
          .kernel_w = weight.length(3),
          .stride_h = stride.first,
          .stride_w = stride.second,
          .dilation_h = dilation.first,
          .dilation_w = dilation.second,
          .pad_top = padding.first,
          .pad_left = padding.second};
}

ConvStrides conv_strides(const Tensor& x) {
  ConvStrides s = {x.strides()[0], x.strides()[1], x.strides()[2], x.strides()[3]};
  if (x.length(1) == 1) s.channel = 1;
  if (x.length(3) == 1) s.pixel = x.length(1) * s.channel;
  if (x.length(2) == 1) s.line = x.length(3) * s.pixel;
  if (x.length(0) == 1) s.image = x.length(2) * s.line;
  return s;
}

Tensor with_neighbour_channels(const Tensor& x) {
  return conv_strides(x).channel == 1 ? x : channels_last(x);
}

ConvWeightGradients conv_weight_gradients(const char* op, const ConvShape& shape, const Tensor& x,
                                          const Tensor& dy, const Shape& of, bool bias) {
  const Tensor from = with_neighbour_channels(x), by = with_neighbour_channels(dy);
  ConvWeightGradients d = {empty(of, dy.dtype()), {}};
  if (bias) d.bias = empty({dy.length(1)}, dy.dtype());
  dispatch_floating(op, dy.dtype(), [&]<class T>() {
    conv_backward_weight<T>(shape, from.data<T>(), conv_strides(from), by.data<T>(),
                            conv_strides(by), d.weight.data<T>(),
                            bias ? d.bias.data<T>() : nullptr);
  });
  return d;
}

}  // namespace lepton
