// Operands of ops that compute in float64.
// SPDX-License-Identifier: Apache-2.0
#include "ops/doubles.h"

namespace lepton {

Tensor doubles(const char* op, const char* name, const Tensor& x, const Shape& shape) {
  check<TypeError>(is_floating(x.dtype()), op, ": ", name, " expects float32 or float64, got ",
                   x.dtype());
  check<ValueError>(x.shape() == shape, op, ": ", name, " expects shape ", shape, ", got ",
                    x.shape());
  return cast(x.detach(), DType::kFloat64);
}

Tensor non_negative_doubles(const char* op, const char* name, const Tensor& x, const Shape& shape) {
  Tensor result = contiguous(doubles(op, name, x, shape));
  const double* value = result.data<double>();
  for (int64_t i = 0; i < result.numel(); ++i)
    check<ValueError>(value[i] >= 0, op, ": ", name, " expects numbers of at least 0, got ",
                      value[i], " at ", i);
  return result;
}

}  // namespace lepton
