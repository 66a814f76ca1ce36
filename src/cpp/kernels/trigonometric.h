// Elementwise trigonometric and hyperbolic functions.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/elementwise_op.h"

namespace lepton::LEPTON_ISA {

LEPTON_LIBM(acos)
LEPTON_LIBM(acosh)
LEPTON_LIBM(asin)
LEPTON_LIBM(asinh)
LEPTON_LIBM(atan)
LEPTON_LIBM(atanh)
LEPTON_LIBM(cosh)
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
                                        .high = 0.95,
                                        .flushes = true};
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
                                        .high = 0.95,
                                        .flushes = true};
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
  static constexpr ElementwiseInfo info{.name = "asinh",
                                        .onnx = "Asinh",
                                        .doc = "Inverse hyperbolic sine.",
                                        .formula = "arcsinh(x)",
                                        .flushes = true};
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
                                        .formula = "arctan(x)",
                                        .flushes = true};
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
                                        .high = 0.95,
                                        .flushes = true};
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
  static constexpr ElementwiseInfo info{.name = "cos",
                                        .onnx = "Cos",
                                        .doc = "Cosine of x in radians.",
                                        .formula = "cos(x)",
                                        .flushes = true};
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
  static constexpr ElementwiseInfo info{.name = "cosh",
                                        .onnx = "Cosh",
                                        .doc = "Hyperbolic cosine.",
                                        .formula = "cosh(x)",
                                        .flushes = true};
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

struct Sin : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "sin",
                                        .onnx = "Sin",
                                        .doc = "Sine of x in radians.",
                                        .formula = "sin(x)",
                                        .flushes = true};
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
  static constexpr ElementwiseInfo info{.name = "sinh",
                                        .onnx = "Sinh",
                                        .doc = "Hyperbolic sine.",
                                        .formula = "sinh(x)",
                                        .flushes = true};
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

struct Tan : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "tan",
                                        .onnx = "Tan",
                                        .doc = "Tangent of x in radians.",
                                        .formula = "tan(x)",
                                        .low = -1.4,
                                        .high = 1.4,
                                        .flushes = true};
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
  static constexpr ElementwiseInfo info{.name = "tanh",
                                        .onnx = "Tanh",
                                        .doc = "Hyperbolic tangent.",
                                        .formula = "tanh(x)",
                                        .flushes = true};
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

using TrigonometricOps =
    OpList<Acos, Acosh, Asin, Asinh, Atan, Atan2, Atanh, Cos, Cosh, Hypot, Sin, Sinh, Tan, Tanh>;

}  // namespace lepton::LEPTON_ISA
