// How an op is declared: one entry gives its binding, stub, documentation and tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/tensor.h"

namespace lepton {

/// The text of an op. A family's header lists its ops in visit_<family>_ops(op) as op(OpInfo,
/// &function); argument types come from the function, names and defaults from `signature`.
struct OpInfo {
  const char* name;
  const char* signature;          // as Python writes it: "x, /, *, axis=None, keepdims=False"
  const char* doc;                // one sentence, then shapes and errors where they are not obvious
  const char* formula = nullptr;  // NumPy expression over the arguments: the tests' reference
  const char* samples = nullptr;  // calls to test, "; " between them: "randn(2, 3), axis=1"
  const char* onnx = nullptr;     // ONNX operator of the same meaning
  const char* constants =
      nullptr;  // parameters that take no gradient though the result depends on them
  const char* writes =
      nullptr;          // parameters written in place; the formula gives them after the result
  bool random = false;  // values come from the random state: no formula, but the seed repeats them
};

/// A Python number that takes the dtype of the tensors it meets.
struct Scalar {
  enum class Kind { kBool, kInteger, kFloat } kind = Kind::kFloat;
  double value = 0;
  int64_t integer = 0;
};

/// An argument that is a tensor or a number.
struct Operand {
  Operand(Tensor t) : tensor(std::move(t)) {}
  Operand(double value) : number(Scalar{Scalar::Kind::kFloat, value, 0}) {}
  Operand(Scalar s) : number(s) {}
  Tensor tensor;  // undefined for a number
  std::optional<Scalar> number;
};

/// The number of a diagonal; beyond any matrix they are all alike.
struct Diagonal {
  int64_t k = 0;
};

/// An integer for both of two axes, or one for each.
struct Pair {
  int64_t first = 0, second = 0;
};

/// The same, where each may be left open.
struct MaybePair {
  std::optional<int64_t> first, second;
};

/// The padding of a convolution: amounts, or "same" / "valid".
struct Padding {
  Pair amount;
  std::string mode;
};

/// The dtype of results that must be floating when the arguments are not.
constexpr DType kDefaultFloat = DType::kFloat32;

}  // namespace lepton
