// Packs the panels of a matrix and multiplies rows by them.
// SPDX-License-Identifier: Apache-2.0
#include "ops/packed_matrix.h"

#include <algorithm>

#include "core/derived.h"
#include "core/parallel.h"
#include "ops/gemm_panel.h"

namespace lepton {
namespace {

constexpr int64_t kPackElements = 1 << 15;  // for one task; packing is a copy
constexpr double kPackedTaskFlops = 2e6;    // 20 us and more: below, waking a thread costs more
// A row or two take the time of eight: that of reading b.
constexpr int64_t kLeastRows = 8;
// Steps of k at a time: 6 rows of a and a panel of b stay in the caches next to the core.
constexpr int64_t kLongestBlock = 512;

}  // namespace

template <class T>
PackedMatrix<T>::PackedMatrix(int64_t k, int64_t n, int64_t rows)
    : kernel_(rows <= gemm_part<T>().few.max_rows ? &gemm_part<T>().few : &gemm_part<T>().wide),
      k_(k),
      n_(n) {}

template <class T>
PackedMatrix<T>::PackedMatrix(int64_t k, int64_t n, MatrixView<T> b, int64_t rows)
    : PackedMatrix(k, n, rows) {
  panels_ = Ref<Storage>(new Storage(bytes()));
  pack(b, reinterpret_cast<T*>(panels_->data()));
}

template <class T>
std::optional<PackedMatrix<T>> PackedMatrix<T>::kept(int64_t k, int64_t n, MatrixView<T> b,
                                                     int64_t rows, const Tensor& weight) {
  PackedMatrix matrix(k, n, rows);
  const int64_t columns = matrix.kernel_->columns, first = b.data - weight.data<T>();
  matrix.panels_ =
      derive_again(weight, {"packed", {k, n, columns, first, b.row, b.column}}, matrix.bytes(),
                   [&](std::byte* target) { matrix.pack(b, reinterpret_cast<T*>(target)); });
  if (!matrix.panels_) return {};
  return matrix;
}

template <class T>
size_t PackedMatrix<T>::bytes() const {
  const int64_t panels = ceil_div(n_, kernel_->columns);
  return static_cast<size_t>(panels * kernel_->columns * k_) * sizeof(T);
}

template <class T>
void PackedMatrix<T>::pack(MatrixView<T> b, T* target) const {
  if (k_ == 0) return;
  const int64_t panels = ceil_div(n_, kernel_->columns), size = k_ * kernel_->columns;
  const int64_t grain =
      std::max(panels_together(*kernel_), kPackElements / std::max<int64_t>(1, size));
  parallel_for(0, panels, grain, [&](int64_t begin, int64_t end) {
    pack_panels<T>(*kernel_, k_, n_, b, begin, end, target + begin * size);
  });
}

template <class T>
void PackedMatrix<T>::multiply(const PackedCall<T>& call) const {
  const int64_t step = kernel_->columns;
  const int64_t first = call.begin / step, last = ceil_div(std::min(call.end, n_), step);
  if (call.m <= 0 || last <= first) return;
  const FlushDenormals flush;
  const double panel_flops = 2.0 * static_cast<double>(std::max(call.m, kLeastRows) * k_ * step);
  const auto grain =
      std::max(int64_t{1}, static_cast<int64_t>(kPackedTaskFlops / (panel_flops + 1)));
  if (last - first > grain || call.m < 256)
    return parallel_for(first, last, ceil_div(last - first, ceil_div(last - first, grain)),
                        [&](int64_t b, int64_t e) { multiply_panels(call, b, e); });
  const int64_t rows = std::max(
      int64_t{48}, static_cast<int64_t>(kPackedTaskFlops * static_cast<double>(call.m) /
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
  const T* panels = reinterpret_cast<const T*>(panels_->data());
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
      multiply_panel<T>(*kernel_, {call.m, std::min({step, n_ - column, call.end - column}), length,
                                   a, panels + (j * k_ + k0) * step, step, call.c + column,
                                   call.c_row, call.bias && k0 == 0 ? call.bias + column : nullptr,
                                   k0 > 0 || call.accumulate, false});
    }
  }
}

template class PackedMatrix<float>;
template class PackedMatrix<double>;

}  // namespace lepton
