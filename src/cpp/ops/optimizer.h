// Steps of optimisers over all parameters at once, in place.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/sparse_rows.h"
#include "ops/op.h"

namespace lepton {

/// One step of stochastic gradient descent; without buffers there is no momentum. Of a gradient
/// that is rows only these are changed, in the parameter and in all that belongs to it.
void sgd_step(const std::vector<Tensor>& params, const std::vector<Gradient>& grads,
              const std::vector<Tensor>& momentum_buffers, double lr, double momentum,
              double dampening, double weight_decay, bool nesterov);
/// Step number `step`, counted from 1, of Adam or, with decoupled weight decay, AdamW; rows as
/// above.
void adam_step(const std::vector<Tensor>& params, const std::vector<Gradient>& grads,
               const std::vector<Tensor>& exp_avgs, const std::vector<Tensor>& exp_avg_sqs,
               int64_t step, double lr, double beta1, double beta2, double eps, double weight_decay,
               bool decoupled);
/// Scales grads so that their common norm is at most max_norm; returns the norm before.
double clip_grad_norm(const std::vector<Gradient>& grads, double max_norm, double eps = 1e-6);

template <class Visit>
void visit_optimizer_ops(Visit&& op) {
  op(OpInfo{.name = "sgd_step",
            .signature =
                "params, grads, momentum_buffers, lr, momentum, dampening, weight_decay, nesterov",
            .doc = "g += weight_decay * p; buffer = momentum * buffer + (1 - dampening) * g; p -= "
                   "lr * buffer (with "
                   "nesterov lr * (g + momentum * buffer)), in place, for all parameters; no "
                   "buffers, no momentum. "
                   "Of a gradient that is SparseRows only these rows are changed.",
            .formula = "(lambda gs: (lambda bs: ([p - lr * (g + momentum * b if nesterov else b) "
                       "for p, g, b in "
                       "zip(params, gs, bs)], bs if momentum_buffers else []))([momentum * b + (1 "
                       "- dampening) * g for "
                       "b, g in zip(momentum_buffers, gs)] if momentum_buffers else gs))"
                       "([g + weight_decay * p for p, g in zip(params, grads)])",
            .samples =
                "[randn(3, 4), randn(5)], [randn(3, 4), randn(5)], [], 0.1, 0.0, 0.0, 0.01, False; "
                "[randn(37)], [randn(37)], [randn(37)], 0.1, 0.9, 0.2, 0.0, False; "
                "[randn(3, 4), randn(5)], [randn(3, 4), randn(5)], [randn(3, 4), randn(5)], 0.1, "
                "0.9, 0.0, "
                "0.01, True",
            .writes = "params, momentum_buffers"},
     &sgd_step);
  op(OpInfo{.name = "adam_step",
            .signature =
                "params, grads, exp_avgs, exp_avg_sqs, step, lr, beta1, beta2, eps, weight_decay, "
                "decoupled",
            .doc = "Step number `step` (from 1) of Adam in place for all parameters; decoupled "
                   "weight decay shrinks "
                   "the parameters (AdamW), otherwise it is added to the gradients. Of a gradient "
                   "that is SparseRows only these rows are changed.",
            .formula =
                "(lambda gs: (lambda ms, vs: ([p * (1 - lr * weight_decay if decoupled else 1) - "
                "lr * m / "
                "(1 - beta1**step) / (sqrt(v / (1 - beta2**step)) + eps) for p, m, v in "
                "zip(params, ms, vs)], "
                "ms, vs))([beta1 * m + (1 - beta1) * g for m, g in zip(exp_avgs, gs)], "
                "[beta2 * v + (1 - beta2) * g**2 for v, g in zip(exp_avg_sqs, gs)]))"
                "([g + (0 if decoupled else weight_decay * p) for p, g in zip(params, grads)])",
            .samples = "[randn(3, 4), randn(5)], [randn(3, 4), randn(5)], [randn(3, 4), randn(5)], "
                       "[rand(3, 4), rand(5)], 3, 0.1, 0.9, 0.99, 1e-8, 0.01, False; "
                       "[randn(37)], [randn(37)], [randn(37)], [rand(37)], 1, 0.1, 0.9, 0.999, "
                       "1e-8, 0.1, True",
            .writes = "params, exp_avgs, exp_avg_sqs"},
     &adam_step);
  op(OpInfo{.name = "clip_grad_norm",
            .signature = "grads, max_norm, eps=1e-06",
            .doc = "Scales all gradients in place by max_norm / (norm + eps) where that is below "
                   "1, and returns the "
                   "Euclidean norm of all of them together.",
            .formula =
                "(lambda norm: (norm, [g * minimum(1, max_norm / (norm + eps)) for g in grads]))"
                "(sqrt(sum([sum(g**2) for g in grads])))",
            .samples = "[randn(3, 4), randn(37)], 1.0; [randn(5)], 100.0",
            .writes = "grads"},
     &clip_grad_norm);
}

}  // namespace lepton
