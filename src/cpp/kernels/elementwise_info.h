// What an elementwise op says about itself: the part that does not depend on the instruction set.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace lepton {

/// Where an op is public: the array API standard, nn.functional, or nowhere.
enum class Space { kArray, kFunctional, kInternal };

/// A scalar argument of an op after its arrays. `onnx` names the node attribute that carries it;
/// without one, the op can be exported only where the argument has its default.
struct ElementwiseParameter {
  const char* name = nullptr;
  double fallback = 0;
  const char* onnx = nullptr;
};

/// Declared once per op, as `info` of its struct.
struct ElementwiseInfo {
  const char* name;            // the array API's or torch.nn.functional's
  const char* onnx = nullptr;  // operator of the default ONNX domain with the same meaning
  const char* doc;             // one sentence
  const char* formula;         // in NumPy's syntax (and erf), over x or x1, x2, and the parameters
  double low = -3, high = 3;   // where tests sample floating-point inputs
  ElementwiseParameter parameters[3] = {};
  Space space = Space::kArray;
  bool boolean_result = false;  // the result is bool whatever the inputs are
  bool flushes = false;         // takes denormals as 0: for f(x) no further from f(0) than x is

  /// Number of parameters.
  constexpr int parameter_count() const {
    int count = 0;
    while (count < 3 && parameters[count].name) ++count;
    return count;
  }
};

/// Bit i of a set of types is the DType with that value: Bool, UInt8, Int32, Int64, Float32,
/// Float64.
enum : unsigned {
  kBoolean = 1,
  kIntegral = 2 + 4 + 8,
  kFloating = 16 + 32,
  kNumeric = kIntegral + kFloating,
  kIntegralOrBoolean = kIntegral + kBoolean,
  kAny = kNumeric + kBoolean,
};

/// What a gradient reads besides dy: the inputs, the result, both or nothing.
enum : unsigned { kNeedsNothing = 0, kNeedsX = 1, kNeedsY = 2, kNoGradient = 4 };

}  // namespace lepton
