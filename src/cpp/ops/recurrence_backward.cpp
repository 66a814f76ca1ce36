// A recurrent layer backward: step by step the gradients of the gates, then large products of them.
// SPDX-License-Identifier: Apache-2.0
#include <list>
#include <optional>

#include "ops/packed_matrix.h"
#include "ops/recurrence.h"

namespace lepton {
namespace {

constexpr int64_t kBiasColumns = 128;  // one task of a sum over rows

template <class T>
class RecurrenceBackward {
 public:
  RecurrenceBackward(const Recurrence& layer, const RecurrentWeights& weights,
                     const RecurrentRun& run, const Tensor& dy, const RecurrentGradients& to)
      : layer_(layer),
        run_(run),
        dy_(dy),
        to_(to),
        cell_(recurrent_cell<T>(layer.kind)),
        units_(layer.units),
        columns_(layer.columns()),
        row_(layer.gates_row()),
        chunk_(layer.chunk()),
        dgates_(static_cast<size_t>(chunk_ * layer.batch * row_) * sizeof(T)) {
    const MatrixView<T> w = matrix(weights.weight_hh);
    for (int64_t g = 0; g < layer.gates(); ++g)
      of_state_.emplace_back(
          units_, units_, MatrixView<T>{w.data + g * units_ * w.row, w.row, w.column}, layer.batch);
    if (to.dx.defined())
      of_input_.emplace(layer.gates() * units_, layer.features, matrix(weights.weight_ih),
                        chunk_ * layer.batch);
    if (to.dbias_ih.defined() || to.dbias_hh.defined())
      bias_parts_ = zeros({chunks(), columns_}, dtype_of<T>());
  }

  void run() {
    const int64_t batch = layer_.batch, features = layer_.features;
    for (int64_t q = chunks(); q-- > 0;) {
      const int64_t begin = q * chunk_, end = std::min(begin + chunk_, layer_.steps);
      const int64_t t0 = layer_.first_time(begin, end), rows = (end - begin) * batch;
      parallel_for(0, batch, layer_.rows_per_task(), [&](int64_t first, int64_t last) {
        for (int64_t i = end; i-- > begin;) {
          const int64_t t = layer_.time(i);
          step(t, first, last, dgates_.as<T>() + (t - t0) * batch * row_);
        }
      });
      if (of_input_)
        of_input_->multiply({.m = rows,
                             .a = {dgates_.as<T>(), row_, 1},
                             .c = to_.dx.data<T>() + t0 * batch * features,
                             .c_row = features});
      add_weights(t0, rows, q + 1 < chunks());
      add_biases(q, rows);
    }
    store_biases();
  }

 private:
  static MatrixView<T> matrix(const Tensor& x) {
    return {x.data<T>(), x.strides()[0], x.strides()[1]};
  }
  int64_t chunks() const { return (layer_.steps + chunk_ - 1) / chunk_; }
  // Where the gate that row g * units of weight_hh belongs to stands in a row of gates.
  int64_t column(int64_t g) const {
    return g * units_ < layer_.joint_rows() ? g * units_ : columns_ - units_;
  }

  // Rows first to last of one step; dgates are those of all rows.
  void step(int64_t t, int64_t first, int64_t last, T* dgates) const {
    const int64_t row = first * units_;
    RecurrentGradientStep<T> step = {};
    step.rows = last - first;
    step.units = units_;
    if (run_.gates.defined()) step.gates = run_.gates.data<T>() + (t * layer_.batch + first) * row_;
    step.gates_row = row_;
    step.h_before = run_.h.data<T>() + layer_.before(t) + row;
    step.h = run_.h.data<T>() + layer_.after(t) + row;
    if (layer_.has_c()) {
      step.c_before = run_.c.data<T>() + layer_.before(t) + row;
      step.c = run_.c.data<T>() + layer_.after(t) + row;
      step.dc = to_.dc.data<T>() + row;
    }
    if (dy_.defined()) {
      step.dy = dy_.data<T>() + t * dy_.strides()[0] + first * dy_.strides()[1];
      step.dy_row = dy_.strides()[1];
    }
    step.dh = to_.dh.data<T>() + row;
    step.dgates = dgates + first * row_;
    step.dgates_row = row_;
    cell_.gradient(step);
    int64_t g = 0;
    for (const PackedMatrix<T>& part : of_state_)
      part.multiply({.m = step.rows,
                     .a = {step.dgates + column(g++), row_, 1},
                     .c = step.dh,
                     .c_row = units_,
                     .accumulate = true});
  }

  // dw rows from `to_row` on: the sum over rows of gates from `from` on times b.
  void add_product(const Tensor& dw, int64_t to_row, int64_t count, int64_t from, int64_t rows,
                   MatrixView<T> b, bool accumulate) const {
    gemm_blocked<T>({.m = count,
                     .n = dw.length(1),
                     .k = rows,
                     .a = {dgates_.as<T>() + from, 1, row_},
                     .b = b,
                     .c = dw.data<T>() + to_row * dw.length(1),
                     .c_row = dw.length(1),
                     .accumulate = accumulate});
  }

  void add_weights(int64_t t0, int64_t rows, bool accumulate) const {
    const int64_t batch = layer_.batch, features = layer_.features, all = layer_.gates() * units_;
    if (to_.dweight_ih.defined())
      add_product(to_.dweight_ih, 0, all, 0, rows,
                  {run_.x.data<T>() + t0 * batch * features, features, 1}, accumulate);
    if (!to_.dweight_hh.defined()) return;
    const MatrixView<T> h = {run_.h.data<T>() + layer_.before(t0), units_, 1};
    const int64_t joint = layer_.joint_rows();
    add_product(to_.dweight_hh, 0, joint, 0, rows, h, accumulate);
    if (joint < all)
      add_product(to_.dweight_hh, joint, all - joint, columns_ - units_, rows, h, accumulate);
  }

  void add_biases(int64_t chunk, int64_t rows) const {
    if (bias_parts_.defined())
      sum_rows(rows, dgates_.as<T>(), row_, bias_parts_.data<T>() + chunk * columns_);
  }

  void store_biases() const {
    if (!bias_parts_.defined()) return;
    const Tensor total = zeros({columns_}, dtype_of<T>());
    const T* sum = total.data<T>();
    sum_rows(chunks(), bias_parts_.data<T>(), columns_, total.data<T>());
    const int64_t joint = layer_.joint_rows(), all = layer_.gates() * units_;
    if (to_.dbias_ih.defined()) std::copy_n(sum, all, to_.dbias_ih.data<T>());
    if (!to_.dbias_hh.defined()) return;
    std::copy_n(sum, joint, to_.dbias_hh.data<T>());
    std::copy_n(sum + columns_ - units_, all - joint, to_.dbias_hh.data<T>() + joint);
  }

  // total[j] += x[i * x_row + j] for all rows i.
  void sum_rows(int64_t rows, const T* x, int64_t x_row, T* total) const {
    const auto sum = kernels().reduce->sum.columns[index(dtype_of<T>())];
    parallel_for(0, columns_, kBiasColumns, [&](int64_t first, int64_t last) {
      sum(rows, last - first, x + first, x_row, total + first);
    });
  }

  const Recurrence& layer_;
  const RecurrentRun& run_;
  const Tensor& dy_;
  const RecurrentGradients& to_;
  const RecurrentCell<T>& cell_;
  const int64_t units_, columns_, row_, chunk_;
  const Scratch dgates_;
  std::list<PackedMatrix<T>> of_state_;
  std::optional<PackedMatrix<T>> of_input_;
  Tensor bias_parts_;
};

}  // namespace

void run_backward(const Recurrence& layer, const RecurrentRun& run, const RecurrentWeights& weights,
                  const Tensor& dy, const RecurrentGradients& to) {
  const FlushDenormals flush;
  dispatch_floating("recurrence", run.x.dtype(),
                    [&]<class T>() { RecurrenceBackward<T>(layer, weights, run, dy, to).run(); });
}

}  // namespace lepton
