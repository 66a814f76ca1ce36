// Rows of a table by index.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// weight[input]: indices of any shape into rows of weight [rows, columns]. The row padding_idx
/// takes no gradient. Where sparse, the gradient of a leaf is SparseRows.
Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx = {},
                 bool sparse = false);

template <class Visit>
void visit_embedding_ops(Visit&& op) {
  op(OpInfo{.name = "embedding",
            .signature = "input, weight, padding_idx=None, *, sparse=False",
            .doc = "Rows of weight [rows, columns] at indices of any shape; the row padding_idx "
                   "takes no gradient. With sparse=True weight.grad is SparseRows. "
                   "IndexError names an index that is not 0 to rows - 1.",
            .formula = "weight[input]",
            .samples = "randint(0, 6, (4,)), randn(6, 3); randint(0, 6, (2, 5)), randn(6, 20)",
            .onnx = "Gather"},
     &embedding);
}

}  // namespace lepton
