// Matrix products of any size and strides on the register tiles of the kernels floor.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace lepton {

/// A matrix where it lies: element (i, j) is data[i * row + j * column].
template <class T>
struct MatrixView {
  const T* data;
  int64_t row, column;

  MatrixView transposed() const { return {data, column, row}; }
};

/// c[m, n] = a[m, k] b[k, n] + bias[n]; rows of c lie c_row apart, its columns are neighbours.
template <class T>
struct GemmCall {
  int64_t m, n, k;
  MatrixView<T> a, b;
  T* c;
  int64_t c_row;
  const T* bias = nullptr;
  bool accumulate = false;  // adds to c instead of overwriting it
};

/// Computes it on all threads; the same bits for any number of them. T is float or double.
template <class T>
void gemm_blocked(const GemmCall<T>& call);

}  // namespace lepton
