// Every op of Lepton, family by family. Binding, stubs, documentation and tests walk these lists.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/conv.h"
#include "ops/coordinate_descent.h"
#include "ops/create.h"
#include "ops/dropout.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/gram.h"
#include "ops/index.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/norm.h"
#include "ops/optimizer.h"
#include "ops/pool.h"
#include "ops/recurrent.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
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
  visit_activation_ops(op);
  visit_softmax_ops(op);
  visit_norm_ops(op);
  visit_pool_ops(op);
  visit_dropout_ops(op);
  visit_embedding_ops(op);
  visit_recurrent_ops(op);
  visit_attention_ops(op);
  visit_loss_ops(op);
}

/// Ops that record nothing: what optimisers and estimators call.
template <class Visit>
void visit_internal_ops(Visit&& op) {
  visit_optimizer_ops(op);
  visit_gram_ops(op);
  visit_coordinate_ops(op);
}

}  // namespace lepton
