// Losses of two tensors of one shape: an elementwise loss, then the reduction.
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss.h"

#include "ops/class_loss.h"
#include "ops/elementwise.h"

namespace lepton {
namespace {

void check_pair(const char* op, const Tensor& input, const Tensor& target) {
  check<TypeError>(is_floating(input.dtype()), op, ": input expects float32 or float64, got ",
                   input.dtype());
  check<ValueError>(input.shape() == target.shape(), op, ": target expects the shape of input ",
                    input.shape(), ", got ", target.shape());
}

// Integers as the dtype of the input: promotion would make float64 of them.
Tensor in_floating(const Tensor& target, const Tensor& input) {
  return is_floating(target.dtype()) ? target : cast(target, input.dtype());
}

void check_broadcasts(const char* op, const char* name, const Tensor& w, const Tensor& input) {
  bool fits = w.ndim() <= input.ndim();
  for (size_t i = 0; fits && i < w.ndim(); ++i) {
    const int64_t length = w.shape()[w.ndim() - 1 - i];
    fits = length == 1 || length == input.shape()[input.ndim() - 1 - i];
  }
  check<ValueError>(fits, op, ": ", name, " of shape ", w.shape(), " does not broadcast to input ",
                    input.shape());
}

template <class Loss>
Tensor error_loss(const char* op, const Tensor& input, const Tensor& target,
                  const std::string& reduction, std::initializer_list<double> parameters = {}) {
  const Reduction how = parse_reduction(op, reduction);
  check_pair(op, input, target);
  const Tensor expected = in_floating(target, input);
  return reduce_losses(apply<Loss>({input, expected}, parameters), how);
}

}  // namespace

Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const MaybeTensor& weight, const std::string& reduction,
                                        const MaybeTensor& pos_weight) {
  const char* op = "binary_cross_entropy_with_logits";
  const Reduction how = parse_reduction(op, reduction);
  check_pair(op, input, target);
  if (weight) check_broadcasts(op, "weight", *weight, input);
  if (pos_weight) check_broadcasts(op, "pos_weight", *pos_weight, input);
  const Tensor expected = in_floating(target, input);
  Tensor losses;
  if (pos_weight) {
    const Tensor weighted = add(multiply(subtract(*pos_weight, 1.0), expected), 1.0);
    const Tensor log_sigmoid = apply<LEPTON_ISA::LogSigmoid>({input});
    losses = subtract(multiply(subtract(1.0, expected), input), multiply(weighted, log_sigmoid));
  } else {
    losses = apply<LEPTON_ISA::LogisticLoss>({input, expected});
  }
  if (weight) losses = multiply(losses, *weight);
  return reduce_losses(losses, how);
}

Tensor mse_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return error_loss<LEPTON_ISA::SquaredError>("mse_loss", input, target, reduction);
}

Tensor l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction) {
  return error_loss<LEPTON_ISA::AbsoluteError>("l1_loss", input, target, reduction);
}

Tensor huber_loss(const Tensor& input, const Tensor& target, const std::string& reduction,
                  double delta) {
  check<ValueError>(delta > 0, "huber_loss: delta expects a positive number, got ", delta);
  return error_loss<LEPTON_ISA::Huber>("huber_loss", input, target, reduction, {delta});
}

Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, const std::string& reduction,
                      double beta) {
  check<ValueError>(beta >= 0, "smooth_l1_loss: beta expects a number of at least 0, got ", beta);
  return error_loss<LEPTON_ISA::SmoothL1>("smooth_l1_loss", input, target, reduction, {beta});
}

}  // namespace lepton
