// Dropout.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// Each element 0 with probability p, else divided by 1 - p; input itself outside training.
Tensor dropout(const Tensor& input, double p = 0.5, bool training = true);

template <class Visit>
void visit_dropout_ops(Visit&& op) {
  op(OpInfo{.name = "dropout",
            .signature = "input, p=0.5, training=True",
            .doc = "In training each element is set to 0 with probability p and divided by 1 - p "
                   "otherwise; else "
                   "the input itself.",
            .samples = "randn(3, 4); randn(37), p=0.1; randn(3, 4), training=False",
            .onnx = "Dropout",
            .random = true},
     &dropout);
}

}  // namespace lepton
