// Entry points of the optimiser kernels: one pass over a parameter and all that belongs to it.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// Stochastic gradient descent: g += weight_decay * p; buffer = momentum * buffer + (1 - dampening)
/// * g; p -= lr * (nesterov ? g + momentum * buffer : buffer).
struct SgdStep {
  double lr, momentum, dampening, weight_decay;
  bool nesterov;
};

/// Adam: p -= lr / (1 - beta1^step) * m / (sqrt(v / (1 - beta2^step)) + eps); weight decay is added
/// to the gradient or, decoupled, taken from p directly.
struct AdamStep {
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;
  double correction1, correction2;  // 1 - beta^step
};

template <class T>
struct OptimPart {
  /// buffer may be null: no momentum.
  void (*sgd)(int64_t n, const SgdStep& step, T* p, const T* g, T* buffer);
  void (*adam)(int64_t n, const AdamStep& step, T* p, const T* g, T* m, T* v);
  /// Sum of squares, for chunks of at most 4096.
  double (*squared_norm)(int64_t n, const T* x);
  void (*scale)(int64_t n, double factor, T* x);
};

struct OptimTable {
  OptimPart<float> f32;
  OptimPart<double> f64;
};

}  // namespace lepton
