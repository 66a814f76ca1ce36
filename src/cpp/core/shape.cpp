// Arithmetic on shapes and strides.
// SPDX-License-Identifier: Apache-2.0
#include "core/shape.h"

#include <numeric>

namespace lepton {

void Dims::grow(size_t n) {
  n = std::max(n, 2 * capacity_);
  int64_t* grown = new int64_t[n];
  std::copy(begin(), end(), grown);
  release();
  data_ = grown;
  capacity_ = n;
}

void Dims::insert(size_t at, int64_t value) {
  push_back(value);
  std::rotate(begin() + at, end() - 1, end());
}

void Dims::erase(size_t at) {
  std::copy(begin() + at + 1, end(), begin() + at);
  --size_;
}

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '[';
  for (size_t i = 0; i < dims.size(); ++i) out << (i ? ", " : "") << dims[i];
  return out << ']';
}

int64_t count(const char* op, const Shape& shape) {
  check<ValueError>(shape.size() <= kMaxAxes, op, ": expects at most ", kMaxAxes, " axes, got ",
                    shape.size());
  // The product over non-zero lengths must fit too: strides are computed from it.
  int64_t n = 1;
  bool empty = false;
  for (int64_t d : shape) {
    check<ValueError>(d >= 0, op, ": expects lengths of at least 0, got shape ", shape);
    empty |= d == 0;
    const bool overflow = __builtin_mul_overflow(n, std::max<int64_t>(d, 1), &n);
    check<ValueError>(!overflow && n <= INT64_MAX / 8, op, ": shape ", shape,
                      " has more elements than memory can address");
  }
  return empty ? 0 : n;
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

Strides strides_in_order(const Shape& shape, const Dims& order) {
  Strides strides(shape.size());
  int64_t step = 1;
  for (size_t i = order.size(); i-- > 0;) {
    strides[order[i]] = step;
    step *= std::max<int64_t>(shape[order[i]], 1);
  }
  return strides;
}

Dims memory_order(const Shape& shape, const Strides& strides) {
  Dims order(shape.size());
  std::iota(order.begin(), order.end(), 0);
  // Insertion sort: stable, allocation free; axes of length 1 and broadcast axes say nothing, they
  // stay.
  const auto silent = [&](int64_t axis) { return shape[axis] <= 1 || strides[axis] == 0; };
  for (size_t i = 1; i < order.size(); ++i) {
    const int64_t axis = order[i];
    if (silent(axis)) continue;
    for (size_t j = i, k = i; k-- > 0;) {
      if (silent(order[k])) continue;
      if (std::abs(strides[order[k]]) >= std::abs(strides[axis])) break;
      std::swap(order[j], order[k]);
      j = k;
    }
  }
  return order;
}

int64_t normalize_axis(const char* op, int64_t axis, size_t ndim) {
  const int64_t n = static_cast<int64_t>(ndim);
  check<IndexError>(axis >= -n && axis < n, op, ": axis ", axis, " is out of bounds for ", n,
                    " axes");
  return axis < 0 ? axis + n : axis;
}

Dims normalize_axes(const char* op, const std::optional<Dims>& axes, size_t ndim) {
  if (!axes) {
    Dims all(ndim);
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  Dims result;
  for (int64_t axis : *axes) {
    const int64_t a = normalize_axis(op, axis, ndim);
    check<ValueError>(std::find(result.begin(), result.end(), a) == result.end(), op, ": axis ",
                      axis, " is named twice in ", *axes);
    result.push_back(a);
  }
  return result;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  const size_t n = std::max(a.size(), b.size());
  Shape shape(n);
  for (size_t i = 0; i < n; ++i) {
    const int64_t da = i + a.size() < n ? 1 : a[i + a.size() - n];
    const int64_t db = i + b.size() < n ? 1 : b[i + b.size() - n];
    check<ValueError>(da == db || da == 1 || db == 1, op, ": shapes ", a, " and ", b,
                      " do not broadcast");
    shape[i] = da == 1 ? db : da;
  }
  return shape;
}

}  // namespace lepton
