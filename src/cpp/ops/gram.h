// Gram matrices: the sums of products that least squares is made of.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// z' diag(weight) z in float64 with z = [x - shift, y - shift, 1]; x [n, p], y [n, t], weight [n],
/// shift [p + t]. One pass over the rows.
Tensor gram(const Tensor& x, const Tensor& y, const std::optional<Tensor>& weight = {},
            const std::optional<Tensor>& shift = {});

template <class Visit>
void visit_gram_ops(Visit&& op) {
  op(OpInfo{.name = "gram",
            .signature = "x, y, weight=None, shift=None",
            .doc = "The sums of products z' diag(weight) z with z = [x - shift, y - shift, 1], in "
                   "float64: x [n, p] and y [n, t] of one dtype, weight [n] of numbers >= 0, shift "
                   "[p + t]; the result is [p + t + 1, p + t + 1].",
            .formula = "(lambda z: (z.T * (1 if weight is None else weight)) @ z)"
                       "(concatenate([concatenate([x, y], 1) - (0 if shift is None else shift), "
                       "ones((len(x), 1))], 1))",
            .samples = "randn(7, 3), randn(7, 2); randn(300, 5), randn(300, 1), rand(300); "
                       "randn(9, 21), randn(9, 1), rand(9), randn(22); randn(5, 2), randn(5, 0); "
                       "randn(3, 203), randn(3, 1)",
            .constants = "x, y, weight, shift"},
     &gram);
}

}  // namespace lepton
