// Matrix products and the linear layer.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

Tensor matmul(const Tensor& x1, const Tensor& x2);
/// input weight^T + bias; input [..., in], weight [out, in], bias [out].
Tensor linear(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias = {});

template <class Visit>
void visit_matmul_ops(Visit&& op) {
  op(OpInfo{.name = "matmul",
            .signature = "x1, x2, /",
            .doc = "Matrix product over the last two axes; the axes before them are stacks that "
                   "broadcast. A 1-d argument is a row on the left and a column on the right.",
            .formula = "matmul(x1, x2)",
            .samples = "randn(3, 4), randn(4, 5); randn(4), randn(4); randn(2, 3, 4), randn(4); "
                       "randn(4), randn(2, 4, 3); randn(2, 1, 3, 4), randn(5, 4, 2); "
                       "randn(2, 3, 4), randn(4, 5)",
            .onnx = "MatMul"},
     &matmul);
}

template <class Visit>
void visit_linear_ops(Visit&& op) {
  op(OpInfo{.name = "linear",
            .signature = "input, weight, bias=None",
            .doc =
                "The affine map of the last axis: input [..., in], weight [out, in], bias [out].",
            .formula = "matmul(input, weight.T) + (0 if bias is None else bias)",
            .samples = "randn(4, 3), randn(5, 3); randn(2, 4, 3), randn(5, 3), randn(5); "
                       "randn(3), randn(5, 3), randn(5)",
            .onnx = "Gemm"},
     &linear);
}

}  // namespace lepton
