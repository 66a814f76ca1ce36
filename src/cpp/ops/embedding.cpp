// Gathering of rows, and their gradient: the sums over equal indices, in the order of these.
// SPDX-License-Identifier: Apache-2.0
#include "ops/embedding.h"

#include "autograd/node.h"
#include "core/parallel.h"
#include "core/sparse_rows.h"
#include "kernels/dispatch.h"

namespace lepton {
namespace {

constexpr const char* kEmbedding = "embedding";

// Row-major int64 indices, each checked.
Tensor checked_indices(const Tensor& input, int64_t rows) {
  check<TypeError>(is_integral(input.dtype()), kEmbedding,
                   ": input expects int64, int32 or uint8, got ", input.dtype());
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
    raise<IndexError>(kEmbedding, ": index ", index[i], " at position ", at,
                      " is out of bounds for ", rows, " rows (input: ", input.shape(), ")");
  }
  return indices;
}

}  // namespace

Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx,
                 bool sparse) {
  check<ValueError>(weight.ndim() == 2, kEmbedding, ": weight expects [rows, columns], got shape ",
                    weight.shape());
  check<TypeError>(is_floating(weight.dtype()), kEmbedding,
                   ": weight expects float32 or float64, got ", weight.dtype());
  const int64_t rows = weight.shape()[0], columns = weight.shape()[1];
  if (padding_idx) {
    check<IndexError>(*padding_idx >= -rows && *padding_idx < rows, kEmbedding, ": padding_idx ",
                      *padding_idx, " is out of bounds for ", rows, " rows");
    if (*padding_idx < 0) *padding_idx += rows;
  }
  const Tensor indices = checked_indices(input, rows), table = contiguous(weight);
  Shape shape = input.shape();
  shape.push_back(columns);
  Tensor y = empty(shape, weight.dtype());
  const int64_t row_bytes = columns * y.item_size();
  parallel_for(
      0, indices.numel(), std::max<int64_t>(1, kTaskElements / std::max<int64_t>(1, columns)),
      [&](int64_t begin, int64_t end) {
        kernels().copy->take_rows(end - begin, row_bytes, table.bytes(),
                                  indices.data<int64_t>() + begin, y.bytes() + begin * row_bytes);
      });
  Recorder tape(kEmbedding, {&weight});
  const auto order = [indices, rows, padding_idx] {
    return order_rows(indices.data<int64_t>(), indices.numel(), rows, padding_idx);
  };
  if (sparse)
    tape.joint([order, from = weight.shape()](const Tensor& dy, Gradients& dx) {
      dx.give_rows(0, sum_rows(order(), contiguous(dy), from));
    });
  else if (tape)
    tape.vjp(0, [order, from = weight.shape()](const Tensor& dy) {
      const Tensor dw = zeros(from, dy.dtype());
      add_rows(dw, order(), contiguous(dy));
      return dw;
    });
  return tape.output(y);
}

}  // namespace lepton
