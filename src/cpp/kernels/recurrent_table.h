// Entry points of the kernels of recurrent layers: what follows the products of one time step.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

namespace lepton {

/// One step of some rows of a batch, and of some of their units. A row of gates holds the sums of
/// the gates, gate by gate, and then their values.
template <class T>
struct RecurrentStep {
  int64_t rows, units;
  T* gates;
  int64_t gates_row, gate;  // elements from a row to the next, and from a gate to the next
  int64_t state_row;
  const T* h_before;
  T* h;
  const T* c_before;  // LSTM alone; may be c
  T* c;
};

/// The same step backward, of all units: rows of states lie `units` apart. dh holds what later
/// steps and the results ask for, without dy, and then what goes to the step before other than
/// through the sums of the gates.
template <class T>
struct RecurrentGradientStep {
  int64_t rows, units;
  const T* gates;
  int64_t gates_row;
  const T* h_before;
  const T* h;
  const T* c_before;
  const T* c;
  const T* dy;  // may be null
  int64_t dy_row;
  T* dh;
  T* dc;
  T* dgates;  // of the sums of the gates
  int64_t dgates_row;
};

template <class T>
struct RecurrentCell {
  void (*forward)(const RecurrentStep<T>& step);
  void (*gradient)(const RecurrentGradientStep<T>& step);
};

/// Gates and their order in a row: LSTM input, forget, cell, output; GRU reset, update, new, and in
/// a fourth place the share of the state in the sum of new; RNN one.
template <class T>
struct RecurrentPart {
  RecurrentCell<T> lstm, gru, rnn_tanh, rnn_relu;
};

struct RecurrentTable {
  RecurrentPart<float> f32;
  RecurrentPart<double> f64;
};

}  // namespace lepton
