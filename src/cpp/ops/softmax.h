// Softmax and its logarithm along any axis.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

Tensor softmax(const Tensor& input, int64_t dim);
Tensor log_softmax(const Tensor& input, int64_t dim);

template <class Visit>
void visit_softmax_ops(Visit&& op) {
  constexpr const char* kSamples =
      "randn(4, 5), dim=1; randn(2, 3, 20), dim=-1; randn(2, 37, 5), dim=1; randn(6, 3), dim=0; "
      "randn(0, 3), dim=1; randn(), dim=0";
  op(OpInfo{.name = "softmax",
            .signature = "input, dim",
            .doc = "Exponentials along an axis over their sum.",
            .formula = "softmax(input, dim)",
            .samples = kSamples,
            .onnx = "Softmax"},
     &softmax);
  op(OpInfo{.name = "log_softmax",
            .signature = "input, dim",
            .doc = "Logarithm of softmax, computed without overflow.",
            .formula = "log_softmax(input, dim)",
            .samples = kSamples,
            .onnx = "LogSoftmax"},
     &log_softmax);
}

}  // namespace lepton
