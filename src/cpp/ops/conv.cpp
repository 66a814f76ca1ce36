// conv2d: checks, layouts and gradients around the convolution passes.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv.h"

#include "autograd/node.h"
#include "ops/conv_arguments.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {
namespace {

void check_tensors(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
                   int64_t groups) {
  check_conv_tensors("conv2d", "out, in / groups", input, weight, bias, groups);
  check<ValueError>(weight.length(1) == input.length(1) / groups, "conv2d: weight expects ",
                    weight.length(1) * groups, " input channels, got ", input.length(1),
                    " (input: ", input.shape(), ", weight: ", weight.shape(), ", groups: ", groups,
                    ")");
  check_conv_bias("conv2d", bias, weight.length(0));
}

// Zeros before and after one axis.
struct Sides {
  int64_t before, after;
};

// An odd zero goes after the image, as in PyTorch.
Sides sides(const Padding& padding, int64_t amount, int64_t kernel, int64_t dilation) {
  if (padding.mode == "same")
    return {dilation * (kernel - 1) / 2, (dilation * (kernel - 1) + 1) / 2};
  return {amount, amount};
}

int64_t output_length(const Tensor& input, const Tensor& weight, int axis, Sides pad,
                      int64_t stride, int64_t dilation) {
  const int64_t reach = dilation * (weight.length(axis) - 1) + 1;
  const int64_t padded = input.length(axis) + pad.before + pad.after;
  check<ValueError>(padded >= reach, "conv2d: the kernel reaches over ", reach,
                    " pixels, the padded input has ", padded, " (input: ", input.shape(),
                    ", weight: ", weight.shape(), ")");
  return (padded - reach) / stride + 1;
}

ConvShape checked_shape(const Tensor& input, const Tensor& weight, Pair stride,
                        const Padding& padding, Pair dilation, int64_t groups) {
  check_conv_pair("conv2d", "stride", stride, 1);
  check_conv_pair("conv2d", "dilation", dilation, 1);
  check_conv_pair("conv2d", "padding", padding.amount, 0);
  check<ValueError>(padding.mode.empty() || padding.mode == "valid" || padding.mode == "same",
                    "conv2d: padding expects numbers, 'same' or 'valid', got '", padding.mode, "'");
  check<ValueError>(padding.mode != "same" || (stride.first == 1 && stride.second == 1),
                    "conv2d: padding 'same' expects stride 1, got (", stride.first, ", ",
                    stride.second, ")");
  const Pair amount = padding.mode.empty() ? padding.amount : Pair{};
  const Sides h = sides(padding, amount.first, weight.length(2), dilation.first);
  const Sides w = sides(padding, amount.second, weight.length(3), dilation.second);
  const Pair out = {output_length(input, weight, 2, h, stride.first, dilation.first),
                    output_length(input, weight, 3, w, stride.second, dilation.second)};
  return conv_shape(input, weight, {input.length(2), input.length(3)}, out, stride, dilation,
                    {h.before, w.before}, groups);
}

void record_gradient(Recorder& tape, const ConvShape& shape, const Tensor& input,
                     const Tensor& weight) {
  tape.joint([shape, input = tape.needs(1) ? tape.save(input) : Saved(),
              weight = tape.needs(0) ? tape.save(weight) : Saved(), in = input.shape(),
              of = weight.shape()](const Tensor& dy, Gradients& dx) {
    if (dx.needs(0)) {
      const Tensor w = contiguous(*weight);
      dx[0] = empty_channels_last(in, dy.dtype());
      dispatch_floating("conv2d", dy.dtype(), [&]<class T>() {
        conv_backward_data<T>(shape, dy.data<T>(), conv_strides(dy), w, dx[0].data<T>(),
                              conv_strides(dx[0]));
      });
    }
    if (dx.needs(1)) {
      const auto d = conv_weight_gradients("conv2d", shape, *input, dy, of, dx.needs(2));
      dx[1] = d.weight, dx[2] = d.bias;
    } else if (dx.needs(2)) {
      dx[2] = sum(dy, Dims{0, 2, 3});
    }
  });
}

}  // namespace

Tensor conv2d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias,
              Pair stride, const Padding& padding, Pair dilation, int64_t groups) {
  if (input.ndim() == 3)
    return squeeze(conv2d(expand_dims(input, 0), weight, bias, stride, padding, dilation, groups),
                   {0});
  check_tensors(input, weight, bias, groups);
  const ConvShape shape = checked_shape(input, weight, stride, padding, dilation, groups);
  const Tensor y = empty_channels_last({shape.images, weight.length(0), shape.out_h, shape.out_w},
                                       input.dtype());
  const Tensor w = contiguous(weight), b = bias ? contiguous(*bias) : Tensor();
  dispatch_floating("conv2d", input.dtype(), [&]<class T>() {
    conv_forward<T>(shape, input.data<T>(), conv_strides(input), w, bias ? b.data<T>() : nullptr,
                    y.data<T>(), conv_strides(y));
  });
  const Tensor none;
  Recorder tape("conv2d", {&input, &weight, bias ? &*bias : &none});
  if (tape) record_gradient(tape, shape, input, weight);
  return tape.output(y);
}

}  // namespace lepton
