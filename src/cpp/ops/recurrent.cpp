// Recurrent layers: checks, results, and the gradients of all of them together.
// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent.h"

#include "autograd/node.h"
#include "ops/recurrence.h"

namespace lepton {
namespace {

using Optional = std::optional<Tensor>;

// The tensors of a call in the order of the gradients; undefined where not given.
struct Inputs {
  Tensor input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0;

  std::vector<Tensor> all() const {
    return {input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0};
  }
};

void check_tensor(const char* op, const char* parameter, const Tensor& x, const Shape& shape,
                  const Tensor& input) {
  if (!x.defined()) return;
  check<ValueError>(x.shape() == shape, op, ": ", parameter, " expects shape ", shape, ", got ",
                    x.shape(), " (input: ", input.shape(), ")");
  check<TypeError>(x.dtype() == input.dtype(), op, ": ", parameter, " expects ", input.dtype(),
                   ", got ", x.dtype());
}

Recurrence checked(const char* op, CellKind kind, const Inputs& in, bool reverse) {
  check<TypeError>(is_floating(in.input.dtype()), op, ": input expects float32 or float64, got ",
                   in.input.dtype());
  check<ValueError>(in.input.ndim() == 3, op,
                    ": input expects [steps, batch, features], got shape ", in.input.shape());
  check<ValueError>(in.weight_hh.ndim() == 2, op, ": weight_hh expects [gates, units], got shape ",
                    in.weight_hh.shape());
  const Recurrence layer{kind,
                         reverse,
                         in.input.length(0),
                         in.input.length(1),
                         in.input.length(2),
                         in.weight_hh.length(1)};
  const int64_t rows = layer.gates() * layer.units;
  check_tensor(op, "weight_ih", in.weight_ih, {rows, layer.features}, in.input);
  check_tensor(op, "weight_hh", in.weight_hh, {rows, layer.units}, in.input);
  check_tensor(op, "bias_ih", in.bias_ih, {rows}, in.input);
  check_tensor(op, "bias_hh", in.bias_hh, {rows}, in.input);
  check_tensor(op, "h0", in.h0, {layer.batch, layer.units}, in.input);
  check_tensor(op, "c0", in.c0, {layer.batch, layer.units}, in.input);
  return layer;
}

// A copy of the last state.
Tensor last_state(const Recurrence& layer, const Tensor& states) {
  const Shape shape{layer.batch, layer.units};
  const int64_t last =
      layer.reverse || states.length(0) == 1 ? 0 : layer.steps * layer.batch * layer.units;
  return clone(states.view(shape, contiguous_strides(shape), last));
}

// The states of the steps, without the first one.
Tensor results(const Recurrence& layer, const Tensor& h) {
  const Shape shape{layer.steps, layer.batch, layer.units};
  return h.view(shape, contiguous_strides(shape), layer.reverse ? 0 : layer.batch * layer.units);
}

// Gradients of the last states, from their own nodes.
struct LastGradients {
  Tensor h, c;
};

// A fresh copy of x, or zeros.
Tensor taken(Tensor& x, const Recurrence& layer, DType dtype) {
  const Shape shape{layer.batch, layer.units};
  const Tensor y = x.defined() ? empty(shape, dtype) : zeros(shape, dtype);
  if (x.defined()) copy_into(y, x);
  x = Tensor();
  return y;
}

// What the sweep keeps of a call.
struct Kept {
  Recurrence layer;
  RecurrentRun run;
  Saved x, h, weight_ih, weight_hh;
  std::shared_ptr<LastGradients> last;
};

void backward(const Kept& kept, const Tensor& upstream, Gradients& dx) {
  const Recurrence& layer = kept.layer;
  const DType dtype = kept.run.x.dtype();
  kept.x.get();
  kept.h.get();
  Tensor dy = upstream;
  if (dy.defined() && dy.strides()[2] != 1) dy = contiguous(dy);
  // A layer that took no step writes none of these.
  const auto fresh = [&](size_t input, const Shape& shape) {
    if (!dx.needs(input)) return Tensor();
    return layer.steps == 0 ? zeros(shape, dtype) : empty(shape, dtype);
  };
  const int64_t rows = layer.gates() * layer.units;
  const RecurrentGradients to{.dh = taken(kept.last->h, layer, dtype),
                              .dc = layer.has_c() ? taken(kept.last->c, layer, dtype) : Tensor(),
                              .dx = fresh(0, {layer.steps, layer.batch, layer.features}),
                              .dweight_ih = fresh(1, {rows, layer.features}),
                              .dweight_hh = fresh(2, {rows, layer.units}),
                              .dbias_ih = fresh(3, {rows}),
                              .dbias_hh = fresh(4, {rows})};
  run_backward(layer, kept.run, {*kept.weight_ih, *kept.weight_hh, {}, {}}, dy, to);
  const Tensor* values[] = {&to.dx,       &to.dweight_ih, &to.dweight_hh, &to.dbias_ih,
                            &to.dbias_hh, &to.dh,         &to.dc};
  for (size_t i = 0; i < std::size(values); ++i)
    if (dx.needs(i)) dx[i] = *values[i];
}

std::vector<Tensor> run(const char* op, CellKind kind, const Inputs& in, bool reverse) {
  const Recurrence layer = checked(op, kind, in, reverse);
  Recorder tape(op, in.all());
  const Tensor x = contiguous(in.input);
  const auto packed = [](const Tensor& b) { return b.defined() ? contiguous(b) : b; };
  const RecurrentRun run =
      run_forward(layer, x, {in.weight_ih, in.weight_hh, packed(in.bias_ih), packed(in.bias_hh)},
                  in.h0, in.c0, static_cast<bool>(tape));
  Tensor y = results(layer, run.h), h_n = last_state(layer, run.h);
  Tensor c_n = layer.has_c() ? last_state(layer, run.c) : Tensor();
  if (tape) {
    const auto last = std::make_shared<LastGradients>();
    tape.joint([kept = Kept{layer, run, tape.save(x), tape.save(y), tape.save(in.weight_ih),
                            tape.save(in.weight_hh), last}](const Tensor& dy, Gradients& dx) {
      backward(kept, dy, dx);
    });
    y = tape.output(y);
    h_n = side_output(op, y, h_n, [last](const Tensor& dy) { last->h = dy; });
    if (c_n.defined()) c_n = side_output(op, y, c_n, [last](const Tensor& dy) { last->c = dy; });
  }
  if (!c_n.defined()) return {y, h_n};
  return {y, h_n, c_n};
}

Inputs inputs(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
              const Optional& bias_ih, const Optional& bias_hh, const Optional& h0,
              const Optional& c0) {
  const auto given = [](const Optional& x) { return x.value_or(Tensor()); };
  return {input, weight_ih, weight_hh, given(bias_ih), given(bias_hh), given(h0), given(c0)};
}

}  // namespace

std::vector<Tensor> lstm(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
                         const Optional& bias_ih, const Optional& bias_hh, const Optional& h0,
                         const Optional& c0, bool reverse) {
  return run("lstm", CellKind::kLstm, inputs(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, c0),
             reverse);
}

std::vector<Tensor> gru(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
                        const Optional& bias_ih, const Optional& bias_hh, const Optional& h0,
                        bool reverse) {
  return run("gru", CellKind::kGru, inputs(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, {}),
             reverse);
}

std::vector<Tensor> rnn(const Tensor& input, const Tensor& weight_ih, const Tensor& weight_hh,
                        const Optional& bias_ih, const Optional& bias_hh, const Optional& h0,
                        const std::string& nonlinearity, bool reverse) {
  check<ValueError>(nonlinearity == "tanh" || nonlinearity == "relu",
                    "rnn: nonlinearity expects 'tanh' or 'relu', got '", nonlinearity, "'");
  return run("rnn", nonlinearity == "relu" ? CellKind::kRnnRelu : CellKind::kRnnTanh,
             inputs(input, weight_ih, weight_hh, bias_ih, bias_hh, h0, {}), reverse);
}

}  // namespace lepton
