// Attention of strided heads on all threads: what the attention ops share.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/random.h"
#include "core/tensor.h"

namespace lepton {

/// Tensors [heads..., rows, columns] of one call, all with the same heads, without history.
/// Elements of a row of q, k and v are neighbours.
struct AttentionInputs {
  Tensor q, k, v;
  Tensor mask;  // [heads..., queries, keys], added to the scores; may be undefined

  int64_t heads() const;
  Shape shape_of_scores() const;
};

struct AttentionOptions {
  double scale = 1, dropout = 0;
  bool causal = false;
  RandomState random;  // where dropout draws from
};

/// Gradients to be written, laid out like the inputs; dmask is row-major and may be undefined.
struct AttentionSlopes {
  Tensor dq, dk, dv, dmask;
};

/// Writes the results y [heads..., queries, columns of v] and, for each query, the logarithm of its
/// sum of exponentials [heads, queries], which is all that backward needs besides.
void attention_forward(const AttentionInputs& in, const AttentionOptions& options, const Tensor& y,
                       const Tensor& log_sum_exp);
void attention_backward(const AttentionInputs& in, const AttentionOptions& options, const Tensor& y,
                        const Tensor& dy, const Tensor& log_sum_exp, const AttentionSlopes& slopes);
/// Reserves the random numbers of one call.
RandomState take_attention_random(const AttentionInputs& in);

}  // namespace lepton
