// What losses with class indices share: scores as lines of classes, targets, reductions.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

#include "ops/lines.h"
#include "ops/op.h"

namespace lepton {

enum class Reduction { kMean, kSum, kNone };
/// "mean", "sum" or "none"; ValueError naming op and the choices for anything else.
Reduction parse_reduction(const char* op, const std::string& reduction);
/// The mean or the sum of elementwise losses, or the losses themselves.
Tensor reduce_losses(const Tensor& losses, Reduction reduction);

/// Scores [C], [N, C] or [N, C, d1, ...] in memory that is lines of classes; the lines come in the
/// row-major order of the shape without C.
struct ClassScores {
  Tensor x;
  LineGrid grid;
  Shape line_shape;
};
/// The scores of one call; ValueError unless there is an axis of classes.
ClassScores class_scores(const char* op, const Tensor& input);

/// The target of each line as int64, -1 where it is ignore_index. ValueError when the shape does
/// not fit, TypeError for a dtype that is no index, IndexError for an index outside the classes.
Tensor class_targets(const char* op, const ClassScores& scores, const Tensor& input,
                     const Tensor& target, int64_t ignore_index);

/// The weight of each class, row-major and as the input's dtype; undefined where there is none.
Tensor class_weights(const char* op, const std::optional<Tensor>& weight, const Tensor& input,
                     int64_t classes);

/// Sum of the weights of the targets (their number, without weights): what "mean" divides by.
double total_weight(const Tensor& targets, const Tensor& weight);

}  // namespace lepton
