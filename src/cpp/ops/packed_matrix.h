// A matrix copied once into the order that the register tiles read, for many products.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>

#include "core/tensor.h"
#include "kernels/gemm_table.h"
#include "ops/gemm_blocked.h"

namespace lepton {

/// One product with a PackedMatrix: c[m, n] = a[m, k] b + bias[n] for the columns `begin` to `end`
/// of b. c and bias point at what belongs to column 0; rows of c lie c_row apart.
template <class T>
struct PackedCall {
  int64_t m;
  MatrixView<T> a;
  T* c;
  int64_t c_row;
  const T* bias = nullptr;
  bool accumulate = false;             // adds to c instead of overwriting it
  int64_t begin = 0, end = INT64_MAX;  // begin: a multiple of column_step()
};

/// b[k, n] as panels of whole tile columns, in the order that serves products with `rows` rows
/// best. Its memory comes from the cache of the allocator, so making one per call of an op is
/// cheap; T is float or double.
template <class T>
class PackedMatrix {
 public:
  /// Copies b, on all threads if it is large; a transposed view costs the same.
  PackedMatrix(int64_t k, int64_t n, MatrixView<T> b, int64_t rows);
  /// The copy of a view of `weight`, kept while its content stands; none before the second request.
  static std::optional<PackedMatrix> kept(int64_t k, int64_t n, MatrixView<T> b, int64_t rows,
                                          const Tensor& weight);

  int64_t rows() const { return k_; }
  int64_t columns() const { return n_; }
  /// Where a range of columns may begin: cut the work of threads at multiples of it.
  int64_t column_step() const { return kernel_->columns; }

  /// On all threads if the work is worth it; on the calling thread inside a parallel_for. The bits
  /// of an element depend on its row of a and column of b alone: not on m, the range or threads.
  void multiply(const PackedCall<T>& call) const;

 private:
  PackedMatrix(int64_t k, int64_t n, int64_t rows);
  size_t bytes() const;
  void pack(MatrixView<T> b, T* target) const;
  void multiply_panels(const PackedCall<T>& call, int64_t first, int64_t last) const;

  const GemmKernel<T>* kernel_;
  int64_t k_, n_;
  Ref<Storage> panels_;
};

}  // namespace lepton
