// Products too narrow to fill a register tile.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/gemm_blocked.h"

namespace lepton {

/// Computes products of few rows or columns with the other matrix read in place, once; false, with
/// nothing done, if the call is none. The choice depends on the shape and strides alone.
template <class T>
bool gemm_few_rows(const GemmCall<T>& call);

}  // namespace lepton
