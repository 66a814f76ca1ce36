// Group normalisation of each sample with its gradient, in the memory order of the input.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <numeric>

#include "autograd/node.h"
#include "ops/channels.h"
#include "ops/kernel_part.h"
#include "ops/moments.h"
#include "ops/norm.h"

namespace lepton {
namespace {

constexpr const char* kGroupNorm = "group_norm";
// Elements of a task: a plane's two passes find them in the second-level cache.
constexpr int64_t kPlaneTask = 1 << 16;

// Memory as samples of [rows, channels, run]; a task is a range of whole groups of one sample,
// which stays in a cache between its passes.
struct GroupGrid {
  int64_t samples, channels, groups, rows, run;
  int64_t task_groups, block_rows;

  GroupGrid(const Tensor& x, int64_t groups)
      : samples(x.shape()[0]), channels(x.shape()[1]), groups(groups) {
    const int64_t size = channel_size(x);
    run = x.is_contiguous() ? size : 1;
    rows = size / run;
    // Planes are cut to fit a cache. Interleaved channels are cut only to give few samples to
    // several threads: parts of rows are slower to read, and must not share a vector.
    const bool planes = run != 1;
    const bool separate = planes || channels % kChannelPadding == 0;
    const int64_t vectors = std::lcm(per_group(), kChannelPadding) / per_group();
    const int64_t unit = planes ? 1 : separate ? vectors : groups;
    const int64_t wanted = planes ? channels * size / kPlaneTask : 16 / samples;
    const int64_t parts = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, groups / unit));
    task_groups = (groups + parts - 1) / parts;
    task_groups = std::min(groups, (task_groups + unit - 1) / unit * unit);
    // Long sums are cut, so that their errors do not grow with the image.
    block_rows = std::min<int64_t>(rows, 1024);
  }
  int64_t per_group() const { return channels / groups; }
  int64_t sample_size() const { return channels * rows * run; }
  /// Elements that are normalised together.
  int64_t group_size() const { return per_group() * rows * run; }

  /// Calls body(sample, first group, number of groups) on several threads.
  template <class Body>
  void parallel(Body&& body) const {
    const int64_t parts = (groups + task_groups - 1) / task_groups;
    const int64_t size = task_groups * group_size();
    parallel_for(0, samples * parts, std::max<int64_t>(1, (kPlaneTask / 4) / size),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t task = begin; task < end; ++task) {
                     const int64_t first = task % parts * task_groups;
                     body(task / parts, first, std::min(task_groups, groups - first));
                   }
                 });
  }
  /// Calls body(block, offset of its first element) for the rows of some channels of a sample.
  template <class Body>
  void for_blocks(int64_t sample, int64_t channel, int64_t count, Body&& body) const {
    for (int64_t r = 0; r < rows; r += block_rows) {
      const ChannelBlock block{std::min(block_rows, rows - r), count, run, channels * run};
      body(block, sample * sample_size() + r * channels * run + channel * run);
    }
  }
};

// Values of one task's channels, in one piece of scratch memory.
template <class T>
struct TaskValues {
  TaskValues(int64_t count, int64_t channels)
      : pitch(channels + kChannelPadding), memory(static_cast<size_t>(count * pitch) * sizeof(T)) {
    std::memset(memory.as<T>(), 0, static_cast<size_t>(count * pitch) * sizeof(T));
  }
  T* operator[](int64_t i) const { return memory.as<T>() + i * pitch; }
  int64_t pitch;
  Scratch memory;
};

// One call: x, the scale and shift of its channels, and what forward found of each group.
template <class T>
struct GroupNorm {
  GroupGrid grid;
  Tensor weight, bias;       // of one value per channel, or undefined
  Tensor mean, inverse_std;  // [samples, groups]

  T weight_of(int64_t c) const { return value_or<T>(weight, c, T{1}); }

  // Mean and 1 / sqrt(variance + eps) of the groups from `first` on, merged from their channels'.
  void statistics(const Tensor& x, double eps, int64_t sample, int64_t first, int64_t count) const {
    const auto& part = part_of<T>(kernels().norm);
    const int64_t per_group = grid.per_group(), width = count * per_group;
    const TaskValues<T> found(2, width);
    std::vector<Moments> all(static_cast<size_t>(count));
    grid.for_blocks(sample, first * per_group, width, [&](const ChannelBlock& at, int64_t offset) {
      part.moments(at, x.data<T>() + offset, found[0], found[1]);
      for (int64_t c = 0; c < width; ++c)
        all[static_cast<size_t>(c / per_group)].merge(static_cast<double>(at.rows * at.run),
                                                      static_cast<double>(found[0][c]),
                                                      static_cast<double>(found[1][c]));
    });
    for (int64_t g = 0; g < count; ++g) {
      const int64_t at = sample * grid.groups + first + g;
      const Moments& of = all[static_cast<size_t>(g)];
      mean.data<T>()[at] = static_cast<T>(of.mean);
      inverse_std.data<T>()[at] = static_cast<T>(1 / std::sqrt(of.squares / of.count + eps));
    }
  }

  void forward(const Tensor& x, double eps, const Tensor& y) const {
    const auto kernel = part_of<T>(kernels().norm).normalize[0];
    const int64_t per_group = grid.per_group();
    grid.parallel([&](int64_t sample, int64_t first, int64_t count) {
      statistics(x, eps, sample, first, count);
      const int64_t channel = first * per_group, width = count * per_group;
      const TaskValues<T> by(3, width);
      for (int64_t c = 0; c < width; ++c) {
        const int64_t at = sample * grid.groups + (channel + c) / per_group;
        by[0][c] = mean.data<T>()[at];
        by[1][c] = inverse_std.data<T>()[at] * weight_of(channel + c);
        by[2][c] = value_or<T>(bias, channel + c, T{0});
      }
      grid.for_blocks(sample, channel, width, [&](const ChannelBlock& block, int64_t offset) {
        kernel(block, x.data<T>() + offset, {by[0], by[1], by[2]}, nullptr, is_streamed(y),
               y.data<T>() + offset);
      });
    });
  }

  // Sums of dy and of dy * (x - mean) over each channel of each sample, and dx unless undefined.
  void backward(const Tensor& x, const Tensor& dy, const Tensor& sum_dy, const Tensor& sum_dy_x,
                const Tensor& dx) const {
    const auto& part = part_of<T>(kernels().norm);
    const int64_t per_group = grid.per_group();
    grid.parallel([&](int64_t sample, int64_t first, int64_t count) {
      const int64_t channel = first * per_group, width = count * per_group;
      const TaskValues<T> values(6, width);
      T *center = values[0], *plain = values[1], *weighted = values[2];
      for (int64_t c = 0; c < width; ++c)
        center[c] = mean.data<T>()[sample * grid.groups + (channel + c) / per_group];
      T* plain_sum = sum_dy.data<T>() + sample * grid.channels + channel;
      T* weighted_sum = sum_dy_x.data<T>() + sample * grid.channels + channel;
      ChannelGradient<T> g{{center, nullptr, nullptr}, nullptr, nullptr, nullptr};
      grid.for_blocks(sample, channel, width, [&](const ChannelBlock& block, int64_t offset) {
        g.dy = dy.data<T>() + offset;
        part.gradient_sums[0](block, x.data<T>() + offset, g, plain, weighted);
        for (int64_t c = 0; c < width; ++c)
          plain_sum[c] += plain[c], weighted_sum[c] += weighted[c];
      });
      if (!dx.defined()) return;
      slopes(sample, first, count, plain_sum, weighted_sum, values[3], values[4], values[5]);
      grid.for_blocks(sample, channel, width, [&](const ChannelBlock& block, int64_t offset) {
        g.dy = dy.data<T>() + offset;
        part.gradient[0](block, x.data<T>() + offset, g, {values[3], values[4], values[5]},
                         is_streamed(dx) && g.dy != dx.data<T>() + offset, dx.data<T>() + offset);
      });
    });
  }

  // With s and d the sums over a group of weight * dy and weight * dy * (x - mean):
  // dx = inverse_std * (weight * dy - s / n - (x - mean) * inverse_std^2 * d / n).
  void slopes(int64_t sample, int64_t first, int64_t count, const T* sum_dy, const T* sum_dy_x,
              T* of_dy, T* of_x, T* constant) const {
    const int64_t per_group = grid.per_group();
    const T n = static_cast<T>(grid.group_size());
    for (int64_t g = 0; g < count; ++g) {
      const int64_t begin = g * per_group, end = begin + per_group, channel = first * per_group;
      const T scale = inverse_std.data<T>()[sample * grid.groups + first + g];
      T s = 0, d = 0;
      for (int64_t c = begin; c < end; ++c) {
        s += weight_of(channel + c) * sum_dy[c];
        d += weight_of(channel + c) * sum_dy_x[c];
      }
      for (int64_t c = begin; c < end; ++c) {
        of_dy[c] = scale * weight_of(channel + c);
        of_x[c] = -scale * scale * scale * d / n;
        constant[c] = -scale * s / n;
      }
    }
  }

  // The sum over samples of `sums` [samples, channels], times inverse_std where that is asked for.
  Tensor over_samples(const Tensor& sums, bool scaled) const {
    const Tensor total = zeros({grid.channels}, sums.dtype());
    for (int64_t sample = 0; sample < grid.samples; ++sample)
      for (int64_t c = 0; c < grid.channels; ++c) {
        const T scale = inverse_std.data<T>()[sample * grid.groups + c / grid.per_group()];
        const T sum = sums.data<T>()[sample * grid.channels + c];
        total.data<T>()[c] += scaled ? sum * scale : sum;
      }
    return total;
  }
};

template <class T>
Tensor normalize(const Tensor& input, int64_t groups, const Tensor& weight, const Tensor& bias,
                 double eps) {
  const Tensor x = channel_memory(input);
  const GroupGrid grid(x, groups);
  const Shape per_group{grid.samples, groups};
  const GroupNorm<T> call{grid, weight.defined() ? clone(weight) : weight, bias,
                          empty(per_group, x.dtype()), empty(per_group, x.dtype())};
  Tensor y = empty_strided(x.shape(), x.strides(), x.dtype());
  call.forward(x, eps, y);
  Recorder tape(kGroupNorm, {&input, &weight, &bias});
  if (tape)
    tape.joint([call, x = tape.save(x)](const Tensor& upstream, Gradients& dx) {
      const GroupGrid& grid = call.grid;
      const IncomingGradient incoming(upstream, *x);
      const Shape per_channel{grid.samples, grid.channels};
      const Tensor sum_dy = zeros(per_channel, x->dtype()),
                   sum_dy_x = zeros(per_channel, x->dtype());
      const bool over = incoming.reusable && rows_are_separate(grid.channels, grid.run);
      if (dx.needs(0)) dx[0] = over ? incoming.dy : empty_like(*x);
      call.backward(*x, incoming.dy, sum_dy, sum_dy_x, dx[0]);
      if (dx.needs(1)) dx[1] = call.over_samples(sum_dy_x, true);
      if (dx.needs(2)) dx[2] = call.over_samples(sum_dy, false);
    });
  return tape.output(y);
}

}  // namespace

Tensor group_norm(const Tensor& input, int64_t num_groups, const std::optional<Tensor>& weight,
                  const std::optional<Tensor>& bias, double eps) {
  check<ValueError>(input.ndim() >= 2, kGroupNorm,
                    ": input expects [N, C] or [N, C, ...], got shape ", input.shape());
  const int64_t channels = input.shape()[1];
  check<ValueError>(num_groups > 0 && channels % num_groups == 0, kGroupNorm,
                    ": num_groups expects a positive divisor of the ", channels, " channels, got ",
                    num_groups, " (input: ", input.shape(), ")");
  check<ValueError>(eps >= 0, kGroupNorm, ": eps expects a number of at least 0, got ", eps);
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  check_per_channel(kGroupNorm, "weight", w, input);
  check_per_channel(kGroupNorm, "bias", b, input);
  return dispatch_floating(kGroupNorm, input.dtype(), [&]<class T>() {
    if (input.numel() > 0) return normalize<T>(input, num_groups, w, b, eps);
    Recorder tape(kGroupNorm, {&input, &w, &b});
    if (tape)
      tape.joint([channels](const Tensor& dy, Gradients& dx) {
        dx[0] = dy;
        dx[1] = dx[2] = zeros({channels}, dy.dtype());
      });
    return tape.output(empty_like(input));
  });
}

}  // namespace lepton
