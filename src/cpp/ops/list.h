// Every op of Lepton, family by family. Binding, stubs, documentation and tests walk these two lists.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/conv.h"
#include "ops/create.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/matmul.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {

/// Ops of the top level: the names of the array API standard.
template <class Visit>
void visit_array_ops(Visit&& op) {
  visit_create_ops(op);
  visit_elementwise_ops(op);
  visit_reduce_ops(op);
  visit_view_ops(op);
  visit_index_ops(op);
  visit_matmul_ops(op);
}

/// Ops of nn.functional: PyTorch's names.
template <class Visit>
void visit_functional_ops(Visit&& op) {
  visit_linear_ops(op);
  visit_conv_ops(op);
}

}  // namespace lepton
