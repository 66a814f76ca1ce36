// Gates and states of recurrent layers, and their gradients, one pass over the rows of a step.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/math.h"
#include "kernels/recurrent_table.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

/// s' of y = sigmoid(s) and of y = tanh(s).
template <class V>
LEPTON_INLINE V sigmoid_slope(V y) {
  return y * (constant<V>(1) - y);
}
template <class V>
LEPTON_INLINE V tanh_slope(V y) {
  return constant<V>(1) - y * y;
}

/// Where the gradient of a state comes from: later steps, and the result of this one.
template <class T>
struct StateGradient {
  const T *later, *dy;

  StateGradient(const RecurrentGradientStep<T>& at, int64_t row)
      : later(at.dh + row * at.units), dy(at.dy ? at.dy + row * at.dy_row : nullptr) {}
  LEPTON_BODY Vec<T> operator()(int64_t u, int64_t lanes) const {
    const Vec<T> dh = load<T>(later + u, lanes);
    return dy ? dh + load<T>(dy + u, lanes) : dh;
  }
};

// Several short passes over a row in L1: a loop of one function holds more of its chains in flight
// than one of many (LSTM forward: 80 cycles for 8 units, 119 with all gates in one loop).

template <class T>
LEPTON_INLINE void apply_sigmoid(int64_t n, T* x) {
  for_each_vector<T>(n, [=](int64_t i, int64_t lanes) LEPTON_BODY {
    store<T>(sigmoid(load<T>(x + i, lanes)), x + i, lanes);
  });
}
template <class T>
LEPTON_INLINE void apply_tanh(int64_t n, const T* x, T* y) {
  for_each_vector<T>(n, [=](int64_t i, int64_t lanes)
                            LEPTON_BODY { store<T>(tanh(load<T>(x + i, lanes)), y + i, lanes); });
}

/// c = f c + i g, h = o tanh(c).
template <class T>
void lstm_forward(const RecurrentStep<T>& at) {
  const int64_t n = at.units, rows = at.rows;
  const T* before = at.c_before;
  T *c = at.c, *h = at.h, *input = at.gates;
  for (int64_t r = 0; r < rows; ++r) {
    T *const forget = input + at.gate, *const fresh = forget + at.gate,
             *const out = fresh + at.gate;
    apply_sigmoid(n, input);
    apply_sigmoid(n, forget);
    apply_tanh(n, fresh, fresh);
    apply_sigmoid(n, out);
    for_each_vector<T>(n, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      const Vec<T> kept = load<T>(forget + u, lanes) * load<T>(before + u, lanes);
      store<T>(load<T>(input + u, lanes) * load<T>(fresh + u, lanes) + kept, c + u, lanes);
    });
    for_each_vector<T>(n, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      store<T>(load<T>(out + u, lanes) * tanh(load<T>(c + u, lanes)), h + u, lanes);
    });
    input += at.gates_row, before += at.state_row, c += at.state_row, h += at.state_row;
  }
}

template <class T>
void lstm_gradient(const RecurrentGradientStep<T>& at) {
  using V = Vec<T>;
  const int64_t n = at.units;
  for (int64_t r = 0; r < at.rows; ++r) {
    const StateGradient<T> gradient(at, r);
    const T *gate = at.gates + r * at.gates_row, *c = at.c + r * n, *before = at.c_before + r * n;
    T *dgate = at.dgates + r * at.dgates_row, *dh = at.dh + r * n, *dc = at.dc + r * n;
    T* bent = dgate + 3 * n;
    apply_tanh(n, c, bent);
    for_each_vector<T>(n, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      const V i = load<T>(gate + u, lanes), f = load<T>(gate + n + u, lanes);
      const V g = load<T>(gate + 2 * n + u, lanes), o = load<T>(gate + 3 * n + u, lanes);
      const V of_h = gradient(u, lanes), y = load<T>(bent + u, lanes);
      const V of_c = load<T>(dc + u, lanes) + of_h * o * tanh_slope(y);
      store<T>(of_c * g * sigmoid_slope(i), dgate + u, lanes);
      store<T>(of_c * load<T>(before + u, lanes) * sigmoid_slope(f), dgate + n + u, lanes);
      store<T>(of_c * i * tanh_slope(g), dgate + 2 * n + u, lanes);
      store<T>(of_h * y * sigmoid_slope(o), dgate + 3 * n + u, lanes);
      store<T>(of_c * f, dc + u, lanes);
      store<T>(V{}, dh + u, lanes);
    });
  }
}

/// n = tanh(n + r of_state), h = (1 - z) n + z h.
template <class T>
void gru_forward(const RecurrentStep<T>& at) {
  using V = Vec<T>;
  const int64_t n = at.units, rows = at.rows;
  const T* before = at.h_before;
  T *h = at.h, *reset = at.gates;
  for (int64_t row = 0; row < rows; ++row) {
    T *const update = reset + at.gate, *const fresh = update + at.gate;
    const T* const share = fresh + at.gate;
    for_each_vector<T>(n, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      const V r = sigmoid(load<T>(reset + u, lanes)), of_state = load<T>(share + u, lanes);
      store<T>(r, reset + u, lanes);
      store<T>(load<T>(fresh + u, lanes) + r * of_state, fresh + u, lanes);
    });
    for_each_vector<T>(n, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      V z, rest;
      sigmoid_both(load<T>(update + u, lanes), z, rest);
      const V candidate = tanh(load<T>(fresh + u, lanes));
      store<T>(z, update + u, lanes);
      store<T>(candidate, fresh + u, lanes);
      store<T>(rest * candidate + z * load<T>(before + u, lanes), h + u, lanes);
    });
    reset += at.gates_row, before += at.state_row, h += at.state_row;
  }
}

template <class T>
void gru_gradient(const RecurrentGradientStep<T>& at) {
  using V = Vec<T>;
  const int64_t n = at.units;
  for (int64_t row = 0; row < at.rows; ++row) {
    const StateGradient<T> gradient(at, row);
    const T *gate = at.gates + row * at.gates_row, *before = at.h_before + row * n;
    T *dgate = at.dgates + row * at.dgates_row, *dh = at.dh + row * n;
    for_each_vector<T>(n, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      const V r = load<T>(gate + u, lanes), z = load<T>(gate + n + u, lanes);
      const V fresh = load<T>(gate + 2 * n + u, lanes);
      const V of_state = load<T>(gate + 3 * n + u, lanes);
      const V of_h = gradient(u, lanes);
      const V of_new = of_h * (constant<V>(1) - z) * tanh_slope(fresh);
      const V turned = load<T>(before + u, lanes) - fresh;
      store<T>(of_new * of_state * sigmoid_slope(r), dgate + u, lanes);
      store<T>(of_h * turned * sigmoid_slope(z), dgate + n + u, lanes);
      store<T>(of_new, dgate + 2 * n + u, lanes);
      store<T>(of_new * r, dgate + 3 * n + u, lanes);
      store<T>(of_h * z, dh + u, lanes);
    });
  }
}

struct TanhUnit {
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return tanh(x);
  }
  template <class V>
  LEPTON_INLINE V slope(V y) {
    return tanh_slope(y);
  }
};
struct ReluUnit {
  template <class V>
  LEPTON_INLINE V forward(V x) {
    return select(x <= constant<V>(0), constant<V>(0), x);
  }
  template <class V>
  LEPTON_INLINE V slope(V y) {
    return select(y > constant<V>(0), constant<V>(1), constant<V>(0));
  }
};

template <class T, class Unit>
void rnn_forward(const RecurrentStep<T>& at) {
  for (int64_t r = 0; r < at.rows; ++r) {
    const T* gate = at.gates + r * at.gates_row;
    T* h = at.h + r * at.state_row;
    for_each_vector<T>(at.units, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      store<T>(Unit::forward(load<T>(gate + u, lanes)), h + u, lanes);
    });
  }
}

template <class T, class Unit>
void rnn_gradient(const RecurrentGradientStep<T>& at) {
  for (int64_t r = 0; r < at.rows; ++r) {
    const StateGradient<T> gradient(at, r);
    const T* h = at.h + r * at.units;
    T *dgate = at.dgates + r * at.dgates_row, *dh = at.dh + r * at.units;
    for_each_vector<T>(at.units, [=](int64_t u, int64_t lanes) LEPTON_BODY {
      store<T>(gradient(u, lanes) * Unit::slope(load<T>(h + u, lanes)), dgate + u, lanes);
      store<T>(Vec<T>{}, dh + u, lanes);
    });
  }
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
