// Checks and reductions of losses with class indices.
// SPDX-License-Identifier: Apache-2.0
#include "ops/class_loss.h"

#include "core/strided_loop.h"
#include "ops/reduce.h"

namespace lepton {
namespace {

// Memory [N, d1, ..., C]?
bool classes_innermost(const Tensor& x) {
  int64_t step = 1;
  const auto fits = [&](size_t axis) {
    const bool ok = x.shape()[axis] == 1 || x.strides()[axis] == step;
    step *= x.shape()[axis];
    return ok;
  };
  if (!fits(1)) return false;
  for (size_t axis = x.ndim(); axis-- > 2;)
    if (!fits(axis)) return false;
  return fits(0);
}

// A position in row-major order as indices, for messages.
Dims unravel(int64_t position, const Shape& shape) {
  Dims at(shape.size());
  for (size_t a = shape.size(); a-- > 0; position /= shape[a]) at[a] = position % shape[a];
  return at;
}

}  // namespace

Reduction parse_reduction(const char* op, const std::string& reduction) {
  if (reduction == "mean") return Reduction::kMean;
  if (reduction == "sum") return Reduction::kSum;
  check<ValueError>(reduction == "none", op, ": reduction expects 'mean', 'sum' or 'none', got '",
                    reduction, "'");
  return Reduction::kNone;
}

Tensor reduce_losses(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::kNone) return losses;
  return reduction == Reduction::kSum ? sum(losses) : mean(losses);
}

ClassScores class_scores(const char* op, const Tensor& input) {
  check<TypeError>(is_floating(input.dtype()), op, ": input expects float32 or float64, got ",
                   input.dtype());
  check<ValueError>(input.ndim() >= 1, op,
                    ": input expects an axis of classes, [N, C] or [N, C, ...], got shape []");
  ClassScores scores;
  if (input.ndim() == 1) {
    scores.x = contiguous(input);
    scores.grid = {1, input.shape()[0], 1};
    return scores;
  }
  scores.line_shape = input.shape();
  scores.line_shape.erase(1);
  const int64_t lines = count(scores.line_shape), classes = input.shape()[1];
  if (classes_innermost(input)) {
    scores.x = input;
    scores.grid = {lines, classes, 1};
  } else {
    scores.x = contiguous(input);
    const int64_t outer = input.shape()[0];
    scores.grid = {outer, classes, outer == 0 ? 0 : lines / outer};
  }
  return scores;
}

Tensor class_targets(const char* op, const ClassScores& scores, const Tensor& input,
                     const Tensor& target, int64_t ignore_index) {
  check<TypeError>(is_integral(target.dtype()), op,
                   ": target expects class indices (int64, int32 or uint8) or probabilities of the "
                   "shape of input, got ",
                   target.dtype(), " of shape ", target.shape());
  check<ValueError>(target.shape() == scores.line_shape, op, ": target expects shape ",
                    scores.line_shape, ", got ", target.shape(), " (input: ", input.shape(), ")");
  Tensor indices = empty(target.shape(), DType::kInt64);
  copy_into(indices, target);
  int64_t* index = indices.data<int64_t>();
  const int64_t classes = scores.grid.n;
  for (int64_t i = 0; i < indices.numel(); ++i) {
    if (index[i] == ignore_index)
      index[i] = -1;
    else
      check<IndexError>(index[i] >= 0 && index[i] < classes, op, ": target ", index[i],
                        " at position ", unravel(i, target.shape()), " is out of bounds for ",
                        classes, " classes (input: ", input.shape(), ")");
  }
  return indices;
}

Tensor class_weights(const char* op, const std::optional<Tensor>& weight, const Tensor& input,
                     int64_t classes) {
  if (!weight) return {};
  check<TypeError>(weight->dtype() == input.dtype(), op, ": weight expects ", input.dtype(),
                   ", got ", weight->dtype());
  check<ValueError>(weight->shape() == Shape{classes}, op,
                    ": weight expects one value for each of ", classes, " classes, got shape ",
                    weight->shape(), " (input: ", input.shape(), ")");
  return contiguous(*weight);
}

double total_weight(const Tensor& targets, const Tensor& weight) {
  const int64_t* index = targets.data<int64_t>();
  const int64_t n = targets.numel();
  if (!weight.defined()) return static_cast<double>(n - std::count(index, index + n, -1));
  return dispatch_floating("weight", weight.dtype(), [&]<class T>() {
    const T* w = weight.data<T>();
    double total = 0;
    for (int64_t i = 0; i < n; ++i)
      if (index[i] >= 0) total += static_cast<double>(w[index[i]]);
    return total;
  });
}

}  // namespace lepton
