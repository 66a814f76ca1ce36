// Batch, layer and group normalisation.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// input [N, C], [N, C, L] or [N, C, H, W]. In training the running buffers move towards the batch.
Tensor batch_norm(const Tensor& input, const std::optional<Tensor>& running_mean,
                  const std::optional<Tensor>& running_var,
                  const std::optional<Tensor>& weight = {}, const std::optional<Tensor>& bias = {},
                  bool training = false, double momentum = 0.1, double eps = 1e-5);
/// ReLU of batch_norm, or of its sum with residual.
Tensor batch_norm_relu(const Tensor& input, const std::optional<Tensor>& running_mean,
                       const std::optional<Tensor>& running_var,
                       const std::optional<Tensor>& weight = {},
                       const std::optional<Tensor>& bias = {},
                       const std::optional<Tensor>& residual = {}, bool training = false,
                       double momentum = 0.1, double eps = 1e-5);
/// input [N, C, ...]; normalises each sample over num_groups groups of neighbouring channels.
Tensor group_norm(const Tensor& input, int64_t num_groups, const std::optional<Tensor>& weight = {},
                  const std::optional<Tensor>& bias = {}, double eps = 1e-5);
/// Normalises over the last axes, which have normalized_shape.
Tensor layer_norm(const Tensor& input, const Dims& normalized_shape,
                  const std::optional<Tensor>& weight = {}, const std::optional<Tensor>& bias = {},
                  double eps = 1e-5);

template <class Visit>
void visit_norm_ops(Visit&& op) {
  op(
      OpInfo{
          .name = "batch_norm",
          .signature = "input, running_mean, running_var, weight=None, bias=None, training=False, "
                       "momentum=0.1, eps=1e-05",
          .doc =
              "(x - mean) / sqrt(var + eps) * weight + bias per channel of [N, C], [N, C, L] or "
              "[N, C, H, W], with the running statistics, or in training with the batch's, towards "
              "which the running ones (may be None) then move by momentum.",
          .formula =
              "(lambda x, axes, shape: (x - (mean(x, axis=axes, keepdims=True) if training else "
              "running_mean.reshape(shape))) / sqrt((var(x, axis=axes, keepdims=True) if training "
              "else "
              "running_var.reshape(shape)) + eps) * (1 if weight is None else "
              "weight.reshape(shape)) + "
              "(0 if bias is None else bias.reshape(shape)))(input, (0, *range(2, input.ndim)), "
              "(1, -1, *[1] * (input.ndim - 2)))",
          .samples = "randn(8, 3), None, None, training=True; "
                     "randn(2, 20, 5), None, None, rand(20), randn(20), training=True; "
                     "randn(2, 3, 4, 5), randn(3), rand(3), rand(3), randn(3); "
                     "randn(2, 3, 4, 5), None, None, rand(3), randn(3), training=True, eps=0.1",
          .onnx = "BatchNormalization",
          .constants = "running_mean, running_var"},
      &batch_norm);
  op(
      OpInfo{
          .name = "batch_norm_relu",
          .signature = "input, running_mean, running_var, weight=None, bias=None, residual=None, "
                       "training=False, momentum=0.1, eps=1e-05",
          .doc = "relu(batch_norm(input, ...) + residual) in one pass over memory, also backward; "
                 "residual has the shape of input.",
          .formula =
              "(lambda x, axes, shape: maximum((x - (mean(x, axis=axes, keepdims=True) if training "
              "else running_mean.reshape(shape))) / sqrt((var(x, axis=axes, keepdims=True) if "
              "training else running_var.reshape(shape)) + eps) * (1 if weight is None else "
              "weight.reshape(shape)) + (0 if bias is None else bias.reshape(shape)) + (0 if "
              "residual is None else residual), 0))(input, (0, *range(2, input.ndim)), "
              "(1, -1, *[1] * (input.ndim - 2)))",
          .samples = "randn(8, 3), None, None, training=True; "
                     "randn(2, 20, 5), None, None, rand(20), randn(20), training=True; "
                     "randn(2, 3, 4, 5), randn(3), rand(3), rand(3), randn(3); "
                     "randn(2, 3, 4, 5), None, None, rand(3), randn(3), randn(2, 3, 4, 5), "
                     "training=True, eps=0.1",
          .constants = "running_mean, running_var"},
      &batch_norm_relu);
  op(OpInfo{.name = "group_norm",
            .signature = "input, num_groups, weight=None, bias=None, eps=1e-05",
            .doc = "(x - mean) / sqrt(var + eps) * weight + bias of [N, C, ...], with mean and "
                   "variance of each sample over each of num_groups groups of neighbouring "
                   "channels; weight and bias have one value per channel.",
            .formula =
                "(lambda x, shape: ((x - mean(x, axis=2, keepdims=True)) / sqrt(var(x, axis=2, "
                "keepdims=True) + eps)).reshape(input.shape) * (1 if weight is None else "
                "weight.reshape(shape)) + (0 if bias is None else bias.reshape(shape)))"
                "(input.reshape(input.shape[0], num_groups, prod(input.shape[1:]) // num_groups), "
                "(1, -1, *[1] * (input.ndim - 2)))",
            .samples = "randn(3, 6), 2; randn(2, 20, 5), 5, rand(20), randn(20); "
                       "randn(2, 6, 4, 5), 3, rand(6), randn(6), eps=0.1; "
                       "randn(2, 4, 3, 2, 2), 1, rand(4)",
            .onnx = "GroupNormalization"},
     &group_norm);
  op(OpInfo{.name = "layer_norm",
            .signature = "input, normalized_shape, weight=None, bias=None, eps=1e-05",
            .doc = "(x - mean) / sqrt(var + eps) * weight + bias over the last axes, of "
                   "normalized_shape, which "
                   "weight and bias have too.",
            .formula =
                "(lambda x, axes: (x - mean(x, axis=axes, keepdims=True)) / sqrt(var(x, axis=axes, "
                "keepdims=True) + eps) * (1 if weight is None else weight) + (0 if bias is None "
                "else bias))"
                "(input, tuple(range(input.ndim - size(normalized_shape), input.ndim)))",
            .samples = "randn(4, 5), (5,); randn(2, 3, 20), (20,), rand(20), randn(20); "
                       "randn(2, 3, 4), (3, 4), rand(3, 4), eps=0.1",
            .onnx = "LayerNormalization"},
     &layer_norm);
}

}  // namespace lepton
