// A recurrent layer forward: one product of the inputs of many steps, then step by step the states.
// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include "ops/gemm_few_rows.h"
#include "ops/packed_matrix.h"
#include "ops/recurrence.h"

namespace lepton {
namespace {

// Rows of a batch that are too few to share among threads, and to pack a weight for: all rows take
// a step together, and the threads share the weight.
constexpr int64_t kFewRows = 6;

// Rows of weight_hh: what the state is multiplied with at every step.
template <class T>
class StateWeight {
 public:
  StateWeight(int64_t k, int64_t n, MatrixView<T> weight, bool few)
      : k_(k), n_(n), weight_(weight), few_(few) {
    if (!few) packed_.emplace(k, n, weight);
  }

  void multiply(const PackedCall<T>& call) {
    if (few_ && gemm_few_rows<T>({call.m, n_, k_, call.a, weight_, call.c, call.c_row, call.bias,
                                  call.accumulate}))
      return;
    if (!packed_) packed_.emplace(k_, n_, weight_);  // sums too short to read it in place
    packed_->multiply(call);
  }

 private:
  const int64_t k_, n_;
  const MatrixView<T> weight_;
  const bool few_;
  std::optional<PackedMatrix<T>> packed_;
};

template <class T>
class Forward {
 public:
  Forward(const Recurrence& layer, const RecurrentWeights& weights, const RecurrentRun& run)
      : layer_(layer),
        run_(run),
        cell_(recurrent_cell<T>(layer.kind)),
        units_(layer.units),
        columns_(layer.columns()),
        of_input_(layer.features, layer.gates() * units_, transposed(weights.weight_ih)),
        few_(layer.batch <= kFewRows),
        of_state_(units_, layer.joint_rows(), transposed(weights.weight_hh), few_),
        bias_(static_cast<size_t>(layer.gates() * units_) * sizeof(T)),
        apart_bias_(static_cast<size_t>(units_) * sizeof(T)) {
    if (layer.joint_rows() < layer.gates() * units_) {
      MatrixView<T> apart = transposed(weights.weight_hh);
      apart.data += layer.joint_rows() * apart.column;
      apart_.emplace(units_, units_, apart, few_);
    }
    add_biases(weights);
  }

  // Steps take their gates from `scratch` where they are not kept.
  void run(const Tensor& scratch) {
    const int64_t batch = layer_.batch, features = layer_.features;
    for (int64_t begin = 0; begin < layer_.steps; begin += layer_.chunk()) {
      const int64_t end = std::min(begin + layer_.chunk(), layer_.steps);
      const int64_t t0 = layer_.first_time(begin, end);
      T* gates =
          run_.gates.defined() ? run_.gates.data<T>() + t0 * batch * columns_ : scratch.data<T>();
      of_input_.multiply({.m = (end - begin) * batch,
                          .a = {run_.x.data<T>() + t0 * batch * features, features, 1},
                          .c = gates,
                          .c_row = columns_,
                          .bias = bias_.as<T>()});
      const auto rows = [&](int64_t first, int64_t last) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t t = layer_.time(i);
          step(t, first, last, gates + (t - t0) * batch * columns_);
        }
      };
      if (few_)
        rows(0, batch);
      else
        parallel_for(0, batch, layer_.rows_per_task(), rows);
    }
  }

 private:
  static MatrixView<T> transposed(const Tensor& x) {
    return {x.data<T>(), x.strides()[1], x.strides()[0]};
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

  // Rows first to last of one step; gates are those of all rows.
  void step(int64_t t, int64_t first, int64_t last, T* gates) {
    const int64_t row = first * units_, rows = last - first;
    gates += first * columns_;
    T* h = run_.h.data<T>() + row;
    const MatrixView<T> state = {h + layer_.before(t), units_, 1};
    of_state_.multiply({.m = rows, .a = state, .c = gates, .c_row = columns_, .accumulate = true});
    if (apart_)
      apart_->multiply({.m = rows,
                        .a = state,
                        .c = gates + columns_ - units_,
                        .c_row = columns_,
                        .bias = apart_bias_.as<T>()});
    RecurrentStep<T> step{.rows = rows,
                          .units = units_,
                          .gates = gates,
                          .gates_row = columns_,
                          .h_before = state.data,
                          .h = h + layer_.after(t),
                          .c_before = nullptr,
                          .c = nullptr};
    if (layer_.has_c()) {
      const bool kept = run_.gates.defined();  // else one state is overwritten step by step
      T* c = run_.c.data<T>() + row;
      step.c_before = kept ? c + layer_.before(t) : c;
      step.c = kept ? c + layer_.after(t) : c;
    }
    cell_.forward(step);
  }

  const Recurrence& layer_;
  const RecurrentRun& run_;
  const RecurrentCell<T>& cell_;
  const int64_t units_, columns_;
  const PackedMatrix<T> of_input_;
  const bool few_;
  StateWeight<T> of_state_;
  std::optional<StateWeight<T>> apart_;
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
    run.gates = empty({steps, batch, layer.columns()}, dtype);
  else
    scratch = empty({layer.chunk(), batch, layer.columns()}, dtype);
  dispatch_floating("recurrence", dtype,
                    [&]<class T>() { Forward<T>(layer, weights, run).run(scratch); });
  return run;
}

}  // namespace lepton
