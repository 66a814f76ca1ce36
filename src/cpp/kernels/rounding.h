// Elementwise ops that keep a number or a part of it: rounding, sign, magnitude.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/elementwise_op.h"

namespace lepton::LEPTON_ISA {

LEPTON_LIBM(ceil)
LEPTON_LIBM(floor)
LEPTON_LIBM(rint)
LEPTON_LIBM(trunc)

struct Abs : UnaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "abs", .onnx = "Abs", .doc = "Absolute value.", .formula = "abs(x)"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    if constexpr (kIsFloating<V>)
      return abs(x);
    else
      return x < 0 ? static_cast<V>(wrap(V{0}) - wrap(x)) : x;
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return select(x > zero<V>(), dy, select(x < zero<V>(), -dy, zero<V>()));
  }
};

/// An op that maps integers to themselves and has a gradient of zero.
struct RoundingOp : UnaryOp<kNumeric> {
  static constexpr bool scalar = true;
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V, V, V) {
    return zero<V>();
  }
};

struct Ceil : RoundingOp {
  static constexpr ElementwiseInfo info{.name = "ceil",
                                        .onnx = "Ceil",
                                        .doc = "Smallest integer that is not less than x.",
                                        .formula = "ceil(x)"};
  template <class T>
  LEPTON_INLINE T forward(T x) {
    if constexpr (kIsFloating<T>) x = libm_ceil(x);
    return x;
  }
};

struct Floor : RoundingOp {
  static constexpr ElementwiseInfo info{.name = "floor",
                                        .onnx = "Floor",
                                        .doc = "Largest integer that is not greater than x.",
                                        .formula = "floor(x)"};
  template <class T>
  LEPTON_INLINE T forward(T x) {
    if constexpr (kIsFloating<T>) x = libm_floor(x);
    return x;
  }
};

struct Round : RoundingOp {
  static constexpr ElementwiseInfo info{.name = "round",
                                        .onnx = "Round",
                                        .doc = "Nearest integer, halves to the even one.",
                                        .formula = "round(x)"};
  template <class T>
  LEPTON_INLINE T forward(T x) {
    if constexpr (kIsFloating<T>) x = libm_rint(x);
    return x;
  }
};

struct Trunc : RoundingOp {
  static constexpr ElementwiseInfo info{
      .name = "trunc", .doc = "Nearest integer towards zero.", .formula = "trunc(x)"};
  template <class T>
  LEPTON_INLINE T forward(T x) {
    if constexpr (kIsFloating<T>) x = libm_trunc(x);
    return x;
  }
};

/// x itself, under the names that mean it for real numbers.
struct IdentityOp : UnaryOp<kNumeric> {
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return x;
  }
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V) {
    return dy;
  }
};

struct Conj : IdentityOp {
  static constexpr ElementwiseInfo info{
      .name = "conj",
      .onnx = "Identity",
      .doc = "Complex conjugate, which of a real number is itself.",
      .formula = "conj(x)"};
};

struct Positive : IdentityOp {
  static constexpr ElementwiseInfo info{.name = "positive",
                                        .onnx = "Identity",
                                        .doc = "The same values, in a new array.",
                                        .formula = "+x"};
};

struct Real : IdentityOp {
  static constexpr ElementwiseInfo info{.name = "real",
                                        .onnx = "Identity",
                                        .doc = "Real part, which of a real number is itself.",
                                        .formula = "real(x)"};
};

struct Sign : UnaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "sign", .onnx = "Sign", .doc = "-1, 0 or 1: the sign of x.", .formula = "sign(x)"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    if constexpr (kIsFloating<V>) {
      const V y = select(x > zero<V>(), constant<V>(1), constant<V>(-1));
      return select((x > zero<V>()) | (x < zero<V>()), y, select(x == x, zero<V>(), x));
    } else {
      return static_cast<V>((x > 0) - (x < 0));
    }
  }
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V, V, V) {
    return zero<V>();
  }
};

using RoundingOps = OpList<Abs, Ceil, Conj, Floor, Positive, Real, Round, Sign, Trunc>;

}  // namespace lepton::LEPTON_ISA
