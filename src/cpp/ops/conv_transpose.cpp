// conv_transpose2d: the passes of a convolution with input and output exchanged.
// SPDX-License-Identifier: Apache-2.0
#include "autograd/node.h"
#include "ops/conv.h"
#include "ops/conv_arguments.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {
namespace {

constexpr const char* kOp = "conv_transpose2d";

void check_transpose_tensors(const Tensor& input, const Tensor& weight,
                             const std::optional<Tensor>& bias, int64_t groups) {
  check_conv_tensors(kOp, "in, out / groups", input, weight, bias, groups);
  check<ValueError>(weight.length(0) == input.length(1), kOp, ": weight expects ", weight.length(0),
                    " input channels, got ", input.length(1), " (input: ", input.shape(),
                    ", weight: ", weight.shape(), ")");
  check_conv_bias(kOp, bias, weight.length(1) * groups);
}

int64_t output_length(const Tensor& input, const Tensor& weight, int axis, int64_t stride,
                      int64_t padding, int64_t output_padding, int64_t dilation) {
  check<ValueError>(output_padding < std::max(stride, dilation), kOp,
                    ": output_padding expects less than the stride or the dilation, got ",
                    output_padding, " (stride: ", stride, ", dilation: ", dilation, ")");
  check<ValueError>(input.length(axis) < kLargestConv, kOp,
                    ": the input is too large (input: ", input.shape(), ")");
  const int64_t length = (input.length(axis) - 1) * stride - 2 * padding +
                         dilation * (weight.length(axis) - 1) + output_padding + 1;
  check<ValueError>(length >= 1, kOp, ": padding ", padding,
                    " leaves no output (input: ", input.shape(), ", weight: ", weight.shape(),
                    ", stride: ", stride, ")");
  return length;
}

// The convolution that takes the result's shape to the input's.
ConvShape checked_shape(const Tensor& input, const Tensor& weight, Pair stride, Pair padding,
                        Pair output_padding, int64_t groups, Pair dilation) {
  check_conv_pair(kOp, "stride", stride, 1);
  check_conv_pair(kOp, "padding", padding, 0);
  check_conv_pair(kOp, "output_padding", output_padding, 0);
  check_conv_pair(kOp, "dilation", dilation, 1);
  const Pair out = {output_length(input, weight, 2, stride.first, padding.first,
                                  output_padding.first, dilation.first),
                    output_length(input, weight, 3, stride.second, padding.second,
                                  output_padding.second, dilation.second)};
  return conv_shape(input, weight, out, {input.length(2), input.length(3)}, stride, dilation,
                    padding, groups);
}

void record_transpose_gradient(Recorder& tape, const ConvShape& shape, const Tensor& input,
                               const Tensor& weight) {
  tape.joint([shape, input = tape.needs(1) ? tape.save(input) : Saved(),
              weight = tape.needs(0) ? tape.save(weight) : Saved(), in = input.shape(),
              of = weight.shape()](const Tensor& dy, Gradients& dx) {
    if (dx.needs(0)) {
      const Tensor w = contiguous(*weight);
      dx[0] = empty_channels_last(in, dy.dtype());
      dispatch_floating(kOp, dy.dtype(), [&]<class T>() {
        conv_forward<T>(shape, dy.data<T>(), conv_strides(dy), w, nullptr, dx[0].data<T>(),
                        conv_strides(dx[0]));
      });
    }
    if (dx.needs(1)) dx[1] = conv_weight_gradients(kOp, shape, dy, *input, of, false).weight;
    if (dx.needs(2)) dx[2] = sum(dy, Dims{0, 2, 3});
  });
}

}  // namespace

Tensor conv_transpose2d(const Tensor& input, const Tensor& weight,
                        const std::optional<Tensor>& bias, Pair stride, Pair padding,
                        Pair output_padding, int64_t groups, Pair dilation) {
  if (input.ndim() == 3)
    return squeeze(conv_transpose2d(expand_dims(input, 0), weight, bias, stride, padding,
                                    output_padding, groups, dilation),
                   {0});
  check_transpose_tensors(input, weight, bias, groups);
  const ConvShape shape =
      checked_shape(input, weight, stride, padding, output_padding, groups, dilation);
  const Tensor y = empty_channels_last(
      {shape.images, shape.groups * shape.in_channels, shape.in_h, shape.in_w}, input.dtype());
  const Tensor w = contiguous(weight), b = bias ? contiguous(*bias) : Tensor();
  dispatch_floating(kOp, input.dtype(), [&]<class T>() {
    conv_backward_data<T>(shape, input.data<T>(), conv_strides(input), w, y.data<T>(),
                          conv_strides(y), bias ? b.data<T>() : nullptr);
  });
  const Tensor none;
  Recorder tape(kOp, {&input, &weight, bias ? &*bias : &none});
  if (tape) record_transpose_gradient(tape, shape, input, weight);
  return tape.output(y);
}

}  // namespace lepton
