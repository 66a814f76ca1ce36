// Elementwise exponentials, logarithms, roots and the error function.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/arithmetic.h"
#include "kernels/trigonometric.h"

namespace lepton::LEPTON_ISA {

LEPTON_LIBM(log10)
LEPTON_LIBM(log2)

struct Erf : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "erf", .onnx = "Erf", .doc = "Error function.", .formula = "erf(x)", .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return erf(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return dy * constant<V>(1.12837916709551257) * exp(-x * x);
  }
};

struct Exp : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "exp", .onnx = "Exp", .doc = "e**x.", .formula = "exp(x)", .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return exp(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V y) {
    return dy * y;
  }
};

struct Expm1 : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "expm1", .doc = "e**x - 1, accurate near 0.", .formula = "expm1(x)", .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return expm1(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V y) {
    return dy * (y + constant<V>(1));
  }
};

struct Log : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "log",
                                        .onnx = "Log",
                                        .doc = "Natural logarithm.",
                                        .formula = "log(x)",
                                        .low = 0.1,
                                        .high = 5};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return log(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return dy / x;
  }
};

struct Log10 : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "log10",
                                        .doc = "Logarithm to base 10.",
                                        .formula = "log10(x)",
                                        .low = 0.1,
                                        .high = 5};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_log10(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / (x * static_cast<T>(2.30258509299404568));
  }
};

struct Log1p : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "log1p",
                                        .doc = "log(1 + x), accurate near 0.",
                                        .formula = "log1p(x)",
                                        .low = -0.9,
                                        .high = 5,
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return log1p(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return dy / (constant<V>(1) + x);
  }
};

struct Log2 : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "log2", .doc = "Logarithm to base 2.", .formula = "log2(x)", .low = 0.1, .high = 5};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_log2(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / (x * static_cast<T>(0.693147180559945309));
  }
};

struct Logaddexp : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "logaddexp",
                                        .doc = "log(exp(x1) + exp(x2)) without overflow.",
                                        .formula = "logaddexp(x1, x2)",
                                        .flushes = true};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    const V high = Maximum::forward(x1, x2), distance = abs(x1 - x2);
    const V y = high + log1p(exp(-distance));
    return select(x1 == x2, high + constant<V>(0.693147180559945309), y);  // also of two infinities
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x1, V x2, V) {
    return dy * select(x1 == x2, constant<V>(0.5), sigmoid(x1 - x2));
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V x1, V x2, V y) {
    return gradient0(dy, x2, x1, y);
  }
};

struct Rsqrt : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "rsqrt",
                                        .doc = "1 / sqrt(x).",
                                        .formula = "1 / sqrt(x)",
                                        .low = 0.1,
                                        .high = 5,
                                        .space = Space::kInternal};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return 1 / libm_sqrt(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T, T y) {
    return T(-0.5) * dy * y * y * y;
  }
};

struct Sqrt : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "sqrt",
                                        .onnx = "Sqrt",
                                        .doc = "Square root.",
                                        .formula = "sqrt(x)",
                                        .low = 0.1,
                                        .high = 5};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_sqrt(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T, T y) {
    return T(0.5) * dy / y;
  }
};

using ExponentialOps = OpList<Erf, Exp, Expm1, Log, Log10, Log1p, Log2, Logaddexp, Rsqrt, Sqrt>;

}  // namespace lepton::LEPTON_ISA
