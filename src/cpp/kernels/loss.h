// Elementwise losses of a prediction and its target.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/elementwise_op.h"

namespace lepton::LEPTON_ISA {

/// A loss of the error e = x1 - x2: Loss gives value(e, ...) and slope(e, ...).
template <class Loss>
struct ErrorLoss : BinaryOp<kFloating> {
  template <class V, class... P>
  LEPTON_INLINE V forward(V x1, V x2, P... p) {
    return Loss::value(x1 - x2, p...);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V, class... P>
  LEPTON_INLINE V gradient0(V dy, V x1, V x2, V, P... p) {
    return dy * Loss::slope(x1 - x2, p...);
  }
  template <class V, class... P>
  LEPTON_INLINE V gradient1(V dy, V x1, V x2, V, P... p) {
    return -dy * Loss::slope(x1 - x2, p...);
  }
};

/// 1, 0 or -1, as the sign of x.
template <class V>
LEPTON_INLINE V sign_of(V x) {
  const V zero = constant<V>(0), one = constant<V>(1);
  return select(x > zero, one, select(x < zero, -one, x));
}

struct SquaredError : ErrorLoss<SquaredError> {
  static constexpr ElementwiseInfo info{.name = "squared_error",
                                        .doc = "Square of the difference.",
                                        .formula = "(x1 - x2) ** 2",
                                        .space = Space::kInternal};
  template <class V>
  LEPTON_INLINE V value(V e) {
    return e * e;
  }
  template <class V>
  LEPTON_INLINE V slope(V e) {
    return constant<V>(2) * e;
  }
};

struct AbsoluteError : ErrorLoss<AbsoluteError> {
  static constexpr ElementwiseInfo info{.name = "absolute_error",
                                        .doc = "Magnitude of the difference.",
                                        .formula = "abs(x1 - x2)",
                                        .space = Space::kInternal};
  template <class V>
  LEPTON_INLINE V value(V e) {
    return abs(e);
  }
  template <class V>
  LEPTON_INLINE V slope(V e) {
    return sign_of(e);
  }
};

struct Huber : ErrorLoss<Huber> {
  static constexpr ElementwiseInfo info{
      .name = "huber",
      .doc = "Half the square of the difference up to delta, straight beyond.",
      .formula =
          "where(abs(x1 - x2) <= delta, 0.5 * (x1 - x2) ** 2, "
          "delta * (abs(x1 - x2) - 0.5 * delta))",
      .parameters = {{"delta", 1}},
      .space = Space::kInternal};
  template <class V>
  LEPTON_INLINE V value(V e, V delta) {
    const V half = constant<V>(0.5), a = abs(e);
    return select(a <= delta, half * e * e, delta * (a - half * delta));
  }
  template <class V>
  LEPTON_INLINE V slope(V e, V delta) {
    return select(abs(e) <= delta, e, delta * sign_of(e));
  }
};

struct SmoothL1 : ErrorLoss<SmoothL1> {
  static constexpr ElementwiseInfo info{
      .name = "smooth_l1",
      .doc = "Half the square of the difference over beta up to beta, straight beyond.",
      .formula =
          "where(abs(x1 - x2) < beta, 0.5 * (x1 - x2) ** 2 / beta, "
          "abs(x1 - x2) - 0.5 * beta)",
      .parameters = {{"beta", 1}},
      .space = Space::kInternal};
  template <class V>
  LEPTON_INLINE V value(V e, V beta) {
    const V half = constant<V>(0.5), a = abs(e);
    return select(a < beta, half * e * e / beta, a - half * beta);
  }
  template <class V>
  LEPTON_INLINE V slope(V e, V beta) {
    return select(abs(e) < beta, e / beta, sign_of(e));
  }
};

struct LogisticLoss : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "logistic_loss",
      .doc = "Cross-entropy of the probability sigmoid(x1) against the probability x2.",
      .formula = "where(x1 > 0, 1 - x2, -x2) * x1 + log1p(exp(-abs(x1)))",
      .space = Space::kInternal};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    const V from = select(x1 > constant<V>(0), constant<V>(1), constant<V>(0));
    return (from - x2) * x1 + log1p(exp(-abs(x1)));
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x1, V x2, V) {
    return dy * (sigmoid(x1) - x2);
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V x1, V, V) {
    return -dy * x1;
  }
};

using LossOps = OpList<AbsoluteError, Huber, LogisticLoss, SmoothL1, SquaredError>;

}  // namespace lepton::LEPTON_ISA
