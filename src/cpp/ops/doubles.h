// Operands of ops that compute in float64 whatever they are given: checked, converted.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/tensor.h"

namespace lepton {

/// x as float64, where it is float32 or float64 and of that shape; errors name op and operand.
Tensor doubles(const char* op, const char* name, const Tensor& x, const Shape& shape);

/// The same, row-major, and no element below 0 or NaN.
Tensor non_negative_doubles(const char* op, const char* name, const Tensor& x, const Shape& shape);

}  // namespace lepton
