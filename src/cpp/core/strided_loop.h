// Walks several tensors of one shape together, in memory order, as runs along the innermost axis.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <initializer_list>

#include "core/parallel.h"
#include "core/shape.h"

namespace lepton {

/// Axes are ordered by the memory of operand 0 (the output) and merged where every operand allows
/// it.
class StridedLoop {
 public:
  static constexpr int kMaxOperands = 6;
  using Offsets = std::array<int64_t, kMaxOperands>;

  /// Strides in elements, one list per operand, each as long as shape.
  StridedLoop(const Shape& shape, std::initializer_list<const Strides*> operands);
  StridedLoop(const Shape& shape, const Strides* const* operands, int count);

  int64_t numel() const { return numel_; }
  /// Stride of an operand along the innermost axis.
  int64_t inner_stride(int operand) const { return strides_[operand].back(); }
  int64_t inner_length() const { return lengths_.back(); }
  const Shape& lengths() const { return lengths_; }
  const Strides& strides(int operand) const { return strides_[operand]; }

  /// Calls body(offsets, n) for the runs that cover elements [begin, end); offsets are in elements.
  template <class Body>
  void run(int64_t begin, int64_t end, Body&& body) const;

  /// run over everything on several threads; grain is in elements.
  template <class Body>
  void parallel_run(int64_t grain, Body&& body) const {
    parallel_for(0, numel_, grain, [&](int64_t b, int64_t e) { run(b, e, body); });
  }

 private:
  void build(const Shape& shape, const Strides* const* operands);

  int count_;
  int64_t numel_;
  Shape lengths_;
  std::array<Strides, kMaxOperands> strides_;
};

template <class Body>
void StridedLoop::run(int64_t begin, int64_t end, Body&& body) const {
  if (begin >= end) return;
  const size_t axes = lengths_.size();
  Dims at(axes);
  Offsets offsets{};
  for (size_t a = axes, rest = static_cast<size_t>(begin); a-- > 0;) {
    at[a] = static_cast<int64_t>(rest % static_cast<size_t>(lengths_[a]));
    rest /= static_cast<size_t>(lengths_[a]);
    for (int k = 0; k < count_; ++k) offsets[k] += at[a] * strides_[k][a];
  }
  const size_t inner = axes - 1;
  for (int64_t done = begin;;) {
    const int64_t n = std::min(end - done, lengths_[inner] - at[inner]);
    body(offsets, n);
    done += n;
    if (done >= end) return;
    for (int k = 0; k < count_; ++k) offsets[k] -= at[inner] * strides_[k][inner];
    at[inner] = 0;
    for (size_t a = inner; a-- > 0;) {
      for (int k = 0; k < count_; ++k) offsets[k] += strides_[k][a];
      if (++at[a] < lengths_[a]) break;
      for (int k = 0; k < count_; ++k) offsets[k] -= lengths_[a] * strides_[k][a];
      at[a] = 0;
    }
  }
}

}  // namespace lepton
