// Elementwise comparison, logic and operations on bits.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/arithmetic.h"

namespace lepton::LEPTON_ISA {

#define LEPTON_COMPARISON(Name, name_, onnx_, types, doc_, formula_, expression)                 \
  struct Name : BinaryOp<types> {                                                                \
    static constexpr ElementwiseInfo info{                                                       \
        .name = name_, .onnx = onnx_, .doc = doc_, .formula = formula_, .boolean_result = true}; \
    template <class T>                                                                           \
    LEPTON_INLINE bool forward(T x1, T x2) {                                                     \
      return expression;                                                                         \
    }                                                                                            \
  };
LEPTON_COMPARISON(Equal, "equal", "Equal", kAny, "True where x1 = x2.", "equal(x1, x2)", x1 == x2)
LEPTON_COMPARISON(NotEqual, "not_equal", nullptr, kAny, "True where x1 differs from x2.",
                  "not_equal(x1, x2)", x1 != x2)
LEPTON_COMPARISON(Greater, "greater", "Greater", kAny, "True where x1 > x2.", "greater(x1, x2)",
                  x1 > x2)
LEPTON_COMPARISON(GreaterEqual, "greater_equal", "GreaterOrEqual", kAny, "True where x1 >= x2.",
                  "greater_equal(x1, x2)", x1 >= x2)
LEPTON_COMPARISON(Less, "less", "Less", kAny, "True where x1 < x2.", "less(x1, x2)", x1 < x2)
LEPTON_COMPARISON(LessEqual, "less_equal", "LessOrEqual", kAny, "True where x1 <= x2.",
                  "less_equal(x1, x2)", x1 <= x2)
LEPTON_COMPARISON(LogicalAnd, "logical_and", "And", kBoolean, "True where both are.",
                  "logical_and(x1, x2)", x1&& x2)
LEPTON_COMPARISON(LogicalOr, "logical_or", "Or", kBoolean, "True where at least one is.",
                  "logical_or(x1, x2)", x1 || x2)
LEPTON_COMPARISON(LogicalXor, "logical_xor", "Xor", kBoolean, "True where exactly one is.",
                  "logical_xor(x1, x2)", x1 != x2)

#define LEPTON_PREDICATE(Name, name_, onnx_, types, doc_, formula_, expression)                  \
  struct Name : UnaryOp<types> {                                                                 \
    static constexpr ElementwiseInfo info{                                                       \
        .name = name_, .onnx = onnx_, .doc = doc_, .formula = formula_, .boolean_result = true}; \
    template <class T>                                                                           \
    LEPTON_INLINE bool forward([[maybe_unused]] T x) {                                           \
      return expression;                                                                         \
    }                                                                                            \
  };
template <class T>
LEPTON_INLINE bool is_finite(T x) {
  if constexpr (kIsFloating<T>)
    return abs(x) < infinity<T>();
  else
    return true;
}
LEPTON_PREDICATE(Isfinite, "isfinite", nullptr, kNumeric,
                 "True where x is neither infinite nor NaN.", "isfinite(x)", is_finite(x))
LEPTON_PREDICATE(Isinf, "isinf", "IsInf", kNumeric, "True where x is infinite.", "isinf(x)",
                 !is_finite(x) && x == x)
LEPTON_PREDICATE(Isnan, "isnan", "IsNaN", kNumeric, "True where x is not a number.", "isnan(x)",
                 !is_finite(x) && x != x)
LEPTON_PREDICATE(LogicalNot, "logical_not", "Not", kBoolean, "True where x is not.",
                 "logical_not(x)", !x)
LEPTON_PREDICATE(Signbit, "signbit", nullptr, kFloating,
                 "True where the sign bit is set, as of negative numbers and -0.", "signbit(x)",
                 (bits(x) & sign_bit<T>()) != 0)

#define LEPTON_BITWISE(Name, name_, onnx_, doc_, formula_, expression)   \
  struct Name : BinaryOp<kIntegralOrBoolean> {                           \
    static constexpr ElementwiseInfo info{                               \
        .name = name_, .onnx = onnx_, .doc = doc_, .formula = formula_}; \
    template <class T>                                                   \
    LEPTON_INLINE T forward(T x1, T x2) {                                \
      return static_cast<T>(expression);                                 \
    }                                                                    \
  };
LEPTON_BITWISE(BitwiseAnd, "bitwise_and", "BitwiseAnd", "Bits set in both.", "bitwise_and(x1, x2)",
               x1& x2)
LEPTON_BITWISE(BitwiseOr, "bitwise_or", "BitwiseOr", "Bits set in at least one.",
               "bitwise_or(x1, x2)", x1 | x2)
LEPTON_BITWISE(BitwiseXor, "bitwise_xor", "BitwiseXor", "Bits set in exactly one.",
               "bitwise_xor(x1, x2)", x1 ^ x2)

struct BitwiseInvert : UnaryOp<kIntegralOrBoolean> {
  static constexpr ElementwiseInfo info{.name = "bitwise_invert",
                                        .onnx = "BitwiseNot",
                                        .doc = "Bits not set in x; of a bool, the other one.",
                                        .formula = "bitwise_invert(x)"};
  template <class T>
  LEPTON_INLINE T forward(T x) {
    if constexpr (kSame<T, bool>)
      return !x;
    else
      return static_cast<T>(~x);
  }
};

struct BitwiseLeftShift : BinaryOp<kIntegral> {
  static constexpr ElementwiseInfo info{
      .name = "bitwise_left_shift",
      .doc =
          "x1 * 2**x2 without the bits that leave the type; all are shifted out by a negative x2.",
      .formula = "bitwise_left_shift(x1, x2)",
      .low = 0,
      .high = 7};
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    constexpr auto width = wrap(static_cast<T>(8 * sizeof(T)));
    const auto count = wrap(x2);
    return count < width ? static_cast<T>(wrap(x1) << count) : 0;
  }
};

struct BitwiseRightShift : BinaryOp<kIntegral> {
  static constexpr ElementwiseInfo info{
      .name = "bitwise_right_shift",
      .doc = "floor(x1 / 2**x2); all bits are shifted out by a negative x2.",
      .formula = "bitwise_right_shift(x1, x2)",
      .low = 0,
      .high = 7};
  template <class T>
  LEPTON_INLINE T forward(T x1, T x2) {
    constexpr auto last = wrap(static_cast<T>(8 * sizeof(T) - 1));
    const auto count = wrap(x2);
    if (kSame<T, uint8_t> && count > last) return 0;
    return static_cast<T>(x1 >> (count < last ? count : last));
  }
};

using CompareOps =
    OpList<BitwiseAnd, BitwiseInvert, BitwiseLeftShift, BitwiseOr, BitwiseRightShift, BitwiseXor,
           Equal, Greater, GreaterEqual, Isfinite, Isinf, Isnan, Less, LessEqual, LogicalAnd,
           LogicalNot, LogicalOr, LogicalXor, NotEqual, Signbit>;

}  // namespace lepton::LEPTON_ISA
