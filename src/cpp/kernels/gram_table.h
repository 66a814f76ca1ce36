// Entry points of the Gram matrix kernels.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

template <class T>
struct GramPart {
  /// target[i * target_row + j] = (source[i * source_row + j] - shift[j]) * scale[i].
  void (*center)(int64_t rows, int64_t columns, const T* source, int64_t source_row,
                 const double* shift, const double* scale, double* target, int64_t target_row);
};

struct GramTable {
  GramPart<float> f32;
  GramPart<double> f64;
};

}  // namespace lepton
