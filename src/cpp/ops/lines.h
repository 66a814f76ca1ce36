// One axis of a dense tensor as lines of memory: rows where it is innermost, else columns.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/softmax_table.h"
#include "ops/layout.h"

namespace lepton {

/// outer blocks of inner lines of n elements; in memory [outer, n, inner].
struct LineGrid {
  int64_t outer, n, inner;
  bool stream = false;  // results of as many elements are stored past the caches

  int64_t lines() const { return outer * inner; }

  /// Calls body(lines, offset of the first element, number of the first line) on several threads.
  template <class Body>
  void parallel(Body&& body) const {
    if (lines() == 0) return;
    const int64_t length = std::max<int64_t>(n, 1);
    if (inner == 1) {
      parallel_for(0, outer, std::max<int64_t>(1, kTaskElements / length),
                   [&](int64_t b, int64_t e) { body(Lines{e - b, n, 1, stream}, b * n, b); });
      return;
    }
    const int64_t width = std::min<int64_t>(inner, std::max<int64_t>(64, kTaskElements / length));
    const int64_t blocks = (inner + width - 1) / width;
    parallel_for(0, outer * blocks, std::max<int64_t>(1, kTaskElements / (length * width)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t o = task / blocks, column = task % blocks * width;
                     const int64_t count = std::min(width, inner - column);
                     body(Lines{count, n, inner, stream}, o * n * inner + column,
                          o * inner + column);
                   }
                 });
  }
};

/// The lines along one axis of a dense x, in the order of its memory.
inline LineGrid lines_in_memory(const Tensor& x, int64_t axis) {
  LineGrid grid{1, x.ndim() == 0 ? 1 : x.shape()[axis], 1, is_streamed(x)};
  bool before = true;
  for (int64_t a : memory_order(x.shape(), x.strides())) {
    if (a == axis)
      before = false;
    else
      (before ? grid.outer : grid.inner) *= x.shape()[a];
  }
  return grid;
}

}  // namespace lepton
