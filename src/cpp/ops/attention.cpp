// Scaled dot-product attention: checks, masks, and what the tape keeps.
// SPDX-License-Identifier: Apache-2.0
#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "autograd/node.h"
#include "ops/attention_heads.h"
#include "ops/elementwise.h"
#include "ops/view.h"

namespace lepton {
namespace {

// x itself if the elements of its rows are neighbours, else a row-major copy.
Tensor with_rows(const Tensor& x) {
  return x.length(-1) == 1 || x.strides().back() == 1 ? x : contiguous(x);
}

// Uninitialised [heads..., rows, columns] whose axes lie in memory as those of `like`, but the last
// innermost.
Tensor empty_heads(const Shape& shape, const Tensor& like) {
  const size_t last = shape.size() - 1;
  Dims order;
  for (int64_t axis : memory_order(like.shape(), like.strides()))
    if (static_cast<size_t>(axis) != last) order.push_back(axis);
  order.push_back(static_cast<int64_t>(last));
  return empty_strided(shape, strides_in_order(shape, order), like.dtype());
}

// A mask as numbers to be added: 0 for True and -inf for False.
Tensor additive(const Tensor& mask, DType dtype) {
  if (mask.dtype() != DType::kBool) return mask.detach();
  const Tensor from = contiguous(mask), to = empty(mask.shape(), dtype);
  dispatch_floating("attention", dtype, [&]<class T>() {
    std::transform(from.data<bool>(), from.data<bool>() + from.numel(), to.data<T>(),
                   [](bool seen) { return seen ? T(0) : -std::numeric_limits<T>::infinity(); });
  });
  return to;
}

void check_options(const char* name, const Tensor& like, const std::optional<Tensor>& mask,
                   double dropout) {
  check<TypeError>(is_floating(like.dtype()), name, ": expects float32 or float64, got ",
                   like.dtype());
  check<ValueError>(dropout >= 0 && dropout <= 1, name,
                    ": dropout_p expects a probability from 0 to 1, got ", dropout);
  check<TypeError>(!mask || mask->dtype() == DType::kBool || mask->dtype() == like.dtype(), name,
                   ": attn_mask expects bool or ", like.dtype(), ", got ",
                   mask ? mask->dtype() : like.dtype());
}

AttentionOptions options_of(const AttentionInputs& in, std::optional<double> scale, double dropout,
                            bool causal) {
  const double width = static_cast<double>(std::max<int64_t>(in.q.length(-1), 1));
  return {scale.value_or(1 / std::sqrt(width)), dropout, causal,
          dropout > 0 ? take_attention_random(in) : RandomState{}};
}

Tensor expand_mask(const char* name, const std::optional<Tensor>& mask, const AttentionInputs& in) {
  if (!mask) return Tensor();
  const Shape scores = in.shape_of_scores();
  bool fits = mask->ndim() <= scores.size();
  for (size_t i = 1; fits && i <= mask->ndim(); ++i) {
    const int64_t length = mask->shape()[mask->ndim() - i];
    fits = length == 1 || length == scores[scores.size() - i];
  }
  check<ValueError>(fits, name, ": attn_mask expects a shape that broadcasts to ", scores, ", got ",
                    mask->shape());
  return broadcast_to(additive(*mask, in.q.dtype()), scores);
}

void check_heads(const Tensor& q, const Tensor& k, const Tensor& v) {
  constexpr const char* kName = "scaled_dot_product_attention";
  const auto shapes = [&] {
    std::ostringstream text;
    text << "(query: " << q.shape() << ", key: " << k.shape() << ", value: " << v.shape() << ")";
    return text.str();
  };
  check<ValueError>(q.ndim() >= 2 && k.ndim() >= 2 && v.ndim() >= 2, kName,
                    ": expects at least 2 axes in each argument ", shapes());
  check<ValueError>(q.length(-1) == k.length(-1) && k.length(-2) == v.length(-2), kName,
                    ": expects query [..., L, E], key [..., S, E] and value [..., S, Ev] ",
                    shapes());
  check<TypeError>(k.dtype() == q.dtype() && v.dtype() == q.dtype(), kName,
                   ": expects one dtype (query: ", q.dtype(), ", key: ", k.dtype(),
                   ", value: ", v.dtype(), ")");
}

// The axes before the last two of all, broadcast.
Tensor expand_heads(const Tensor& x, const Shape& heads) {
  Shape shape = heads;
  shape.push_back(x.length(-2));
  shape.push_back(x.length(-1));
  return with_rows(broadcast_to(x.detach(), shape));
}

Shape common_heads(const Tensor& q, const Tensor& k, const Tensor& v) {
  const auto heads = [](const Tensor& x) { return Shape(x.shape().begin(), x.shape().end() - 2); };
  constexpr const char* kName = "scaled_dot_product_attention";
  return broadcast_shapes(kName, broadcast_shapes(kName, heads(q), heads(k)), heads(v));
}

// Groups of query heads as an axis of their own, with the heads of key and value that they share.
Tensor grouped(const Tensor& query, const Tensor& key, const Tensor& value,
               std::optional<Tensor> mask, double dropout, bool causal,
               std::optional<double> scale) {
  constexpr const char* kName = "scaled_dot_product_attention";
  const bool axes = query.ndim() > 2 && key.ndim() > 2 && value.ndim() > 2;
  const int64_t heads = axes ? query.length(-3) : 0, shared = axes ? key.length(-3) : 0;
  check<ValueError>(shared > 0 && value.length(-3) == shared && heads % shared == 0, kName,
                    ": enable_gqa expects heads of query (axis -3) that are a multiple of those of "
                    "key and value (query: ",
                    query.shape(), ", key: ", key.shape(), ", value: ", value.shape(), ")");
  const auto split = [&](const Tensor& x) {
    Shape shape(x.shape().begin(), x.shape().end() - 3);
    for (int64_t length : {shared, heads / shared, x.length(-2), x.length(-1)})
      shape.push_back(length);
    return reshape(x, shape);
  };
  if (mask && mask->ndim() > 2)
    mask = mask->length(-3) == heads ? split(*mask) : expand_dims(*mask, int64_t{-3});
  const Tensor y =
      scaled_dot_product_attention(split(query), expand_dims(key, int64_t{-3}),
                                   expand_dims(value, int64_t{-3}), mask, dropout, causal, scale);
  Shape shape(y.shape().begin(), y.shape().end() - 4);
  for (int64_t length : {heads, y.length(-2), y.length(-1)}) shape.push_back(length);
  return reshape(y, shape);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const std::optional<Tensor>& attn_mask, double dropout_p,
                                    bool is_causal, std::optional<double> scale, bool enable_gqa) {
  constexpr const char* kName = "scaled_dot_product_attention";
  check_options(kName, query, attn_mask, dropout_p);
  check_heads(query, key, value);
  if (enable_gqa) return grouped(query, key, value, attn_mask, dropout_p, is_causal, scale);
  const Shape heads = common_heads(query, key, value);
  AttentionInputs in{
      expand_heads(query, heads), expand_heads(key, heads), expand_heads(value, heads), {}};
  in.mask = expand_mask(kName, attn_mask, in);
  const AttentionOptions options = options_of(in, scale, dropout_p, is_causal);
  Shape shape = in.q.shape();
  shape[shape.size() - 1] = value.length(-1);
  const Tensor y = empty_heads(shape, in.q);
  const Tensor log_sum_exp = empty({in.heads(), in.q.length(-2)}, y.dtype());
  attention_forward(in, options, y, log_sum_exp);
  const Tensor none;
  Recorder tape(kName, {&query, &key, &value, attn_mask ? &*attn_mask : &none});
  if (tape)
    tape.joint([options, log_sum_exp, y = tape.save(y), q = tape.save(in.q), k = tape.save(in.k),
                v = tape.save(in.v), mask = tape.save(in.mask), of_q = query.shape(),
                of_k = key.shape(), of_v = value.shape(),
                of_mask = attn_mask ? attn_mask->shape() : Shape()](const Tensor& upstream,
                                                                    Gradients& dx) {
      const AttentionInputs in{*q, *k, *v, *mask};
      const DType dtype = y->dtype();
      AttentionSlopes d{empty_heads(q->shape(), *q),
                        empty_heads(k->shape(), *k),
                        empty_heads(v->shape(), *v),
                        {}};
      if (dx.needs(3)) d.dmask = zeros(in.shape_of_scores(), dtype);
      attention_backward(in, options, *y, with_rows(upstream), log_sum_exp, d);
      if (dx.needs(0)) dx[0] = sum_to(d.dq, of_q, dtype);
      if (dx.needs(1)) dx[1] = sum_to(d.dk, of_k, dtype);
      if (dx.needs(2)) dx[2] = sum_to(d.dv, of_v, dtype);
      if (dx.needs(3)) dx[3] = sum_to(d.dmask, of_mask, dtype);
    });
  return tape.output(y);
}

namespace {

// Part `number` of the last axis of x, cut into `parts`, as heads [batch, heads, length, width].
Tensor heads_of(const Tensor& x, int64_t heads, int64_t parts, int64_t number) {
  const int64_t embed = x.length(-1) / parts, width = embed / heads;
  const Strides& s = x.strides();
  return x.view({x.length(0), heads, x.length(1), width}, {s[0], width, s[1], 1},
                x.offset() + number * embed);
}

AttentionInputs packed_inputs(const Tensor& qkv, int64_t heads, const Tensor& mask) {
  return {heads_of(qkv, heads, 3, 0), heads_of(qkv, heads, 3, 1), heads_of(qkv, heads, 3, 2), mask};
}

}  // namespace

Tensor packed_attention(const Tensor& qkv, int64_t num_heads,
                        const std::optional<Tensor>& attn_mask, double dropout_p, bool is_causal) {
  constexpr const char* kName = "packed_attention";
  check_options(kName, qkv, attn_mask, dropout_p);
  check<ValueError>(num_heads > 0 && qkv.ndim() == 3 && qkv.length(-1) % (3 * num_heads) == 0,
                    kName,
                    ": expects qkv [batch, length, 3 * embed] with embed a multiple of num_heads "
                    "(qkv: ",
                    qkv.shape(), ", num_heads: ", num_heads, ")");
  const Tensor x = with_rows(qkv.detach());
  AttentionInputs in = packed_inputs(x, num_heads, Tensor());
  in.mask = expand_mask(kName, attn_mask, in);
  const AttentionOptions options = options_of(in, {}, dropout_p, is_causal);
  const Tensor y = empty_heads({x.length(0), x.length(1), x.length(2) / 3}, x);
  const Tensor log_sum_exp = empty({in.heads(), x.length(1)}, y.dtype());
  attention_forward(in, options, heads_of(y, num_heads, 1, 0), log_sum_exp);
  const Tensor none;
  Recorder tape(kName, {&qkv, attn_mask ? &*attn_mask : &none});
  if (tape)
    tape.joint([options, num_heads, log_sum_exp, y = tape.save(y), x = tape.save(x),
                mask = tape.save(in.mask), of_mask = attn_mask ? attn_mask->shape() : Shape()](
                   const Tensor& upstream, Gradients& dx) {
      const AttentionInputs in = packed_inputs(*x, num_heads, *mask);
      const Tensor d = empty_heads(x->shape(), *x);
      const AttentionInputs slopes = packed_inputs(d, num_heads, Tensor());
      const Tensor dmask = dx.needs(1) ? zeros(in.shape_of_scores(), d.dtype()) : Tensor();
      attention_backward(in, options, heads_of(*y, num_heads, 1, 0),
                         heads_of(with_rows(upstream), num_heads, 1, 0), log_sum_exp,
                         {slopes.q, slopes.k, slopes.v, dmask});
      if (dx.needs(0)) dx[0] = d;
      if (dx.needs(1)) dx[1] = sum_to(dmask, of_mask, d.dtype());
    });
  return tape.output(y);
}

}  // namespace lepton
