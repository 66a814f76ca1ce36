// Elementwise arithmetic.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/rounding.h"

namespace lepton::LEPTON_ISA {

LEPTON_LIBM(log)
LEPTON_LIBM2(fmod)
LEPTON_LIBM2(nextafter)
LEPTON_LIBM2(pow)

struct Add : BinaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "add", .onnx = "Add", .doc = "Sum of two arrays.", .formula = "x1 + x2"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return static_cast<V>(wrap(x1) + wrap(x2));
  }
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V, V) {
    return dy;
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V, V, V) {
    return dy;
  }
};

struct Copysign : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "copysign",
                                        .doc = "The magnitude of x1 with the sign of x2.",
                                        .formula = "copysign(x1, x2)"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return copysign(x1, x2);
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x1, V x2, V) {
    return from_bits<V>(bits(dy) ^ ((bits(x1) ^ bits(x2)) & sign_bit<V>()));
  }
  template <class V>
  LEPTON_INLINE V gradient1(V, V, V, V) {
    return zero<V>();
  }
};

struct Divide : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "divide", .onnx = "Div", .doc = "Quotient of two arrays.", .formula = "x1 / x2"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return x1 / x2;
  }
  static constexpr unsigned needs = kNeedsX | kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V x2, V) {
    return dy / x2;
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V, V x2, V y) {
    return -dy * y / x2;
  }
};

struct FloorDivide : BinaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "floor_divide",
      .doc = "Largest integer that is not greater than the quotient; integers divided by 0 give 0.",
      .formula = "where(isinf(x1) != isinf(x2), floor(x1 / x2), floor_divide(x1, x2))"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    if constexpr (kIsFloating<T>) {
      const T quotient = x1 / x2;
      if (!(abs(quotient) < infinity<T>()) || !(abs(x2) < infinity<T>()) || x1 == 0)
        return libm_floor(quotient);
      // The rounded quotient may reach an integer that the exact one does not.
      const T rest = libm_fmod(x1, x2), whole = libm_rint((x1 - rest) / x2);
      if (rest != 0 && (rest < 0) != (x2 < 0)) return whole - 1;
      return whole == 0 ? copysign(whole, quotient) : whole;
    } else {
      if (x2 == 0) return 0;
      if (x2 == static_cast<T>(-1) && static_cast<T>(-1) < 0) return static_cast<T>(0 - wrap(x1));
      const T quotient = static_cast<T>(x1 / x2);
      return x1 % x2 != 0 && (x1 < 0) != (x2 < 0) ? static_cast<T>(quotient - 1) : quotient;
    }
  }
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V, V, V, V) {
    return zero<V>();
  }
  template <class V>
  LEPTON_INLINE V gradient1(V, V, V, V) {
    return zero<V>();
  }
};

/// What maximum and minimum share: the gradient goes to the input that was taken, half to each of
/// two equals.
struct ExtremumOp : BinaryOp<kNumeric> {
  static constexpr unsigned needs = kNeedsX | kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x1, V x2, V y) {
    const V half = constant<V>(0.5) * dy;
    return select(x1 == x2, half, select((x1 == y) | (x1 != x1), dy, zero<V>()));
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V x1, V x2, V y) {
    return gradient0(dy, x2, x1, y);
  }
};

struct Maximum : ExtremumOp {
  static constexpr ElementwiseInfo info{.name = "maximum",
                                        .onnx = "Max",
                                        .doc = "The greater of two values, NaN if either is.",
                                        .formula = "maximum(x1, x2)"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return select((x1 >= x2) | (x1 != x1), x1, x2);
  }
};

struct Minimum : ExtremumOp {
  static constexpr ElementwiseInfo info{.name = "minimum",
                                        .onnx = "Min",
                                        .doc = "The lesser of two values, NaN if either is.",
                                        .formula = "minimum(x1, x2)"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return select((x1 <= x2) | (x1 != x1), x1, x2);
  }
};

struct Multiply : BinaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "multiply", .onnx = "Mul", .doc = "Product of two arrays.", .formula = "x1 * x2"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return static_cast<V>(wrap(x1) * wrap(x2));
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V x2, V) {
    return dy * x2;
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V x1, V, V) {
    return dy * x1;
  }
};

struct Negative : UnaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "negative", .onnx = "Neg", .doc = "x with its sign changed.", .formula = "-x"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    if constexpr (kIsFloating<V>)
      return -x;
    else
      return static_cast<V>(0 - wrap(x));
  }
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V) {
    return -dy;
  }
};

struct Nextafter : BinaryOp<kFloating> {
  static constexpr ElementwiseInfo info{.name = "nextafter",
                                        .doc = "The number next to x1 in the direction of x2.",
                                        .formula = "nextafter(x1, x2)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    return libm_nextafter(x1, x2);
  }
};

struct Pow : BinaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "pow",
      .onnx = "Pow",
      .doc = "x1 to the power x2; a negative power of an integer is 0.",
      .formula = "power(x1, x2)",
      .low = 0.1};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    if constexpr (kIsFloating<T>) {
      return libm_pow(x1, x2);
    } else {
      if (x2 < 0) return 0;
      auto base = wrap(x1), power = wrap(T{1});
      for (auto left = wrap(x2); left != 0; left >>= 1, base *= base)
        if (left & 1) power *= base;
      return static_cast<T>(power);
    }
  }
  static constexpr unsigned needs = kNeedsX | kNeedsY;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T x1, T x2, T) {
    return x2 == 0 ? 0 : dy * x2 * libm_pow(x1, x2 - 1);
  }
  template <class T>
  LEPTON_INLINE T gradient1(T dy, T x1, T x2, T y) {
    return x1 == 0 && x2 >= 0 ? 0 : dy * y * libm_log(x1);
  }
};

struct Reciprocal : UnaryOp<kFloating> {
  static constexpr ElementwiseInfo info{
      .name = "reciprocal", .onnx = "Reciprocal", .doc = "1 / x.", .formula = "1 / x"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return constant<V>(1) / x;
  }
  static constexpr unsigned needs = kNeedsY;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V y) {
    return -dy * y * y;
  }
};

struct Remainder : BinaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "remainder",
      .doc = "x1 - x2 * floor(x1 / x2), with the sign of x2; integers divided by 0 give 0.",
      .formula = "remainder(x1, x2)"};
  static constexpr bool scalar = true;
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    if constexpr (kIsFloating<T>) {
      const T rest = libm_fmod(x1, x2);
      if (rest == 0) return copysign(rest, x2);
      return (rest < 0) != (x2 < 0) ? rest + x2 : rest;
    } else {
      if (x2 == 0 || x2 == static_cast<T>(-1))
        return x2 == 0 || static_cast<T>(-1) < 0 ? 0 : x1 % x2;
      const T rest = static_cast<T>(x1 % x2);
      return rest != 0 && (rest < 0) != (x2 < 0) ? static_cast<T>(rest + x2) : rest;
    }
  }
  static constexpr unsigned needs = kNeedsX;
  template <class T>
  LEPTON_INLINE T gradient0(T dy, T, T, T) {
    return dy;
  }
  template <class T>
  LEPTON_INLINE T gradient1(T dy, T x1, T x2, T) {
    return -dy * FloorDivide::forward(x1, x2);
  }
};

struct Square : UnaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{.name = "square", .doc = "x * x.", .formula = "x * x"};
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return static_cast<V>(wrap(x) * wrap(x));
  }
  static constexpr unsigned needs = kNeedsX;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V x, V) {
    return constant<V>(2) * dy * x;
  }
};

struct Subtract : BinaryOp<kNumeric> {
  static constexpr ElementwiseInfo info{
      .name = "subtract", .onnx = "Sub", .doc = "Difference of two arrays.", .formula = "x1 - x2"};
  template <class V>
  LEPTON_INLINE V forward(V x1, V x2) {
    return static_cast<V>(wrap(x1) - wrap(x2));
  }
  static constexpr unsigned needs = kNeedsNothing;
  template <class V>
  LEPTON_INLINE V gradient0(V dy, V, V, V) {
    return dy;
  }
  template <class V>
  LEPTON_INLINE V gradient1(V dy, V, V, V) {
    return -dy;
  }
};

using ArithmeticOps = OpList<Add, Copysign, Divide, FloorDivide, Maximum, Minimum, Multiply,
                             Negative, Nextafter, Pow, Reciprocal, Remainder, Square, Subtract>;

}  // namespace lepton::LEPTON_ISA
