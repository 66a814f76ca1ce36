// Scaled dot-product attention, of separate tensors and of packed projections.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// softmax(scale query key^T + mask) value over the last two axes, without a matrix of weights.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const std::optional<Tensor>& attn_mask = {},
                                    double dropout_p = 0, bool is_causal = false,
                                    std::optional<double> scale = {}, bool enable_gqa = false);
/// The same of heads that lie side by side: qkv [batch, length, 3 * embed] to [batch, length,
/// embed].
Tensor packed_attention(const Tensor& qkv, int64_t num_heads,
                        const std::optional<Tensor>& attn_mask = {}, double dropout_p = 0,
                        bool is_causal = false);

template <class Visit>
void visit_attention_ops(Visit&& op) {
  op(OpInfo{.name = "scaled_dot_product_attention",
            .signature = "query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, *, "
                         "scale=None, enable_gqa=False",
            .doc = "softmax(scale query key^T + mask) value, computed block by block (Dao et al., "
                   "FlashAttention, 2022): query [..., L, E], key [..., S, E], value [..., S, Ev], "
                   "result [..., L, Ev]; the axes before them broadcast. attn_mask broadcasts to "
                   "[..., L, S]: True where a query may see a key, or numbers that are added. "
                   "is_causal hides key j from query i where j > i. A query that sees no key has "
                   "result 0. scale is 1 / sqrt(E) if not given; dropout_p drops weights; "
                   "enable_gqa lets several heads (axis -3) of query share one of key and value.",
            .formula = "attention(query, key, value, attn_mask, is_causal, scale, enable_gqa)",
            .samples = "randn(2, 3, 4, 5), randn(2, 3, 6, 5), randn(2, 3, 6, 7); "
                       "randn(7, 4), randn(7, 4), randn(7, 4), is_causal=True; "
                       "randn(2, 3, 4), randn(2, 5, 4), randn(2, 5, 4), randbool(3, 5); "
                       "randn(2, 1, 3, 4), randn(3, 5, 4), randn(3, 5, 2), randn(2, 1, 1, 5), "
                       "scale=0.7; "
                       "randn(70, 3), randn(67, 3), randn(67, 18), randn(70, 67), is_causal=True; "
                       "randn(4, 3, 2), randn(2, 5, 2), randn(2, 5, 2), enable_gqa=True",
            .onnx = "Attention"},
     &scaled_dot_product_attention);
  op(OpInfo{.name = "packed_attention",
            .signature = "qkv, num_heads, attn_mask=None, dropout_p=0.0, is_causal=False",
            .doc = "scaled_dot_product_attention of heads that lie side by side: qkv [batch, "
                   "length, 3 * embed] holds queries, keys and values, each num_heads parts of "
                   "embed / num_heads; attn_mask broadcasts to [batch, num_heads, length, length]; "
                   "result [batch, length, embed].",
            .formula = "packed_attention(qkv, num_heads, attn_mask, is_causal)",
            .samples = "randn(2, 5, 24), 2; randn(2, 3, 12), 4, is_causal=True; "
                       "randn(3, 4, 6), 1, randbool(3, 1, 1, 4); "
                       "randn(2, 66, 6), 2, randn(66, 66)"},
     &packed_attention);
}

}  // namespace lepton
