// Shapes, strides and what can be said of them without touching data.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "core/error.h"

namespace lepton {

/// a / b, rounded up; b > 0, a >= 0.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// A short list of integers: a shape, strides or axes. Up to six live in place, more on the heap.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) { assign(values.begin(), values.end()); }
  explicit Dims(size_t n, int64_t value = 0) { resize(n, value); }
  template <class Iterator>
    requires(!std::is_integral_v<Iterator>)
  Dims(Iterator first, Iterator last) {
    assign(first, last);
  }
  Dims(const Dims& other) { assign(other.begin(), other.end()); }
  Dims(Dims&& other) noexcept { steal(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept {
    if (this != &other) {
      release();
      steal(other);
    }
    return *this;
  }
  ~Dims() { release(); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t* begin() { return data_; }
  int64_t* end() { return data_ + size_; }
  const int64_t* begin() const { return data_; }
  const int64_t* end() const { return data_ + size_; }
  int64_t& operator[](size_t i) { return data_[i]; }
  int64_t operator[](size_t i) const { return data_[i]; }
  int64_t back() const { return data_[size_ - 1]; }

  void push_back(int64_t value) { resize(size_ + 1, value); }
  void insert(size_t at, int64_t value);
  void erase(size_t at);
  void resize(size_t n, int64_t value = 0) {
    if (n > capacity_) grow(n);
    for (size_t i = size_; i < n; ++i) data_[i] = value;
    size_ = n;
  }
  bool operator==(const Dims& other) const {
    return size_ == other.size_ && std::equal(begin(), end(), other.begin());
  }

 private:
  static constexpr size_t kInline = 6;
  template <class Iterator>
  void assign(Iterator first, Iterator last) {
    const auto n = static_cast<size_t>(last - first);
    if (n > capacity_) grow(n);
    std::copy(first, last, data_);
    size_ = n;
  }
  void grow(size_t n);
  void release() {
    if (data_ != inline_) delete[] data_;
  }
  void steal(Dims& other) noexcept {
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, kInline);
    data_ = std::exchange(other.data_, other.inline_);
    if (data_ != other.inline_) return;
    std::memcpy(inline_, other.inline_, sizeof inline_);
    data_ = inline_;
  }

  size_t size_ = 0, capacity_ = kInline;
  int64_t* data_ = inline_;
  int64_t inline_[kInline];
};

using Shape = Dims;
using Strides = Dims;

/// Prints as [2, 3].
std::ostream& operator<<(std::ostream& out, const Dims& dims);

/// Most axes a tensor may have.
constexpr size_t kMaxAxes = 64;

/// Product of the lengths; ValueError naming op when one is negative or the count overflows.
int64_t count(const char* op, const Shape& shape);
/// The same without checks, for shapes known to be sound.
inline int64_t count(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}
/// Strides (in elements) of a row-major tensor.
Strides contiguous_strides(const Shape& shape);
/// Strides of a dense tensor whose axes lie in memory in the given order, slowest first.
Strides strides_in_order(const Shape& shape, const Dims& order);
/// The order of axes in memory, slowest first, as seen from the strides; ties keep their order.
Dims memory_order(const Shape& shape, const Strides& strides);

/// axis as 0..ndim-1; IndexError naming op when it is outside [-ndim, ndim).
int64_t normalize_axis(const char* op, int64_t axis, size_t ndim);
/// Each axis normalised; ValueError when one repeats. No value: all axes.
Dims normalize_axes(const char* op, const std::optional<Dims>& axes, size_t ndim);
/// The common shape by the broadcasting rules; ValueError naming op and both shapes otherwise.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

}  // namespace lepton
