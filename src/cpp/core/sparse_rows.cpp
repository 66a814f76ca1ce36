// Rows sorted by their number, so that sums over equal ones have one order.
// SPDX-License-Identifier: Apache-2.0
#include "core/sparse_rows.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/parallel.h"
#include "kernels/dispatch.h"

namespace lepton {
namespace {

constexpr int kDigit = 11;  // bits of a pass of the sort: its counters stay in L1

struct Entry {
  int64_t row, position;
};

// Sorts by row, keeping the order of equal ones: from the lowest digit to the highest.
void sort_entries(std::vector<Entry>& entries, int64_t rows) {
  const int bits = std::bit_width(static_cast<uint64_t>(rows));
  std::vector<Entry> sorted(entries.size());
  for (int shift = 0; shift < bits; shift += kDigit) {
    std::array<size_t, (1 << kDigit) + 1> next{};
    const auto digit = [&](const Entry& e) {
      return static_cast<size_t>(e.row >> shift) & ((1 << kDigit) - 1);
    };
    for (const Entry& e : entries) ++next[digit(e) + 1];
    for (size_t d = 1; d < next.size(); ++d) next[d] += next[d - 1];
    for (const Entry& e : entries) sorted[next[digit(e)]++] = e;
    entries.swap(sorted);
  }
}

// Calls body(k) for every row of the order; a task has about kTaskElements elements of values.
template <class Body>
void for_each_row(const RowOrder& order, int64_t columns, Body&& body) {
  const auto count = static_cast<int64_t>(order.rows.size());
  const auto elements = static_cast<int64_t>(order.position.size()) * columns;
  const int64_t grain =
      std::max<int64_t>(1, kTaskElements * count / std::max<int64_t>(1, elements));
  parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) body(static_cast<size_t>(k));
  });
}

}  // namespace

RowOrder order_rows(const int64_t* index, int64_t n, int64_t rows, std::optional<int64_t> without) {
  std::vector<Entry> entries;
  entries.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i)
    if (index[i] != without) entries.push_back({index[i], i});
  sort_entries(entries, rows);
  RowOrder order;
  for (const Entry& e : entries) {
    if (order.rows.empty() || order.rows.back() != e.row) {
      order.rows.push_back(e.row);
      order.start.push_back(static_cast<int64_t>(order.position.size()));
    }
    order.position.push_back(e.position);
  }
  order.start.push_back(static_cast<int64_t>(order.position.size()));
  return order;
}

void add_rows(const Tensor& dst, const RowOrder& order, const Tensor& values) {
  const int64_t columns = dst.shape()[1], row_bytes = columns * dst.item_size();
  const auto add = kernels().copy->scatter_add_rows[dst.dtype() == DType::kFloat64];
  for_each_row(order, columns, [&](size_t k) {
    for (int64_t i = order.start[k]; i < order.start[k + 1]; ++i)
      add(1, columns, dst.bytes(), columns, &order.rows[k],
          values.bytes() + order.position[static_cast<size_t>(i)] * row_bytes);
  });
}

Ref<SparseRows> sum_rows(const RowOrder& order, const Tensor& values, Shape shape) {
  const int64_t columns = shape[1], row_bytes = columns * values.item_size();
  const Tensor sums = empty({static_cast<int64_t>(order.rows.size()), columns}, values.dtype());
  const auto add = kernels().copy->scatter_add_rows[values.dtype() == DType::kFloat64];
  for_each_row(order, columns, [&](size_t k) {
    const auto row = static_cast<int64_t>(k);
    const auto at = [&](int64_t i) {
      return values.bytes() + order.position[static_cast<size_t>(i)] * row_bytes;
    };
    std::memcpy(sums.bytes() + row * row_bytes, at(order.start[k]), static_cast<size_t>(row_bytes));
    for (int64_t i = order.start[k] + 1; i < order.start[k + 1]; ++i)
      add(1, columns, sums.bytes(), columns, &row, at(i));
  });
  return Ref<SparseRows>(new SparseRows(from_integers(order.rows), sums, std::move(shape)));
}

void check_rows(const char* op, const SparseRows& x) {
  check<ValueError>(x.shape.size() == 2 && x.shape[0] >= 0 && x.shape[1] >= 0, op,
                    ": rows expect a shape of 2 lengths of at least 0, got ", x.shape);
  check<TypeError>(x.indices.dtype() == DType::kInt64, op, ": indices expects int64, got ",
                   x.indices.dtype());
  check<TypeError>(is_floating(x.values.dtype()), op, ": values expects float32 or float64, got ",
                   x.values.dtype());
  const int64_t n = x.indices.numel();
  check<ValueError>(x.indices.ndim() == 1 && x.indices.is_contiguous(), op,
                    ": indices expects one axis without gaps, got shape ", x.indices.shape());
  check<ValueError>(x.values.shape() == Shape{n, x.shape[1]} && x.values.is_contiguous(), op,
                    ": values expects shape ", Shape{n, x.shape[1]}, " without gaps, got ",
                    x.values.shape());
  const int64_t* index = x.indices.data<int64_t>();
  for (int64_t i = 0, last = -1; i < n; last = index[i++])
    check<ValueError>(index[i] > last && index[i] < x.shape[0], op,
                      ": indices expects ascending rows from 0 to ", x.shape[0] - 1, ", got ",
                      index[i], i ? " after " : "", i ? std::to_string(last) : "");
}

Tensor to_dense(const SparseRows& x) {
  const Tensor y = zeros(x.shape, x.values.dtype());
  add_into(y, x);
  return y;
}

void add_into(const Tensor& dst, const SparseRows& x) {
  check_rows("grad", x);
  if (!dst.is_contiguous()) {
    const Tensor total = contiguous(dst);
    add_into(total, x);
    return copy_into(dst, total);
  }
  const int64_t* index = x.indices.data<int64_t>();
  add_rows(dst, order_rows(index, x.indices.numel(), x.shape[0]), x.values);
}

Ref<SparseRows> add(const SparseRows& a, const SparseRows& b) {
  check_rows("grad", a);
  check_rows("grad", b);
  const int64_t first = a.indices.numel(), n = first + b.indices.numel();
  const Tensor indices = empty({n}, DType::kInt64);
  const Tensor values = empty({n, a.shape[1]}, a.values.dtype());
  const auto join = [](const Tensor& to, const Tensor& x, const Tensor& y) {
    const auto bytes = [](const Tensor& t) {
      return static_cast<size_t>(t.numel() * t.item_size());
    };
    std::memcpy(to.bytes(), x.bytes(), bytes(x));
    std::memcpy(to.bytes() + bytes(x), y.bytes(), bytes(y));
  };
  join(indices, a.indices, b.indices);
  join(values, a.values, b.values);
  return sum_rows(order_rows(indices.data<int64_t>(), n, a.shape[0]), values, a.shape);
}

}  // namespace lepton
