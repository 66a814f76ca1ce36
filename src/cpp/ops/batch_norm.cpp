// Batch normalisation of channels with its gradient, in the memory order of the input.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"
#include "ops/norm.h"

namespace lepton {
namespace {

constexpr const char* kName = "batch_norm";

// Memory as [rows, channels, run], cut into blocks of rows and, where channels are planes, of
// channels.
struct ChannelGrid {
  int64_t rows, channels, run;
  int64_t block_rows, block_channels;

  ChannelGrid(int64_t rows, int64_t channels, int64_t run)
      : rows(rows), channels(channels), run(run) {
    // Up to 64 blocks, small enough to stay in the second cache level between two passes.
    const int64_t total = rows * channels * run;
    const int64_t elements = std::clamp<int64_t>(total / 64, 1 << 14, 1 << 16);
    block_channels = run == 1 ? channels : std::clamp<int64_t>(elements / run, 1, channels);
    block_rows = std::clamp<int64_t>(elements / (block_channels * run), 1, rows);
  }
  int64_t row_blocks() const { return (rows + block_rows - 1) / block_rows; }
  int64_t channel_blocks() const { return (channels + block_channels - 1) / block_channels; }
  // Elements that a channel has in one block of rows.
  int64_t elements(int64_t row_block) const {
    return std::min(block_rows, rows - row_block * block_rows) * run;
  }

  /// Calls body(block, offset of its first element, its block of rows, its first channel).
  template <class Body>
  void parallel(Body&& body) const {
    const int64_t columns = channel_blocks(), stride = channels * run;
    parallel_for(0, row_blocks() * columns, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t row_block = task / columns, row = row_block * block_rows;
        const int64_t channel = task % columns * block_channels;
        const ChannelBlock block{std::min(block_rows, rows - row),
                                 std::min(block_channels, channels - channel), run, stride};
        body(block, row * stride + channel * run, row_block, channel);
      }
    });
  }
};

// x in memory that is rows of channels or of planes of channels; a copy where it is neither.
Tensor channel_memory(const Tensor& x) {
  Dims rows{0};
  for (size_t i = 2; i < x.ndim(); ++i) rows.push_back(static_cast<int64_t>(i));
  rows.push_back(1);
  const Strides innermost = strides_in_order(x.shape(), rows);
  return has_layout(x, innermost) ? x : contiguous(x);
}

ChannelGrid channel_grid(const Tensor& x) {
  const int64_t channels = x.shape()[1];
  if (x.is_contiguous()) {
    int64_t run = 1;
    for (size_t i = 2; i < x.ndim(); ++i) run *= x.shape()[i];
    return {x.shape()[0], channels, run};
  }
  return {x.numel() / channels, channels, 1};
}

// One value per channel, with room for whole vectors behind the last.
template <class T>
struct PerChannel {
  explicit PerChannel(int64_t channels, DType dtype)
      : memory(zeros({channels + kChannelPadding}, dtype)) {}
  T& operator[](int64_t c) { return memory.data<T>()[c]; }
  T operator[](int64_t c) const { return memory.data<T>()[c]; }
  const T* from(int64_t channel) const { return memory.data<T>() + channel; }
  Tensor memory;
};

// The running statistics and the affine part of one call; any may be undefined.
struct Parameters {
  Tensor running_mean, running_var, weight, bias;
};

template <class T>
T value(const Tensor& x, int64_t i, T fallback) {
  return x.defined() ? x.data<T>()[i * x.strides()[0]] : fallback;
}

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
  for (int64_t c = 0; c < channels; ++c) {
    double n = 0, average = 0, square = 0;
    for (int64_t b = 0; b < blocks; ++b) {
      const double m = static_cast<double>(grid.elements(b)), all = n + m;
      const double delta = static_cast<double>(means.data<T>()[b * channels + c]) - average;
      average += delta * m / all;
      square +=
          static_cast<double>(squares.data<T>()[b * channels + c]) + delta * delta * n * m / all;
      n = all;
    }
    mean[c] = static_cast<T>(average);
    var[c] = static_cast<T>(square / n);
  }
}

template <class T>
void move_running(const Parameters& p, const PerChannel<T>& mean, const PerChannel<T>& var,
                  int64_t n, double momentum) {
  const auto move = [&](const Tensor& running, const PerChannel<T>& batch, double scale) {
    if (!running.defined()) return;
    T* r = running.data<T>();
    for (int64_t c = 0; c < running.numel(); ++c) {
      T& old = r[c * running.strides()[0]];
      old = static_cast<T>((1 - momentum) * static_cast<double>(old) +
                           momentum * scale * static_cast<double>(batch[c]));
    }
    written(running);
  };
  move(p.running_mean, mean, 1);
  move(p.running_var, var, static_cast<double>(n) / static_cast<double>(n - 1));
}

// dx, dweight and dbias of one call.
template <class T>
struct Backward {
  ChannelGrid grid;
  bool training;
  PerChannel<T> mean, inverse_std;

  void run(const Tensor& x, const Tensor& weight, const Tensor& dy, Gradients& dx) const {
    const int64_t channels = grid.channels;
    PerChannel<T> sum_dy(channels, x.dtype()), sum_dy_x(channels, x.dtype());
    if (dx.needs(1) || dx.needs(2) || training) sums(x, dy, sum_dy, sum_dy_x);
    if (dx.needs(0)) dx[0] = input_gradient(x, weight, dy, sum_dy, sum_dy_x);
    if (dx.needs(1)) {
      dx[1] = empty({channels}, x.dtype());
      for (int64_t c = 0; c < channels; ++c) dx[1].data<T>()[c] = sum_dy_x[c] * inverse_std[c];
    }
    if (dx.needs(2)) {
      dx[2] = empty({channels}, x.dtype());
      std::copy_n(sum_dy.from(0), channels, dx[2].data<T>());
    }
  }

  void sums(const Tensor& x, const Tensor& dy, PerChannel<T>& sum_dy,
            PerChannel<T>& sum_dy_x) const {
    const auto& part = part_of<T>(kernels().norm);
    const int64_t channels = grid.channels, blocks = grid.row_blocks();
    const Tensor plain = empty({blocks, channels}, x.dtype()),
                 weighted = empty({blocks, channels}, x.dtype());
    grid.parallel(
        [&](const ChannelBlock& block, int64_t offset, int64_t row_block, int64_t channel) {
          const int64_t at = row_block * channels + channel;
          part.gradient_sums(block, x.data<T>() + offset, dy.data<T>() + offset, mean.from(channel),
                             plain.data<T>() + at, weighted.data<T>() + at);
        });
    const auto add = kernels().reduce->sum.columns[index(x.dtype())];
    add(blocks, channels, plain.bytes(), channels, &sum_dy[0]);
    add(blocks, channels, weighted.bytes(), channels, &sum_dy_x[0]);
  }

  Tensor input_gradient(const Tensor& x, const Tensor& weight, const Tensor& dy,
                        const PerChannel<T>& sum_dy, const PerChannel<T>& sum_dy_x) const {
    const int64_t channels = grid.channels;
    PerChannel<T> of_dy(channels, x.dtype()), of_x(channels, x.dtype()), shift(channels, x.dtype());
    const T n = static_cast<T>(grid.rows * grid.run);
    for (int64_t c = 0; c < channels; ++c) {
      of_dy[c] = inverse_std[c] * value<T>(weight, c, T{1});
      if (!training) continue;
      shift[c] = -of_dy[c] * sum_dy[c] / n;
      of_x[c] = -of_dy[c] * inverse_std[c] * inverse_std[c] * sum_dy_x[c] / n;
    }
    const Tensor dx = empty_strided(x.shape(), x.strides(), x.dtype());
    const auto& part = part_of<T>(kernels().norm);
    grid.parallel([&](const ChannelBlock& block, int64_t offset, int64_t, int64_t channel) {
      part.gradient(block, x.data<T>() + offset, dy.data<T>() + offset, mean.from(channel),
                    of_dy.from(channel), of_x.from(channel), shift.from(channel),
                    dx.data<T>() + offset);
    });
    return dx;
  }
};

template <class T>
Tensor normalize(const Tensor& input, const Parameters& p, bool training, double momentum,
                 double eps) {
  const Tensor x = channel_memory(input);
  const ChannelGrid grid = channel_grid(x);
  const int64_t channels = grid.channels;
  PerChannel<T> mean(channels, x.dtype()), var(channels, x.dtype()), scale(channels, x.dtype()),
      shift(channels, x.dtype()), inverse_std(channels, x.dtype());
  if (training) {
    batch_statistics<T>(grid, x, mean, var);
    move_running<T>(p, mean, var, grid.rows * grid.run, momentum);
  }
  for (int64_t c = 0; c < channels; ++c) {
    if (!training) {
      mean[c] = value<T>(p.running_mean, c, T{0});
      var[c] = value<T>(p.running_var, c, T{1});
    }
    inverse_std[c] = T{1} / std::sqrt(var[c] + static_cast<T>(eps));
    scale[c] = inverse_std[c] * value<T>(p.weight, c, T{1});
    shift[c] = value<T>(p.bias, c, T{0});
  }
  Tensor y = empty_strided(x.shape(), x.strides(), x.dtype());
  const auto& part = part_of<T>(kernels().norm);
  grid.parallel([&](const ChannelBlock& block, int64_t offset, int64_t, int64_t channel) {
    part.normalize(block, x.data<T>() + offset, mean.from(channel), scale.from(channel),
                   shift.from(channel), y.data<T>() + offset);
  });
  Recorder tape(kName, {&input, &p.weight, &p.bias});
  if (tape)
    tape.joint([run = Backward<T>{grid, training, mean, inverse_std}, x = tape.save(x),
                w = tape.save(p.weight)](const Tensor& dy, Gradients& dx) {
      run.run(*x, *w, laid_out_as(dy, *x), dx);
    });
  return tape.output(y);
}

void check_vector(const char* name, const Tensor& p, const Tensor& input) {
  if (!p.defined()) return;
  check<ValueError>(p.shape() == Shape{input.shape()[1]}, kName, ": ", name,
                    " expects one value for each of ", input.shape()[1], " channels, got shape ",
                    p.shape(), " (input: ", input.shape(), ")");
  check<TypeError>(p.dtype() == input.dtype(), kName, ": ", name, " expects ", input.dtype(),
                   ", got ", p.dtype());
}

}  // namespace

Tensor batch_norm(const Tensor& input, const std::optional<Tensor>& running_mean,
                  const std::optional<Tensor>& running_var, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, bool training, double momentum, double eps) {
  check<ValueError>(input.ndim() >= 2 && input.ndim() <= 4, kName,
                    ": input expects [N, C], [N, C, L] or [N, C, H, W], got shape ", input.shape());
  check<ValueError>(eps >= 0, kName, ": eps expects a number of at least 0, got ", eps);
  const Parameters p{running_mean.value_or(Tensor()), running_var.value_or(Tensor()),
                     weight.value_or(Tensor()), bias.value_or(Tensor())};
  check_vector("running_mean", p.running_mean, input);
  check_vector("running_var", p.running_var, input);
  check_vector("weight", p.weight, input);
  check_vector("bias", p.bias, input);
  check<ValueError>(training || (running_mean && running_var), kName,
                    ": running_mean and running_var are needed outside training");
  const int64_t n = input.shape()[1] == 0 ? 0 : input.numel() / input.shape()[1];
  check<ValueError>(!training || n != 1, kName,
                    ": training expects more than 1 value per channel (input: ", input.shape(),
                    ")");
  if (training)
    for (const Tensor& running : {p.running_mean, p.running_var})
      if (running.defined()) check_writable(kName, running);
  return dispatch_floating(kName, input.dtype(), [&]<class T>() {
    if (input.numel() > 0) return normalize<T>(input, p, training, momentum, eps);
    Recorder tape(kName, {&input, &p.weight, &p.bias});
    if (tape)
      tape.joint([channels = input.shape()[1]](const Tensor& dy, Gradients& dx) {
        dx[0] = dy;
        dx[1] = dx[2] = zeros({channels}, dy.dtype());
      });
    return tape.output(empty_like(input));
  });
}

}  // namespace lepton
