// Gathering of rows, and their gradient added up in the order of the indices.
// SPDX-License-Identifier: Apache-2.0
#include "ops/embedding.h"

#include "autograd/node.h"
#include "core/parallel.h"
#include "kernels/dispatch.h"

namespace lepton {
namespace {

constexpr const char* kName = "embedding";
constexpr int64_t kTask = 1 << 14;  // elements a thread takes at a time
constexpr int64_t kRanges = 64;     // parts of the table that gradients are added to in parallel

// Row-major int64 indices, each checked.
Tensor checked_indices(const Tensor& input, int64_t rows) {
  check<TypeError>(is_integral(input.dtype()), kName, ": input expects int64, int32 or uint8, got ",
                   input.dtype());
  Tensor indices = empty(input.shape(), DType::kInt64);
  copy_into(indices, input);
  const int64_t* index = indices.data<int64_t>();
  for (int64_t i = 0; i < indices.numel(); ++i) {
    if (index[i] >= 0 && index[i] < rows) [[likely]]
      continue;
    Dims at(input.ndim());
    for (int64_t a = static_cast<int64_t>(input.ndim()) - 1, rest = i; a >= 0; --a) {
      at[a] = rest % input.shape()[a];
      rest /= input.shape()[a];
    }
    raise<IndexError>(kName, ": index ", index[i], " at position ", at, " is out of bounds for ",
                      rows, " rows (input: ", input.shape(), ")");
  }
  return indices;
}

// Positions of the indices sorted by the range of rows they fall into, each range in its order.
struct Buckets {
  int64_t range;  // rows in each
  std::vector<int64_t> start,
      position;  // of bucket b: position[start[b]] .. position[start[b + 1]]
};

Buckets sort_by_range(const Tensor& indices, int64_t rows) {
  const int64_t* index = indices.data<int64_t>();
  const int64_t n = indices.numel(), range = std::max<int64_t>(1, (rows + kRanges - 1) / kRanges);
  Buckets b{range, std::vector<int64_t>(kRanges + 1), std::vector<int64_t>(static_cast<size_t>(n))};
  for (int64_t i = 0; i < n; ++i) ++b.start[index[i] / range + 1];
  for (int64_t k = 0; k < kRanges; ++k) b.start[k + 1] += b.start[k];
  std::vector<int64_t> next(b.start.begin(), b.start.end() - 1);
  for (int64_t i = 0; i < n; ++i) b.position[next[index[i] / range]++] = i;
  return b;
}

Tensor weight_gradient(const Tensor& indices, const Tensor& dy, const Shape& shape,
                       std::optional<int64_t> padding) {
  const Tensor dw = zeros(shape, dy.dtype());
  const int64_t columns = shape[1], size = dy.item_size();
  if (indices.numel() == 0 || columns == 0) return dw;
  const auto add = kernels().copy->scatter_add_rows[dy.dtype() == DType::kFloat64];
  const int64_t* index = indices.data<int64_t>();
  const Buckets buckets = sort_by_range(indices, shape[0]);
  const int64_t grain = std::max<int64_t>(1, kTask * kRanges / std::max<int64_t>(1, dy.numel()));
  parallel_for(0, kRanges, grain, [&](int64_t begin, int64_t end) {
    for (int64_t k = buckets.start[begin]; k < buckets.start[end]; ++k) {
      const int64_t at = buckets.position[k];
      if (index[at] != padding)
        add(1, columns, dw.bytes(), columns, index + at, dy.bytes() + at * columns * size);
    }
  });
  return dw;
}

}  // namespace

Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx) {
  check<ValueError>(weight.ndim() == 2, kName, ": weight expects [rows, columns], got shape ",
                    weight.shape());
  check<TypeError>(is_floating(weight.dtype()), kName, ": weight expects float32 or float64, got ",
                   weight.dtype());
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  if (padding_idx) {
    check<IndexError>(*padding_idx >= -rows && *padding_idx < rows, kName, ": padding_idx ",
                      *padding_idx, " is out of bounds for ", rows, " rows");
    if (*padding_idx < 0) *padding_idx += rows;
  }
  const Tensor indices = checked_indices(input, rows), table = contiguous(weight);
  Shape shape = input.shape();
  shape.push_back(columns);
  Tensor y = empty(shape, weight.dtype());
  const int64_t row_bytes = columns * y.item_size();
  parallel_for(0, indices.numel(), std::max<int64_t>(1, kTask / std::max<int64_t>(1, columns)),
               [&](int64_t begin, int64_t end) {
                 kernels().copy->take_rows(end - begin, row_bytes, table.bytes(),
                                           indices.data<int64_t>() + begin,
                                           y.bytes() + begin * row_bytes);
               });
  Recorder tape(kName, {&weight});
  if (tape)
    tape.vjp(0, [indices, padding_idx, from = weight.shape()](const Tensor& dy) {
      return weight_gradient(indices, contiguous(dy), from, padding_idx);
    });
  return tape.output(y);
}

}  // namespace lepton
