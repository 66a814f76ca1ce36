// Activations that are more than one elementwise op; all others declare themselves in the kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "ops/op.h"

namespace lepton {

/// x times the normal distribution function of x, or its approximation "tanh".
Tensor gelu(const Tensor& input, const std::string& approximate = "none");

template <class Visit>
void visit_activation_ops(Visit&& op) {
  op(OpInfo{.name = "gelu",
            .signature = "input, approximate='none'",
            .doc = "x times the normal distribution function of x; approximate='tanh' computes "
                   "that by tanh.",
            .formula = "0.5 * input * (1 + (erf(input / sqrt(2)) if approximate == 'none' else "
                       "tanh(sqrt(2 / pi) * (input + 0.044715 * input**3))))",
            .samples = "randn(3, 4); randn(3, 4), approximate='tanh'",
            .onnx = "Gelu"},
     &gelu);
}

}  // namespace lepton
