// Losses: classes, probabilities and regression.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "ops/op.h"

namespace lepton {

using MaybeTensor = std::optional<Tensor>;

Tensor cross_entropy(const Tensor& input, const Tensor& target, const MaybeTensor& weight = {},
                     int64_t ignore_index = -100, const std::string& reduction = "mean",
                     double label_smoothing = 0);
Tensor nll_loss(const Tensor& input, const Tensor& target, const MaybeTensor& weight = {},
                int64_t ignore_index = -100, const std::string& reduction = "mean");
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const MaybeTensor& weight = {},
                                        const std::string& reduction = "mean",
                                        const MaybeTensor& pos_weight = {});
Tensor mse_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
Tensor l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean");
Tensor huber_loss(const Tensor& input, const Tensor& target, const std::string& reduction = "mean",
                  double delta = 1);
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target,
                      const std::string& reduction = "mean", double beta = 1);

template <class Visit>
void visit_class_loss_ops(Visit&& op) {
  op(OpInfo{.name = "cross_entropy",
            .signature = "input, target, weight=None, ignore_index=-100, reduction='mean', "
                         "label_smoothing=0.0",
            .doc = "-log(softmax(input)[target]) of scores [N, C] or [N, C, d1, ...] and class "
                   "indices [N] or "
                   "[N, d1, ...], or probabilities of the shape of input; a mean over indices is "
                   "weighted. "
                   "IndexError for an index that is neither a class nor ignore_index.",
            .formula = "class_loss(log_softmax(input, 0 if input.ndim == 1 else 1), target, "
                       "weight, ignore_index, "
                       "reduction, label_smoothing)",
            .samples = "randn(5, 4), randint(0, 4, (5,)); "
                       "randn(5, 4), randint(0, 4, (5,)), weight=rand(4), label_smoothing=0.1; "
                       "randn(2, 3, 4, 5), randint(0, 3, (2, 4, 5)), ignore_index=1; "
                       "randn(5, 4), randint(0, 4, (5,)), reduction='none'; "
                       "randn(5, 4), rand(5, 4), label_smoothing=0.1; "
                       "randn(2, 3, 7), rand(2, 3, 7), weight=rand(3), reduction='sum'",
            .onnx = "SoftmaxCrossEntropyLoss",
            .constants = "weight"},
     &cross_entropy);
  op(OpInfo{.name = "nll_loss",
            .signature = "input, target, weight=None, ignore_index=-100, reduction='mean'",
            .doc = "-input[target] of log-probabilities [N, C] or [N, C, d1, ...] and class "
                   "indices [N] or "
                   "[N, d1, ...]; the mean is weighted. "
                   "IndexError for an index that is neither a class nor ignore_index.",
            .formula = "class_loss(input, target, weight, ignore_index, reduction)",
            .samples =
                "randn(5, 4), randint(0, 4, (5,)); "
                "randn(2, 3, 4, 5), randint(0, 3, (2, 4, 5)), weight=rand(3), ignore_index=1; "
                "randn(5, 4), randint(0, 4, (5,)), reduction='none'",
            .onnx = "NegativeLogLikelihoodLoss",
            .constants = "weight"},
     &nll_loss);
}

template <class Visit>
void visit_pairwise_loss_ops(Visit&& op) {
  constexpr const char* kPairs =
      "randn(3, 4), randn(3, 4); randn(3, 4), randn(3, 4), reduction='sum'; "
      "randn(2, 3, 4, 5), randn(2, 3, 4, 5), reduction='none'";
  op(
      OpInfo{
          .name = "binary_cross_entropy_with_logits",
          .signature = "input, target, weight=None, reduction='mean', pos_weight=None",
          .doc = "Cross-entropy of sigmoid(input) against probabilities of the same shape, without "
                 "overflow; "
                 "weight and pos_weight (the weight of positives) broadcast to the shape of input.",
          .formula = "reduce((1 if weight is None else weight) * ((1 - target) * input + (1 + ((1 "
                     "if pos_weight "
                     "is None else pos_weight) - 1) * target) * logaddexp(0, -input)), reduction)",
          .samples =
              "randn(3, 4), rand(3, 4); randn(3, 4), rand(3, 4), weight=rand(4), reduction='sum'; "
              "randn(3, 4), rand(3, 4), reduction='none', pos_weight=rand(4)"},
      &binary_cross_entropy_with_logits);
  op(OpInfo{.name = "mse_loss",
            .signature = "input, target, reduction='mean'",
            .doc = "Square of the error of tensors of one shape.",
            .formula = "reduce((input - target) ** 2, reduction)",
            .samples = kPairs},
     &mse_loss);
  op(OpInfo{.name = "l1_loss",
            .signature = "input, target, reduction='mean'",
            .doc = "Magnitude of the error of tensors of one shape.",
            .formula = "reduce(abs(input - target), reduction)",
            .samples = kPairs},
     &l1_loss);
  op(OpInfo{.name = "huber_loss",
            .signature = "input, target, reduction='mean', delta=1.0",
            .doc = "Half the square of the error up to delta, straight beyond.",
            .formula = "reduce(where(abs(input - target) <= delta, 0.5 * (input - target) ** 2, "
                       "delta * (abs(input - target) - 0.5 * delta)), reduction)",
            .samples =
                "randn(3, 4), randn(3, 4); randn(3, 4), randn(3, 4), reduction='none', delta=0.5"},
     &huber_loss);
  op(OpInfo{.name = "smooth_l1_loss",
            .signature = "input, target, reduction='mean', beta=1.0",
            .doc = "Half the square of the error over beta up to beta, straight beyond.",
            .formula =
                "reduce(where(abs(input - target) < beta, 0.5 * (input - target) ** 2 / beta, "
                "abs(input - target) - 0.5 * beta), reduction)",
            .samples =
                "randn(3, 4), randn(3, 4); randn(3, 4), randn(3, 4), reduction='none', beta=0.5"},
     &smooth_l1_loss);
}

template <class Visit>
void visit_loss_ops(Visit&& op) {
  visit_class_loss_ops(op);
  visit_pairwise_loss_ops(op);
}

}  // namespace lepton
