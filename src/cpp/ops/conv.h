// Convolution of images and its transpose.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// input [n, in, h, w] or [in, h, w], weight [out, in / groups, h, w], bias [out].
Tensor conv2d(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias = {},
              Pair stride = {1, 1}, const Padding& padding = {}, Pair dilation = {1, 1},
              int64_t groups = 1);

/// input [n, in, h, w] or [in, h, w], weight [in, out / groups, h, w], bias [out].
Tensor conv_transpose2d(const Tensor& input, const Tensor& weight,
                        const std::optional<Tensor>& bias = {}, Pair stride = {1, 1},
                        Pair padding = {}, Pair output_padding = {}, int64_t groups = 1,
                        Pair dilation = {1, 1});

template <class Visit>
void visit_conv_ops(Visit&& op) {
  op(OpInfo{.name = "conv2d",
            .signature = "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
            .doc =
                "Cross-correlation of images: input [n, in, h, w] or [in, h, w], weight "
                "[out, in / groups, kernel_h, kernel_w], bias [out]. padding is a number, a pair, "
                "'valid' (none) or 'same' (as large an output as the input; stride 1 only).",
            .formula = "convolve(input, weight, stride, padding, dilation, groups) + "
                       "(0 if bias is None else bias[:, None, None])",
            .samples = "randn(2, 3, 6, 5), randn(4, 3, 3, 2); "
                       "randn(2, 3, 7, 6), randn(4, 3, 3, 3), randn(4), stride=2, padding=1; "
                       "randn(1, 4, 8, 7), randn(6, 2, 3, 2), stride=(1, 2), padding=(2, 1), "
                       "dilation=(2, 1), groups=2; "
                       "randn(2, 4, 5, 5), randn(4, 1, 3, 3), padding='same', groups=4; "
                       "randn(3, 6, 6), randn(2, 3, 1, 1), padding='valid'; "
                       "randn(2, 32, 7, 10), randn(40, 32, 3, 3), randn(40), padding=1",
            .onnx = "Conv"},
     &conv2d);
  op(OpInfo{.name = "conv_transpose2d",
            .signature = "input, weight, bias=None, stride=1, padding=0, output_padding=0, "
                         "groups=1, dilation=1",
            .doc = "Transposed convolution of images, the map of conv2d's gradient with respect "
                   "to its input: input [n, in, h, w] or [in, h, w], weight [in, out / groups, "
                   "kernel_h, kernel_w], bias [out]. A size s becomes (s - 1) * stride - 2 * "
                   "padding + dilation * (kernel - 1) + output_padding + 1; output_padding is "
                   "less than the stride or the dilation.",
            .formula = "convolve_transposed(input, weight, stride, padding, output_padding, "
                       "groups, dilation) + (0 if bias is None else bias[:, None, None])",
            .samples = "randn(2, 3, 4, 5), randn(3, 4, 3, 2); "
                       "randn(2, 3, 4, 3), randn(3, 4, 3, 3), randn(4), stride=2, padding=1, "
                       "output_padding=1; "
                       "randn(1, 4, 3, 4), randn(4, 3, 3, 2), randn(6), stride=(1, 2), "
                       "padding=(2, 1), output_padding=(1, 0), groups=2, dilation=(2, 1); "
                       "randn(2, 4, 3, 3), randn(4, 1, 4, 4), stride=2, padding=1, groups=4; "
                       "randn(3, 4, 4), randn(3, 2, 1, 1), stride=3; "
                       "randn(2, 3, 2, 2), randn(3, 2, 2, 2), stride=1, padding=1, "
                       "output_padding=2, dilation=3",
            .onnx = "ConvTranspose"},
     &conv_transpose2d);
}

}  // namespace lepton
