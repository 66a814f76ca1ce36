// Reverse-mode differentiation: one sweep over the tape.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/tensor.h"

namespace lepton {

/// Adds d(y . dy)/d(leaf) to the grad of every leaf that y was computed from. dy may be undefined
/// when y has one element. Frees what was saved as it passes unless retain_graph.
void backward(const Tensor& y, Tensor dy = {}, bool retain_graph = false);

}  // namespace lepton
