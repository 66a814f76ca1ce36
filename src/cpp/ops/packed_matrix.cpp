// Packs the panels of a matrix and multiplies rows by them.
// SPDX-License-Identifier: Apache-2.0
#include "ops/packed_matrix.h"

#include <algorithm>

#include "core/parallel.h"
#include "ops/gemm_panel.h"

namespace lepton {
namespace {

constexpr int64_t kPackElements = 1 << 15;  // for one task; packing is a copy
constexpr double kTaskFlops = 2e6;          // 20 us and more: below, waking a thread costs more
// Steps of k at a time: 6 rows of a and a panel of b stay in the caches next to the core.
constexpr int64_t kLongestBlock = 512;

}  // namespace

template <class T>
PackedMatrix<T>::PackedMatrix(int64_t k, int64_t n, MatrixView<T> b)
    : kernel_(&gemm_part<T>().wide), k_(k), n_(n) {
  const int64_t step = kernel_->columns;
  const int64_t panels = ceil_div(n, step), size = k * step;
  memory_.emplace(static_cast<size_t>(panels * size) * sizeof(T));
  T* memory = memory_->template as<T>();
  if (k == 0) return;
  const int64_t grain =
      std::max(panels_together(*kernel_), kPackElements / std::max<int64_t>(1, size));
  parallel_for(0, panels, grain, [&](int64_t begin, int64_t end) {
    pack_panels<T>(*kernel_, k, n, b, begin, end, memory + begin * size);
  });
}

template <class T>
void PackedMatrix<T>::multiply(const PackedCall<T>& call) const {
  const int64_t step = kernel_->columns;
  const int64_t first = call.begin / step, last = ceil_div(std::min(call.end, n_), step);
  if (call.m <= 0 || last <= first) return;
  const FlushDenormals flush;
  const double panel_flops = 2.0 * static_cast<double>(call.m * k_ * step);
  const auto grain = std::max(int64_t{1}, static_cast<int64_t>(kTaskFlops / (panel_flops + 1)));
  if (last - first > grain || call.m < 256)
    return parallel_for(first, last, grain,
                        [&](int64_t b, int64_t e) { multiply_panels(call, b, e); });
  const int64_t rows = std::max(
      int64_t{48}, static_cast<int64_t>(kTaskFlops * static_cast<double>(call.m) /
                                        (panel_flops * static_cast<double>(last - first) + 1)));
  parallel_for(0, call.m, rows, [&](int64_t b, int64_t e) {
    PackedCall<T> part = call;
    part.m = e - b;
    part.a.data += b * call.a.row;
    part.c += b * call.c_row;
    multiply_panels(part, first, last);
  });
}

template <class T>
void PackedMatrix<T>::multiply_panels(const PackedCall<T>& call, int64_t first,
                                      int64_t last) const {
  const int64_t blocks = std::max<int64_t>(1, ceil_div(k_, kLongestBlock));
  for (int64_t q = 0; q < blocks; ++q) {
    const int64_t k0 = k_ * q / blocks, length = k_ * (q + 1) / blocks - k0;
    MatrixView<T> a = {call.a.data + k0 * call.a.column, call.a.row, call.a.column};
    std::optional<Scratch> rows;
    if (a.column != 1) {
      rows.emplace(static_cast<size_t>(call.m * length) * sizeof(T));
      T* copy = rows->template as<T>();
      gemm_part<T>().copy_matrix(call.m, length, a.data, a.row, a.column, copy, length);
      a = {copy, length, 1};
    }
    for (int64_t j = first; j < last; ++j) {
      const int64_t step = kernel_->columns, column = j * step;
      multiply_panel<T>(
          *kernel_,
          {call.m, std::min({step, n_ - column, call.end - column}), length, a,
           memory_->template as<T>() + (j * k_ + k0) * step, step, call.c + column, call.c_row,
           call.bias && k0 == 0 ? call.bias + column : nullptr, k0 > 0 || call.accumulate, false});
    }
  }
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace lepton
