// Elementwise exponentials, logarithms, roots, trigonometric and hyperbolic functions.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/arithmetic.h"

namespace lepton::LEPTON_ISA {

LEPTON_LIBM(acos)
LEPTON_LIBM(acosh)
LEPTON_LIBM(asin)
LEPTON_LIBM(asinh)
LEPTON_LIBM(atan)
LEPTON_LIBM(atanh)
LEPTON_LIBM(cosh)
LEPTON_LIBM(log10)
LEPTON_LIBM(log2)
LEPTON_LIBM(sinh)
LEPTON_LIBM(sqrt)
LEPTON_LIBM(tan)
LEPTON_LIBM2(atan2)
LEPTON_LIBM2(hypot)

struct Acos : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "acos",
                                        .onnx = "Acos",
                                        .doc = "Inverse cosine, in radians.",
                                        .formula = "arccos(x)",
                                        .low = -0.95,
                                        .high = 0.95};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_acos(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return -dy / libm_sqrt(1 - x * x);
  }
};

struct Acosh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "acosh",
                                        .onnx = "Acosh",
                                        .doc = "Inverse hyperbolic cosine.",
                                        .formula = "arccosh(x)",
                                        .low = 1.1,
                                        .high = 5};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_acosh(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / (libm_sqrt(x - 1) * libm_sqrt(x + 1));
  }
};

struct Asin : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "asin",
                                        .onnx = "Asin",
                                        .doc = "Inverse sine, in radians.",
                                        .formula = "arcsin(x)",
                                        .low = -0.95,
                                        .high = 0.95};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_asin(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / libm_sqrt(1 - x * x);
  }
};

struct Asinh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "asinh", .onnx = "Asinh", .doc = "Inverse hyperbolic sine.", .formula = "arcsinh(x)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_asinh(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / libm_hypot(x, T{1});
  }
};

struct Atan : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "atan",
                                        .onnx = "Atan",
                                        .doc = "Inverse tangent, in radians.",
                                        .formula = "arctan(x)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_atan(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / (1 + x * x);
  }
};

struct Atan2 : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "atan2",
                                        .doc = "Angle of the point (x2, x1), in radians.",
                                        .formula = "arctan2(x1, x2)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    return libm_atan2(x1, x2);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x1, T x2, T) {
    return dy * x2 / (x1 * x1 + x2 * x2);
  }
  template <class T>
  LEPTON_INLINE T gradient1(T dy, T x1, T x2, T) {
    return -dy * x1 / (x1 * x1 + x2 * x2);
  }
};

struct Atanh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "atanh",
                                        .onnx = "Atanh",
                                        .doc = "Inverse hyperbolic tangent.",
                                        .formula = "arctanh(x)",
                                        .low = -0.95,
                                        .high = 0.95};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_atanh(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy / (1 - x * x);
  }
};

struct Cos : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "cos", .onnx = "Cos", .doc = "Cosine of x in radians.", .formula = "cos(x)"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return cos(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return -dy * sin(x);
  }
};

struct Cosh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "cosh", .onnx = "Cosh", .doc = "Hyperbolic cosine.", .formula = "cosh(x)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_cosh(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy * libm_sinh(x);
  }
};

struct Erf : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "erf", .onnx = "Erf", .doc = "Error function.", .formula = "erf(x)"};
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
      .name = "exp", .onnx = "Exp", .doc = "e**x.", .formula = "exp(x)"};
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
      .name = "expm1", .doc = "e**x - 1, accurate near 0.", .formula = "expm1(x)"};
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

struct Hypot : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "hypot", .doc = "sqrt(x1**2 + x2**2) without overflow.", .formula = "hypot(x1, x2)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    return libm_hypot(x1, x2);
  }
  static constexpr unsigned needs = kNeedsX | kNeedsY;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x1, T, T y) {
    return y == 0 ? 0 : dy * (x1 / y);
  }
  template <class T>
  LEPTON_INLINE T gradient1(T dy, T, T x2, T y) {
    return y == 0 ? 0 : dy * (x2 / y);
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
                                        .high = 5};
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
                                        .formula = "logaddexp(x1, x2)"};
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

struct Sin : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "sin", .onnx = "Sin", .doc = "Sine of x in radians.", .formula = "sin(x)"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return sin(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return dy * cos(x);
  }
};

struct Sinh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "sinh", .onnx = "Sinh", .doc = "Hyperbolic sine.", .formula = "sinh(x)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_sinh(x);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x, T) {
    return dy * libm_cosh(x);
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

struct Tan : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "tan",
                                        .onnx = "Tan",
                                        .doc = "Tangent of x in radians.",
                                        .formula = "tan(x)",
                                        .low = -1.4,
                                        .high = 1.4};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x) {
    return libm_tan(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T, T y) {
    return dy * (1 + y * y);
  }
};

struct Tanh : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "tanh", .onnx = "Tanh", .doc = "Hyperbolic tangent.", .formula = "tanh(x)"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return tanh(x);
  }
  static constexpr unsigned needs = kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V y) {
    return dy * (constant<V>(1) - y * y);
  }
};
using TranscendentalOps =
    OpList<Acos, Acosh, Asin, Asinh, Atan, Atan2, Atanh, Cos, Cosh, Erf, Exp, Expm1, Hypot, Log,
           Log10, Log1p, Log2, Logaddexp, Rsqrt, Sin, Sinh, Sqrt, Tan, Tanh>;

}  // namespace lepton::LEPTON_ISA
