// One direction of one recurrent layer over a whole sequence, forward and backward.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>

#include "core/parallel.h"
#include "core/tensor.h"
#include "ops/kernel_part.h"

namespace lepton {

/// The kinds of cells.
enum class CellKind { kLstm, kGru, kRnnTanh, kRnnRelu };

/// Lengths of a layer, and the order in which it takes the steps.
struct Recurrence {
  CellKind kind;
  bool reverse;  // from the last step to the first
  int64_t steps, batch, features, units;

  /// Rows of the weights for one unit.
  int64_t gates() const { return kind == CellKind::kLstm ? 4 : kind == CellKind::kGru ? 3 : 1; }
  /// Columns of gates for one unit: GRU keeps the state's share of the new gate apart.
  int64_t places() const { return kind == CellKind::kGru ? 4 : gates(); }
  int64_t columns() const { return places() * units; }
  /// Elements between rows of gates: a power of two apart they would share cache sets.
  int64_t gates_row() const { return columns() + 16; }
  /// Rows of weight_hh whose products with the state are added to those of the input.
  int64_t joint_rows() const { return (kind == CellKind::kGru ? 2 : gates()) * units; }
  bool has_c() const { return kind == CellKind::kLstm; }

  /// The time of the i-th step taken, and the first time of those taken from begin to end.
  int64_t time(int64_t i) const { return reverse ? steps - 1 - i : i; }
  int64_t first_time(int64_t begin, int64_t end) const { return reverse ? steps - end : begin; }
  /// Offsets of the states that the step of time t starts from and makes, of [steps + 1, batch,
  /// units]: the first state stands at the end that the layer starts from.
  int64_t before(int64_t t) const { return (t + reverse) * batch * units; }
  int64_t after(int64_t t) const { return (t + !reverse) * batch * units; }

  /// Steps between two large products: their gates, 4 MB, stay in the last-level cache from one to
  /// the other.
  int64_t chunk() const {
    const int64_t step = std::max<int64_t>(1, batch * columns());
    return std::clamp<int64_t>((int64_t{1} << 20) / step, 1, std::max<int64_t>(steps, 1));
  }
  /// Rows of the batch that one thread takes through the steps of a chunk: few enough that their
  /// gates stay in its cache, enough to use each weight often. No element of a state depends on how
  /// the rows are cut, so the threads may say it.
  int64_t rows_per_task() const {
    return std::clamp<int64_t>((batch + num_threads() - 1) / num_threads(), 4, 32);
  }
};

/// weight_ih [gates units, features], weight_hh [gates units, units]; undefined biases are zero.
struct RecurrentWeights {
  Tensor weight_ih, weight_hh, bias_ih, bias_hh;
};

/// What a layer computed: x [steps, batch, features], h and c [steps + 1, batch, units], gates
/// [steps, batch, gates_row]. Without backward, c is [1, batch, units] and gates undefined.
struct RecurrentRun {
  Tensor x, h, c, gates;
};

/// x is row-major; undefined first states are zero.
RecurrentRun run_forward(const Recurrence& layer, const Tensor& x, const RecurrentWeights& weights,
                         const Tensor& h0, const Tensor& c0, bool for_backward);

/// Gradients. dh and dc, [batch, units], are those of the last states before and of the first ones
/// after. The rest is written, where it is defined.
struct RecurrentGradients {
  Tensor dh, dc, dx, dweight_ih, dweight_hh, dbias_ih, dbias_hh;
};

/// dy [steps, batch, units] may be undefined; else its last axis lies without gaps.
void run_backward(const Recurrence& layer, const RecurrentRun& run, const RecurrentWeights& weights,
                  const Tensor& dy, const RecurrentGradients& to);

/// The kernels of a kind.
template <class T>
const RecurrentCell<T>& recurrent_cell(CellKind kind) {
  const RecurrentPart<T>& part = part_of<T>(kernels().recurrent);
  switch (kind) {
    case CellKind::kLstm:
      return part.lstm;
    case CellKind::kGru:
      return part.gru;
    case CellKind::kRnnTanh:
      return part.rnn_tanh;
    default:
      return part.rnn_relu;
  }
}

}  // namespace lepton
