// Gram matrices: slices of rows side by side, each on the register tiles of the matrix product.
// SPDX-License-Identifier: Apache-2.0
#include "ops/gram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/parallel.h"
#include "core/storage.h"
#include "ops/doubles.h"
#include "ops/elementwise.h"
#include "ops/gemm_panel.h"
#include "ops/view.h"

namespace lepton {
namespace {

// Slices of rows that run beside each other, none shorter than kSliceRows; together their results
// take no more than kSliceElements.
constexpr int64_t kMostSlices = 16, kSliceRows = 1024, kSliceElements = int64_t{1} << 22;
// Where slices are fewer than this the panels of columns are spread over tasks too.
constexpr int64_t kGramTasks = 8;
// Centred rows at a time: they and one panel share the cache next to the core.
constexpr int64_t kBlockBytes = 3 << 17, kMostBlockRows = 256;
// So many columns are worth packing: blocks of full height, of which kPackedTogether columns stay
// in the cache next to the core.
constexpr int64_t kPackedColumns = 192, kPackedTogether = 128;

template <class T>
class Gram {
 public:
  Gram(const Tensor& x, const Tensor& y, const double* weight, const double* shift)
      : n_(x.length(0)),
        parts_{{x.data<T>(), x.strides()[0], x.strides()[1]},
               {y.data<T>(), y.strides()[0], y.strides()[1]}},
        widths_{x.length(1), y.length(1)},
        size_(widths_[0] + widths_[1] + 1),
        weight_(weight),
        shift_(shift),
        panels_(ceil_div(size_, kernel_.columns)),
        width_(panels_ * kernel_.columns),
        packed_(size_ >= kPackedColumns),
        // An odd number of cache lines: rows do not push each other out.
        pitch_((ceil_div(width_, 8) | 1) * 8),
        block_(packed_ ? kMostBlockRows
                       : std::min(kBlockBytes / (pitch_ * int64_t{8}), kMostBlockRows)),
        slices_(std::clamp<int64_t>(std::min(n_ / kSliceRows, kSliceElements / (size_ * width_)), 1,
                                    kMostSlices)),
        groups_(std::clamp<int64_t>(slices_ < kGramTasks ? panels_ / 4 : 1, 1,
                                    ceil_div(kGramTasks, slices_))),
        sums_(static_cast<size_t>(slices_ * size_ * width_) * sizeof(double)) {}

  void run(double* out) {
    parallel_for(0, slices_ * groups_, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) run_task(t / groups_, t % groups_);
    });
    parallel_for(0, size_, std::max<int64_t>(1, kTaskElements / (size_ * slices_)),
                 [&](int64_t begin, int64_t end) { add_slices(begin, end, out); });
  }

 private:
  double* sums(int64_t slice) const { return sums_.as<double>() + slice * size_ * width_; }

  // Groups of panels with equal areas of the upper triangle.
  int64_t first_panel(int64_t group) const {
    return std::llround(static_cast<double>(panels_) *
                        std::sqrt(static_cast<double>(group) / static_cast<double>(groups_)));
  }

  // The upper triangle of the sums of one slice, panels of one group.
  void run_task(int64_t slice, int64_t group) const {
    const int64_t j0 = first_panel(group), j1 = first_panel(group + 1);
    const int64_t begin = n_ * slice / slices_, end = n_ * (slice + 1) / slices_;
    const Scratch rows(static_cast<size_t>(block_ * pitch_) * sizeof(double));
    const Scratch copy(static_cast<size_t>(block_ * std::max(widths_[0], widths_[1])) * sizeof(T));
    const int64_t extra = packed_ ? block_ * (2 * pitch_ + kernel_.max_rows) + kMaxLanes : 0;
    const Scratch packed(static_cast<size_t>(extra) * sizeof(double));
    double* z = rows.as<double>();
    std::fill(z, z + block_ * pitch_, 0.0);
    for (int64_t i = begin; i < end || i == begin; i += block_) {
      const int64_t count = std::min(block_, end - i);
      fill_rows(i, count, j1 * kernel_.columns, z, copy.as<T>());
      if (packed_)
        add_packed(slice, j0, j1, z, count, i > begin, packed.as<double>());
      else
        add_products(slice, j0, j1, z, count, i > begin);
    }
  }

  // Adds the products of `count` rows of z to panels j0 .. j1.
  void add_products(int64_t slice, int64_t j0, int64_t j1, const double* z, int64_t count,
                    bool accumulate) const {
    for (int64_t j = j0; j < j1; ++j) {
      PanelCall<double> part = {};
      part.rows = std::min(size_, (j + 1) * kernel_.columns);
      part.width = kernel_.columns;
      part.k = count;
      part.a = {z, 1, pitch_};
      part.b = z + j * kernel_.columns;
      part.b_row = pitch_;
      part.c = sums(slice) + j * kernel_.columns;
      part.c_row = width_;
      part.accumulate = accumulate;
      multiply_panel(kernel_, part);
    }
  }

  // The same with z packed as both factors: a few columns of the first stay in the cache while the
  // panels of the second pass by.
  void add_packed(int64_t slice, int64_t j0, int64_t j1, const double* z, int64_t count,
                  bool accumulate, double* packed) const {
    const int64_t nr = kernel_.columns, most = std::min(size_, j1 * nr);
    double* const a = packed + block_ * pitch_;
    kernel_.pack_rows(most, count, z, 1, pitch_, a);
    gemm_part<double>().pack_panels(count, (j1 - j0) * nr, z + j0 * nr, pitch_, 1, nr, packed);
    const int64_t together = kPackedTogether / kernel_.max_rows * kernel_.max_rows;
    for (int64_t first = 0; first < most; first += together)
      for (int64_t j = std::max(j0, first / nr); j < j1; ++j) {
        PanelCall<double> part = {};
        part.rows = std::min(first + together, std::min(size_, (j + 1) * nr)) - first;
        part.width = nr;
        part.k = count;
        part.a = {a + first * count, 0, 0};
        part.packed_a = true;
        part.b = packed + (j - j0) * nr * count;
        part.b_row = nr;
        part.c = sums(slice) + first * width_ + j * nr;
        part.c_row = width_;
        part.accumulate = accumulate;
        multiply_panel(kernel_, part);
      }
  }

  // Rows of z from `row` on, as far as columns below `limit` need them.
  void fill_rows(int64_t row, int64_t count, int64_t limit, double* z, T* copy) const {
    double scale[kMostBlockRows];
    for (int64_t i = 0; i < count; ++i) scale[i] = weight_ ? std::sqrt(weight_[row + i]) : 1.0;
    int64_t first = 0;
    for (int q = 0; q < 2; ++q) {
      const int64_t columns = std::min(widths_[q], limit - first);
      if (columns <= 0) continue;
      const MatrixView<T>& part = parts_[q];
      const T* source = part.data + row * part.row;
      int64_t source_row = part.row;
      if (part.column != 1) {
        gemm_part<T>().copy_matrix(count, columns, source, part.row, part.column, copy, columns);
        source = copy;
        source_row = columns;
      }
      part_of<T>(kernels().gram)
          .center(count, columns, source, source_row, shift_ + first, scale, z + first, pitch_);
      first += widths_[q];
    }
    if (size_ <= limit)
      for (int64_t i = 0; i < count; ++i) z[i * pitch_ + size_ - 1] = scale[i];
  }

  void add_slices(int64_t begin, int64_t end, double* out) const {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t j = i; j < size_; ++j) {
        double sum = 0;
        for (int64_t s = 0; s < slices_; ++s) sum += sums(s)[i * width_ + j];
        out[i * size_ + j] = out[j * size_ + i] = sum;
      }
  }

  const GemmKernel<double>& kernel_ = gemm_part<double>().wide;
  const int64_t n_;
  const MatrixView<T> parts_[2];
  const int64_t widths_[2], size_;
  const double *weight_, *shift_;
  const int64_t panels_, width_;
  const bool packed_;
  const int64_t pitch_, block_, slices_, groups_;
  const Scratch sums_;
};

void check_gram(const Tensor& x, const Tensor& y) {
  check<ValueError>(x.ndim() == 2 && y.ndim() == 2 && x.length(0) == y.length(0),
                    "gram: expects x [n, p] and y [n, t] (x: ", x.shape(), ", y: ", y.shape(), ")");
  check<TypeError>(x.dtype() == y.dtype(), "gram: expects one dtype (x: ", x.dtype(),
                   ", y: ", y.dtype(), ")");
}

}  // namespace

Tensor gram(const Tensor& x, const Tensor& y, const std::optional<Tensor>& weight,
            const std::optional<Tensor>& shift) {
  check_gram(x, y);
  const int64_t columns = x.length(1) + y.length(1), size = columns + 1;
  const Tensor weights =
      weight ? non_negative_doubles("gram", "weight", *weight, {x.length(0)}) : Tensor();
  const Tensor shifts = shift ? contiguous(doubles("gram", "shift", *shift, {columns})) : Tensor();
  const std::vector<double> zeros(shift ? 0 : static_cast<size_t>(size));
  const Tensor result = empty({size, size}, DType::kFloat64);
  dispatch_floating("gram", x.dtype(), [&]<class T>() {
    FlushDenormals flush;
    Gram<T>(x, y, weight ? weights.data<double>() : nullptr,
            shift ? shifts.data<double>() : zeros.data())
        .run(result.data<double>());
  });
  return result;
}

}  // namespace lepton
