// Pooling of images.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// input [N, C, H, W] or [C, H, W]; stride is kernel_size where not given.
Tensor max_pool2d(const Tensor& input, Pair kernel_size, std::optional<Pair> stride = {},
                  Pair padding = {0, 0}, Pair dilation = {1, 1}, bool ceil_mode = false);
Tensor avg_pool2d(const Tensor& input, Pair kernel_size, std::optional<Pair> stride = {},
                  Pair padding = {0, 0}, bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = {});
/// A length of output_size that is not given is the input's.
Tensor adaptive_avg_pool2d(const Tensor& input, MaybePair output_size);
Tensor adaptive_max_pool2d(const Tensor& input, MaybePair output_size);

template <class Visit>
void visit_pool_ops(Visit&& op) {
  op(
      OpInfo{
          .name = "max_pool2d",
          .signature = "input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False",
          .doc =
              "Largest element of each window of images [N, C, H, W] or [C, H, W]; stride None is "
              "kernel_size. ceil_mode keeps windows that end outside.",
          .formula = "windows(input, kernel_size, kernel_size if stride is None else stride, "
                     "padding, dilation, "
                     "-inf, ceil_mode=ceil_mode).max((-2, -1))",
          .samples = "randn(2, 3, 6, 5), 2; randn(2, 20, 7, 8), 3, stride=2, padding=1; "
                     "randn(3, 9, 7), (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2); "
                     "randn(1, 2, 8, 8), 3, stride=2, ceil_mode=True; randn(0, 3, 6, 6), 2",
          .onnx = "MaxPool"},
      &max_pool2d);
  op(OpInfo{.name = "avg_pool2d",
            .signature = "input, kernel_size, stride=None, padding=0, ceil_mode=False, "
                         "count_include_pad=True, "
                         "divisor_override=None",
            .doc = "Mean of each window of images [N, C, H, W] or [C, H, W]; the border of zeros "
                   "counts if "
                   "count_include_pad, and divisor_override replaces the number of elements.",
            .formula =
                "windows(input, kernel_size, kernel_size if stride is None else stride, padding, "
                "1, 0.0, "
                "ceil_mode=ceil_mode).sum((-2, -1)) / (divisor_override if divisor_override else "
                "windows(ones(input.shape), kernel_size, kernel_size if stride is None else "
                "stride, padding, 1, "
                "1.0 if count_include_pad else 0.0, ceil_mode=ceil_mode).sum((-2, -1)))",
            .samples = "randn(2, 3, 6, 5), 2; randn(2, 20, 7, 8), 3, stride=2, padding=1; "
                       "randn(2, 3, 7, 8), 3, stride=2, padding=1, count_include_pad=False; "
                       "randn(3, 9, 7), (3, 2), stride=(2, 1), divisor_override=4; "
                       "randn(1, 2, 8, 8), 3, stride=2, ceil_mode=True, count_include_pad=False",
            .onnx = "AveragePool"},
     &avg_pool2d);
  op(OpInfo{.name = "adaptive_avg_pool2d",
            .signature = "input, output_size",
            .doc = "Mean of windows that cut height and width of [N, C, H, W] or [C, H, W] into "
                   "output_size parts; "
                   "part i of p covers elements i * n // p to ceil((i + 1) * n / p). None keeps a "
                   "length.",
            .formula = "adaptive_pool(input, output_size, mean)",
            .samples =
                "randn(2, 3, 6, 5), 1; randn(2, 20, 7, 8), (3, 5); randn(3, 9, 7), (None, 2)"},
     &adaptive_avg_pool2d);
  op(OpInfo{.name = "adaptive_max_pool2d",
            .signature = "input, output_size",
            .doc = "Largest element of windows that cut height and width of [N, C, H, W] or [C, H, "
                   "W] into "
                   "output_size parts, as adaptive_avg_pool2d does.",
            .formula = "adaptive_pool(input, output_size, max)",
            .samples =
                "randn(2, 3, 6, 5), 1; randn(2, 20, 7, 8), (3, 5); randn(3, 9, 7), (None, 2)"},
     &adaptive_max_pool2d);
}

}  // namespace lepton
