// The part of a kernel family that is built for one element type.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/dispatch.h"

namespace lepton {

/// Matrix kernels for T, float or double, of the instruction set in use.
template <class T>
const GemmPart<T>& gemm_part() {
  if constexpr (sizeof(T) == sizeof(float))
    return kernels().gemm->f32;
  else
    return kernels().gemm->f64;
}
/// Convolution kernels for T.
template <class T>
const ConvPart<T>& conv_part() {
  if constexpr (sizeof(T) == sizeof(float))
    return kernels().conv->f32;
  else
    return kernels().conv->f64;
}
/// The part of any family's table for T.
template <class T, class Table>
const auto& part_of(const Table* table) {
  if constexpr (sizeof(T) == sizeof(float))
    return table->f32;
  else
    return table->f64;
}

}  // namespace lepton
