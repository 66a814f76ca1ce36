// A recurrent layer forward: one product of the inputs of many steps, then step by step the states.
// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <vector>

#include "core/lockstep.h"
#include "ops/packed_matrix.h"
#include "ops/recurrence.h"

namespace lepton {
namespace {

// Rows of a batch that are too few to share among threads: these share the units instead, each with
// its columns of the weights.
constexpr int64_t kSharedRows = 6;
// Elements of the weights that pay for meeting another thread after each step: about 1 us.
constexpr int64_t kShareElements = 1 << 14;

struct Interval {
  int64_t begin, end;
  int64_t count() const { return end - begin; }
};

template <class T>
class RecurrenceForward {
 public:
  RecurrenceForward(const Recurrence& layer, const RecurrentWeights& weights,
                    const RecurrentRun& run)
      : layer_(layer),
        run_(run),
        cell_(recurrent_cell<T>(layer.kind)),
        units_(layer.units),
        columns_(layer.columns()),
        row_(layer.gates_row()),
        shares_units_(layer.batch <= kSharedRows),
        of_input_(packed(layer.features, weights.weight_ih, 0, layer.gates() * units_,
                         layer.chunk() * layer.batch)),
        bias_(static_cast<size_t>(layer.gates() * units_) * sizeof(T)),
        apart_bias_(static_cast<size_t>(units_) * sizeof(T)) {
    const int64_t rows = shares_units_ ? layer.batch : layer.rows_per_task();
    for (int64_t g = 0; g < layer.gates(); ++g)
      of_state_.push_back(packed(units_, weights.weight_hh, g * units_, units_, rows));
    add_biases(weights);
  }

  // Steps take their gates from `scratch` where they are not kept.
  void run(const Tensor& scratch) {
    const int64_t batch = layer_.batch, features = layer_.features;
    for (int64_t begin = 0; begin < layer_.steps; begin += layer_.chunk()) {
      const int64_t end = std::min(begin + layer_.chunk(), layer_.steps);
      const int64_t t0 = layer_.first_time(begin, end);
      T* gates =
          run_.gates.defined() ? run_.gates.data<T>() + t0 * batch * row_ : scratch.data<T>();
      of_input_.multiply({.m = (end - begin) * batch,
                          .a = {run_.x.data<T>() + t0 * batch * features, features, 1},
                          .c = gates,
                          .c_row = row_,
                          .bias = bias_.as<T>()});
      const auto take = [&](int64_t i, Interval rows, Interval units) {
        const int64_t t = layer_.time(begin + i);
        step(t, rows, units, gates + (t - t0) * batch * row_, i % 2 == 1);
      };
      if (shares_units_)
        lockstep(end - begin, units_, units_per_share(),
                 [&](int64_t i, int64_t first, int64_t last) noexcept {
                   take(i, {0, batch}, {first, last});
                 });
      else
        parallel_for(0, batch, layer_.rows_per_task(), [&](int64_t first, int64_t last) {
          for (int64_t i = 0; i < end - begin; ++i) take(i, {first, last}, {0, units_});
        });
    }
  }

 private:
  // Rows of a weight; in prediction the packed copy is kept for the next call.
  PackedMatrix<T> packed(int64_t k, const Tensor& weight, int64_t row, int64_t count,
                         int64_t rows) const {
    const MatrixView<T> view = {weight.data<T>() + row * weight.strides()[0], weight.strides()[1],
                                weight.strides()[0]};
    if (!run_.gates.defined())
      if (const auto kept = PackedMatrix<T>::kept(k, count, view, rows, weight)) return *kept;
    return PackedMatrix<T>(k, count, view, rows);
  }

  void add_biases(const RecurrentWeights& weights) {
    const int64_t n = layer_.gates() * units_, joint = layer_.joint_rows();
    T* bias = bias_.as<T>();
    std::fill(bias, bias + n, T(0));
    std::fill(apart_bias_.as<T>(), apart_bias_.as<T>() + units_, T(0));
    if (weights.bias_ih.defined()) std::copy_n(weights.bias_ih.data<T>(), n, bias);
    if (!weights.bias_hh.defined()) return;
    const T* hh = weights.bias_hh.data<T>();
    for (int64_t j = 0; j < joint; ++j) bias[j] += hh[j];
    std::copy(hh + joint, hh + n, apart_bias_.as<T>());
  }

  // Whole cache lines of states, and whole panels of weights.
  int64_t units_per_share() const {
    const int64_t step = std::max<int64_t>(of_state_.front().column_step(), 16);
    const int64_t column = std::max<int64_t>(1, layer_.gates() * units_);
    return std::max<int64_t>(1, kShareElements / column / step) * step;
  }

  // Some rows and units of one step; gates are those of all. Every other step takes the gates from
  // the last to the first: of a weight a little larger than the cache most is then found there.
  void step(int64_t t, Interval rows, Interval units, T* gates, bool backward) const {
    const int64_t state = rows.begin * units_;
    gates += rows.begin * row_;
    for (int64_t i = 0; i < layer_.gates(); ++i) {
      const int64_t g = backward ? layer_.gates() - 1 - i : i;
      const bool joint = g * units_ < layer_.joint_rows();
      of_state_[static_cast<size_t>(g)].multiply(
          {.m = rows.count(),
           .a = {run_.h.data<T>() + layer_.before(t) + state, units_, 1},
           .c = gates + (joint ? g * units_ : columns_ - units_),
           .c_row = row_,
           .bias = joint ? nullptr : apart_bias_.as<T>(),
           .accumulate = joint,
           .begin = units.begin,
           .end = units.end});
    }
    finish(t, rows.count(), units.count(), gates + units.begin, state + units.begin);
  }

  // From the sums of gates to states, whose place in a step is given.
  void finish(int64_t t, int64_t rows, int64_t units, T* gates, int64_t place) const {
    T* h = run_.h.data<T>() + place;
    RecurrentStep<T> step{.rows = rows,
                          .units = units,
                          .gates = gates,
                          .gates_row = row_,
                          .gate = units_,
                          .state_row = units_,
                          .h_before = h + layer_.before(t),
                          .h = h + layer_.after(t),
                          .c_before = nullptr,
                          .c = nullptr};
    if (layer_.has_c()) {
      const bool kept = run_.gates.defined();  // else one state is overwritten step by step
      T* c = run_.c.data<T>() + place;
      step.c_before = kept ? c + layer_.before(t) : c;
      step.c = kept ? c + layer_.after(t) : c;
    }
    cell_.forward(step);
  }

  const Recurrence& layer_;
  const RecurrentRun& run_;
  const RecurrentCell<T>& cell_;
  const int64_t units_, columns_, row_;
  const bool shares_units_;
  const PackedMatrix<T> of_input_;
  std::vector<PackedMatrix<T>> of_state_;  // for each gate
  const Scratch bias_, apart_bias_;
};

// The state that the layer starts from.
void set_first(const Tensor& states, int64_t offset, const Tensor& first) {
  const Dims shape(states.shape().begin() + 1, states.shape().end());
  const Tensor place = states.view(shape, contiguous_strides(shape), offset);
  copy_into(place, first.defined() ? first : scalar(0, states.dtype()));
}

}  // namespace

RecurrentRun run_forward(const Recurrence& layer, const Tensor& x, const RecurrentWeights& weights,
                         const Tensor& h0, const Tensor& c0, bool for_backward) {
  const FlushDenormals flush;
  const DType dtype = x.dtype();
  const int64_t steps = layer.steps, batch = layer.batch;
  const int64_t first = layer.reverse ? steps * batch * layer.units : 0;
  RecurrentRun run{x, empty({steps + 1, batch, layer.units}, dtype), {}, {}};
  set_first(run.h, first, h0);
  if (layer.has_c()) {
    run.c = empty({for_backward ? steps + 1 : 1, batch, layer.units}, dtype);
    set_first(run.c, for_backward ? first : 0, c0);
  }
  Tensor scratch;
  if (for_backward)
    run.gates = empty({steps, batch, layer.gates_row()}, dtype);
  else
    scratch = empty({layer.chunk(), batch, layer.gates_row()}, dtype);
  dispatch_floating("recurrence", dtype,
                    [&]<class T>() { RecurrenceForward<T>(layer, weights, run).run(scratch); });
  return run;
}

}  // namespace lepton
