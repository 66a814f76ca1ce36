// Matrices of which few rows are not zero: gradients of tables.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <vector>

#include "core/tensor.h"

namespace lepton {

/// A matrix whose row indices[k] is values[k] and whose other rows are zero. indices (int64) ascend
/// without repetition. Both tensors are row-major and without history.
struct SparseRows : RefCounted {
  SparseRows(Tensor indices, Tensor values, Shape shape)
      : indices(std::move(indices)), values(std::move(values)), shape(std::move(shape)) {}
  /// Takes over what another holds.
  void become(const SparseRows& other) {
    indices = other.indices;
    values = other.values;
  }
  Tensor indices, values;
  Shape shape;
};

/// The gradient of a parameter: a tensor, or the rows of it that are not zero.
struct Gradient {
  Gradient() = default;
  Gradient(Tensor dense) : dense(std::move(dense)) {}
  Gradient(Ref<SparseRows> rows) : rows(std::move(rows)) {}
  Tensor dense;
  Ref<SparseRows> rows;

  const Shape& shape() const { return rows ? rows->shape : dense.shape(); }
  /// The tensor that holds all elements that are stored.
  const Tensor& stored() const { return rows ? rows->values : dense; }
};

/// Row numbers of a table sorted: the distinct ones, and at which positions each of them stood.
struct RowOrder {
  std::vector<int64_t> rows;      // ascending, without repetition
  std::vector<int64_t> start;     // rows[k] stood at position[start[k]] .. position[start[k + 1]]
  std::vector<int64_t> position;  // those of one row in their order
};
/// Sorts n row numbers, each from 0 to rows - 1; those equal to `without` are left out.
RowOrder order_rows(const int64_t* index, int64_t n, int64_t rows,
                    std::optional<int64_t> without = {});

/// Adds the rows of values at the positions of each row of `order` to that row of dst, one after
/// the other in their order; both are row-major.
void add_rows(const Tensor& dst, const RowOrder& order, const Tensor& values);
/// The same sums, by themselves, of a matrix of that shape.
Ref<SparseRows> sum_rows(const RowOrder& order, const Tensor& values, Shape shape);

/// Raises ValueError unless x is what its type promises: its tensors can be written to from Python.
void check_rows(const char* op, const SparseRows& x);
/// All rows.
Tensor to_dense(const SparseRows& x);
/// dst += x, in any layout of dst.
void add_into(const Tensor& dst, const SparseRows& x);
/// a + b.
Ref<SparseRows> add(const SparseRows& a, const SparseRows& b);

}  // namespace lepton
