// Elementwise activation functions.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/elementwise_op.h"

namespace lepton::LEPTON_ISA {

struct Elu : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "elu",
                                        .onnx = "Elu",
                                        .doc = "x for positive x, else alpha * (e**x - 1).",
                                        .formula = "where(x > 0, x, alpha * expm1(x))",
                                        .parameters = {{"alpha", 1, "alpha"}},
                                        .space = Space::kFunctional,
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x, V alpha) {
    return select(x > constant<V>(0), x, alpha * expm1(x));
  }
  static constexpr unsigned needs = kNeedsX | kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V y, V alpha) {
    return select(x > constant<V>(0), dy, dy * (y + alpha));
  }
};

struct GeluErf : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "gelu_erf",
                                        .onnx = "Gelu",
                                        .doc = "x times the normal distribution function of x.",
                                        .formula = "0.5 * x * (1 + erf(x / sqrt(2)))",
                                        .space = Space::kInternal,
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V distribution(V x) {
    const V tail = normal_tail(abs(x));
    return select(x > constant<V>(0), constant<V>(1) - tail, tail);
  }
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return x * distribution(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    const V density =
        constant<V>(0.398942280401432678) * exp_of_negative(constant<V>(-0.5) * x * x);
    return dy * (distribution(x) + x * density);
  }
};

struct GeluTanh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "gelu_tanh",
      .doc = "The approximation of gelu by tanh.",
      .formula = "0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3)))",
      .space = Space::kInternal,
      .flushes = true};
  // (1 + tanh(u)) / 2 = sigmoid(2 u); far from 0 it is 0 or 1 and the cube would overflow.
  template <class V>
  LEPTON_INLINE V clamped(V x) {
    const V limit = constant<V>(30);
    return select(x > limit, limit, select(x < -limit, -limit, x));
  }
  template <class V>
  LEPTON_INLINE V gate(V x) {
    return sigmoid(x * polynomial(x * x, 1.59576912160573071, 0.0713548162726008947));
  }
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return x * gate(clamped(x));
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    x = clamped(x);
    const V s = gate(x);
    const V slope = polynomial(x * x, 1.59576912160573071, 0.214064448817802684);
    return dy * (s + x * s * (constant<V>(1) - s) * slope);
  }
};

struct LeakyRelu : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "leaky_relu",
                                        .onnx = "LeakyRelu",
                                        .doc = "x for positive x, else negative_slope * x.",
                                        .formula = "where(x > 0, x, negative_slope * x)",
                                        .parameters = {{"negative_slope", 0.01, "alpha"}},
                                        .space = Space::kFunctional};
  template <class V>
  LEPTON_INLINE V forward(V x, V negative_slope) {
    return select(x > constant<V>(0), x, negative_slope * x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V, V negative_slope) {
    return select(x > constant<V>(0), dy, negative_slope * dy);
  }
};

struct LogSigmoid : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "logsigmoid",
                                        .doc = "log(1 / (1 + e**-x)) without overflow.",
                                        .formula = "-logaddexp(0, -x)",
                                        .space = Space::kFunctional,
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return -(select(x < constant<V>(0), -x, constant<V>(0)) + log1p(exp(-abs(x))));
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return dy * sigmoid(-x);
  }
};

struct Relu : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "relu",
                                        .onnx = "Relu",
                                        .doc = "x for positive x, else 0.",
                                        .formula = "maximum(x, 0)",
                                        .space = Space::kFunctional};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return select(x <= constant<V>(0), constant<V>(0), x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V y) {
    return select(y > constant<V>(0), dy, constant<V>(0));
  }
};

struct Sigmoid : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "sigmoid",
                                        .onnx = "Sigmoid",
                                        .doc = "1 / (1 + e**-x), the logistic function.",
                                        .formula = "1 / (1 + exp(-x))",
                                        .space = Space::kFunctional,
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return sigmoid(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V y) {
    return dy * y * (constant<V>(1) - y);
  }
};

struct Silu : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "silu",
                                        .doc = "x times sigmoid(x), also called swish.",
                                        .formula = "x / (1 + exp(-x))",
                                        .space = Space::kFunctional,
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return x * sigmoid(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    const V s = sigmoid(x);
    return dy * (s + x * s * (constant<V>(1) - s));
  }
};

struct Softplus : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "softplus",
      .onnx = "Softplus",
      .doc = "log(1 + e**(beta x)) / beta, and x itself where beta x > threshold.",
      .formula = "where(beta * x > threshold, x, logaddexp(0, beta * x) / beta)",
      .parameters = {{"beta", 1}, {"threshold", 20}},
      .space = Space::kFunctional,
      .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x, V beta, V threshold) {
    const V z = beta * x, positive = select(z > constant<V>(0), z, constant<V>(0));
    return select(z > threshold, x, (positive + log1p(exp(-abs(z)))) / beta);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V, V beta, V threshold) {
    return select(beta * x > threshold, dy, dy * sigmoid(beta * x));
  }
};

using ActivationOps =
    OpList<Elu, GeluErf, GeluTanh, LeakyRelu, LogSigmoid, Relu, Sigmoid, Silu, Softplus>;

}  // namespace lepton::LEPTON_ISA
