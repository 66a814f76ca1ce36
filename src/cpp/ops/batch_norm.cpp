// Batch normalisation of channels with its gradient, alone or with the ReLU that follows it.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "autograd/node.h"
#include "ops/channels.h"
#include "ops/kernel_part.h"
#include "ops/moments.h"
#include "ops/norm.h"

namespace lepton {
namespace {

// One call of either op; all tensors but the input may be undefined.
struct BatchNorm {
  const char* name;
  Activation activation;
  Tensor input, running_mean, running_var, weight, bias, residual;
  bool training;
  double momentum, eps;
};

// Mean and (biased) variance per channel; the blocks' moments are merged in their order.
template <class T>
void batch_statistics(const ChannelGrid& grid, const Tensor& x, PerChannel<T>& mean,
                      PerChannel<T>& var) {
  const auto& part = part_of<T>(kernels().norm);
  const int64_t channels = grid.channels, blocks = grid.row_blocks();
  const Tensor means = empty({blocks, channels}, x.dtype()),
               squares = empty({blocks, channels}, x.dtype());
  grid.parallel([&](const ChannelBlock& block, int64_t offset, int64_t row_block, int64_t channel) {
    const int64_t at = row_block * channels + channel;
    part.moments(block, x.data<T>() + offset, means.data<T>() + at, squares.data<T>() + at);
  });
  std::vector<Moments> all(static_cast<size_t>(channels));
  double rows = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    const MomentShare share(rows, static_cast<double>(grid.elements(b)));
    for (int64_t c = 0; c < channels; ++c)
      all[static_cast<size_t>(c)].merge(share,
                                        static_cast<double>(means.data<T>()[b * channels + c]),
                                        static_cast<double>(squares.data<T>()[b * channels + c]));
    rows = share.all;
  }
  for (int64_t c = 0; c < channels; ++c) {
    const Moments& of = all[static_cast<size_t>(c)];
    mean[c] = static_cast<T>(of.mean);
    var[c] = static_cast<T>(of.squares / of.count);
  }
}

template <class T>
void move_running(const BatchNorm& call, const PerChannel<T>& mean, const PerChannel<T>& var,
                  int64_t n) {
  const auto move = [&](const Tensor& running, const PerChannel<T>& batch, double scale) {
    if (!running.defined()) return;
    T* r = running.data<T>();
    for (int64_t c = 0; c < running.numel(); ++c) {
      T& old = r[c * running.strides()[0]];
      old = static_cast<T>((1 - call.momentum) * static_cast<double>(old) +
                           call.momentum * scale * static_cast<double>(batch[c]));
    }
    written(running);
  };
  move(call.running_mean, mean, 1);
  move(call.running_var, var, static_cast<double>(n) / static_cast<double>(n - 1));
}

// What backward keeps of a call beside x and, with a residual, y.
template <class T>
struct Backward {
  ChannelGrid grid;
  Activation activation;
  bool training;
  AffineValues<T> by;
  PerChannel<T> inverse_std;

  // Inputs are input, weight, bias and residual.
  void run(const Tensor& x, const Tensor& y, const Tensor& upstream, Gradients& dx) const {
    const int64_t channels = grid.channels;
    const IncomingGradient incoming(upstream, x);
    const bool residual = activation == Activation::kResidualRelu;
    const Tensor dz = residual && !incoming.reusable ? empty_like(x) : incoming.dy;
    ChannelGradient<T> g{by.from(0), incoming.dy.template data<T>(),
                         residual ? y.data<T>() : nullptr, dz.data<T>()};
    PerChannel<T> sum_dy(channels, x.dtype()), sum_dy_x(channels, x.dtype());
    if (dx.needs(1) || dx.needs(2) || training || residual) sums(x, g, sum_dy, sum_dy_x);
    if (residual) g.dy = dz.data<T>();
    const bool over =
        (incoming.reusable || residual) && !dx.needs(3) && rows_are_separate(channels, grid.run);
    if (dx.needs(0)) dx[0] = input_gradient(x, g, sum_dy, sum_dy_x, over ? dz : empty_like(x));
    if (dx.needs(1)) {
      dx[1] = empty({channels}, x.dtype());
      for (int64_t c = 0; c < channels; ++c) dx[1].data<T>()[c] = sum_dy_x[c] * inverse_std[c];
    }
    if (dx.needs(2)) {
      dx[2] = empty({channels}, x.dtype());
      std::copy_n(sum_dy.from(0), channels, dx[2].data<T>());
    }
    if (dx.needs(3)) dx[3] = dz;
  }

  // g of the elements from `offset` on, of the channels from `channel` on.
  ChannelGradient<T> moved(ChannelGradient<T> g, int64_t offset, int64_t channel) const {
    g.by = by.from(channel);
    g.dy += offset;
    g.dz += offset;
    if (g.y) g.y += offset;
    return g;
  }

  void sums(const Tensor& x, const ChannelGradient<T>& g, PerChannel<T>& sum_dy,
            PerChannel<T>& sum_dy_x) const {
    const auto kernel = part_of<T>(kernels().norm).gradient_sums[static_cast<int>(activation)];
    const int64_t channels = grid.channels, blocks = grid.row_blocks();
    const Tensor plain = empty({blocks, channels}, x.dtype()),
                 weighted = empty({blocks, channels}, x.dtype());
    grid.parallel(
        [&](const ChannelBlock& block, int64_t offset, int64_t row_block, int64_t channel) {
          const int64_t at = row_block * channels + channel;
          kernel(block, x.data<T>() + offset, moved(g, offset, channel), plain.data<T>() + at,
                 weighted.data<T>() + at);
        });
    const auto add = kernels().reduce->sum.columns[index(x.dtype())];
    add(blocks, channels, plain.bytes(), channels, &sum_dy[0]);
    add(blocks, channels, weighted.bytes(), channels, &sum_dy_x[0]);
  }

  Tensor input_gradient(const Tensor& x, const ChannelGradient<T>& g, const PerChannel<T>& sum_dy,
                        const PerChannel<T>& sum_dy_x, const Tensor& dx) const {
    const int64_t channels = grid.channels;
    SlopeValues<T> slope(channels, x.dtype());
    const T n = static_cast<T>(grid.rows * grid.run);
    for (int64_t c = 0; c < channels; ++c) {
      slope.of_dy[c] = by.scale[c];
      if (!training) continue;
      slope.constant[c] = -by.scale[c] * sum_dy[c] / n;
      slope.of_x[c] = -by.scale[c] * inverse_std[c] * inverse_std[c] * sum_dy_x[c] / n;
    }
    const auto kernel = part_of<T>(kernels().norm).gradient[static_cast<int>(activation)];
    const bool stream = is_streamed(dx) && g.dy != dx.data<T>();
    grid.parallel([&](const ChannelBlock& block, int64_t offset, int64_t, int64_t channel) {
      kernel(block, x.data<T>() + offset, moved(g, offset, channel), slope.from(channel), stream,
             dx.data<T>() + offset);
    });
    return dx;
  }
};

template <class T>
Tensor normalize(const BatchNorm& call) {
  const Tensor x = channel_memory(call.input);
  const ChannelGrid grid(x);
  const int64_t channels = grid.channels;
  PerChannel<T> var(channels, x.dtype()), inverse_std(channels, x.dtype());
  AffineValues<T> by(channels, x.dtype());
  if (call.training) {
    batch_statistics<T>(grid, x, by.mean, var);
    move_running<T>(call, by.mean, var, grid.rows * grid.run);
  }
  for (int64_t c = 0; c < channels; ++c) {
    if (!call.training) {
      by.mean[c] = value_or<T>(call.running_mean, c, T{0});
      var[c] = value_or<T>(call.running_var, c, T{1});
    }
    inverse_std[c] = T{1} / std::sqrt(var[c] + static_cast<T>(call.eps));
    by.scale[c] = inverse_std[c] * value_or<T>(call.weight, c, T{1});
    by.shift[c] = value_or<T>(call.bias, c, T{0});
  }
  const Tensor residual = call.residual.defined() ? laid_out_as(call.residual, x) : Tensor();
  Tensor y = empty_strided(x.shape(), x.strides(), x.dtype());
  const auto kernel = part_of<T>(kernels().norm).normalize[static_cast<int>(call.activation)];
  grid.parallel([&](const ChannelBlock& block, int64_t offset, int64_t, int64_t channel) {
    kernel(block, x.data<T>() + offset, by.from(channel),
           residual.defined() ? residual.data<T>() + offset : nullptr, is_streamed(y),
           y.data<T>() + offset);
  });
  Recorder tape(call.name, {&call.input, &call.weight, &call.bias, &call.residual});
  if (tape)
    tape.joint([backward = Backward<T>{grid, call.activation, call.training, by, inverse_std},
                x = tape.save(x), y = tape.save(residual.defined() ? y : Tensor())](
                   const Tensor& dy, Gradients& dx) { backward.run(*x, *y, dy, dx); });
  return tape.output(y);
}

// Without elements there is nothing to normalise, but gradients still have their shapes.
Tensor normalize_nothing(const BatchNorm& call) {
  Recorder tape(call.name, {&call.input, &call.weight, &call.bias, &call.residual});
  if (tape)
    tape.joint([channels = call.input.shape()[1]](const Tensor& dy, Gradients& dx) {
      dx[0] = dx[3] = dy;
      dx[1] = dx[2] = zeros({channels}, dy.dtype());
    });
  return tape.output(empty_like(call.input));
}

Tensor run(const BatchNorm& call) {
  const Tensor& input = call.input;
  check<ValueError>(input.ndim() >= 2 && input.ndim() <= 4, call.name,
                    ": input expects [N, C], [N, C, L] or [N, C, H, W], got shape ", input.shape());
  check<ValueError>(call.eps >= 0, call.name, ": eps expects a number of at least 0, got ",
                    call.eps);
  check_per_channel(call.name, "running_mean", call.running_mean, input);
  check_per_channel(call.name, "running_var", call.running_var, input);
  check_per_channel(call.name, "weight", call.weight, input);
  check_per_channel(call.name, "bias", call.bias, input);
  check<ValueError>(call.training || (call.running_mean.defined() && call.running_var.defined()),
                    call.name, ": running_mean and running_var are needed outside training");
  const int64_t n = input.shape()[1] == 0 ? 0 : input.numel() / input.shape()[1];
  check<ValueError>(!call.training || n != 1, call.name,
                    ": training expects more than 1 value per channel (input: ", input.shape(),
                    ")");
  if (call.residual.defined()) {
    check<ValueError>(call.residual.shape() == input.shape(), call.name,
                      ": residual expects the shape of input ", input.shape(), ", got ",
                      call.residual.shape());
    check<TypeError>(call.residual.dtype() == input.dtype(), call.name, ": residual expects ",
                     input.dtype(), ", got ", call.residual.dtype());
  }
  if (call.training)
    for (const Tensor& running : {call.running_mean, call.running_var})
      if (running.defined()) check_writable(call.name, running);
  return dispatch_floating(call.name, input.dtype(), [&]<class T>() {
    return input.numel() > 0 ? normalize<T>(call) : normalize_nothing(call);
  });
}

}  // namespace

Tensor batch_norm(const Tensor& input, const std::optional<Tensor>& running_mean,
                  const std::optional<Tensor>& running_var, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, bool training, double momentum, double eps) {
  return run({"batch_norm", Activation::kNone, input, running_mean.value_or(Tensor()),
              running_var.value_or(Tensor()), weight.value_or(Tensor()), bias.value_or(Tensor()),
              Tensor(), training, momentum, eps});
}

Tensor batch_norm_relu(const Tensor& input, const std::optional<Tensor>& running_mean,
                       const std::optional<Tensor>& running_var,
                       const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                       const std::optional<Tensor>& residual, bool training, double momentum,
                       double eps) {
  return run({"batch_norm_relu", residual ? Activation::kResidualRelu : Activation::kRelu, input,
              running_mean.value_or(Tensor()), running_var.value_or(Tensor()),
              weight.value_or(Tensor()), bias.value_or(Tensor()), residual.value_or(Tensor()),
              training, momentum, eps});
}

}  // namespace lepton
