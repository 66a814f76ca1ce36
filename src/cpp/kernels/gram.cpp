// The Gram matrix kernels of one instruction set: rows centred and scaled in double.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/gram_table.h"
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {
namespace {

/// One vector of doubles from as many elements of T.
template <class T>
LEPTON_INLINE Vec<double> load_double(const T* p) {
  typedef T Narrow __attribute__((vector_size(kLanes<double> * sizeof(T))));
  Narrow v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Vec<double>);
}

template <class T>
void center(int64_t rows, int64_t columns, const T* source, int64_t source_row, const double* shift,
            const double* scale, double* target, int64_t target_row) {
  constexpr int64_t n = kLanes<double>;
  for (int64_t i = 0; i < rows; ++i, source += source_row, target += target_row) {
    const Vec<double> factor = splat<double>(scale[i]);
    int64_t j = 0;
    for (; j + n <= columns; j += n)
      store<double>((load_double<T>(source + j) - load<double>(shift + j)) * factor, target + j);
    for (; j < columns; ++j) target[j] = (static_cast<double>(source[j]) - shift[j]) * scale[i];
  }
}

}  // namespace

extern const GramTable gram_table;
const GramTable gram_table = {{center<float>}, {center<double>}};

}  // namespace lepton::LEPTON_ISA
