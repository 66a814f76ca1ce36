// Products too narrow to fill a register tile.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/gemm_blocked.h"

namespace lepton {

/// How gemm_few_rows computes a call: as dot products of rows or as sums of whole rows.
enum class FewRowsWay { kNone, kDots, kSums };

/// Depends on the shape and strides alone.
template <class T>
FewRowsWay few_rows_way(const GemmCall<T>& call);

/// Computes products of few rows or columns with the other matrix read in place, once; false, with
/// nothing done, if the call is none.
template <class T>
bool gemm_few_rows(const GemmCall<T>& call);

}  // namespace lepton
