// Memory of channels for normalisation: its blocks, values per channel, and their checks.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <optional>

#include "core/parallel.h"
#include "kernels/norm_table.h"
#include "ops/layout.h"

namespace lepton {

/// x in memory that is rows of channels or of planes of channels; a copy where it is neither.
inline Tensor channel_memory(const Tensor& x) {
  Dims rows{0};
  for (size_t i = 2; i < x.ndim(); ++i) rows.push_back(static_cast<int64_t>(i));
  rows.push_back(1);
  const Strides innermost = strides_in_order(x.shape(), rows);
  return has_layout(x, innermost) ? x : contiguous(x);
}

/// Elements of one channel of one sample.
inline int64_t channel_size(const Tensor& x) {
  int64_t size = 1;
  for (size_t i = 2; i < x.ndim(); ++i) size *= x.shape()[i];
  return size;
}

/// Memory as [rows, channels, run], cut into blocks of rows and, where channels are planes, of
/// channels.
struct ChannelGrid {
  int64_t rows, channels, run;
  int64_t block_rows, block_channels;

  /// Of x as channel_memory gives it.
  explicit ChannelGrid(const Tensor& x) : channels(x.shape()[1]) {
    run = x.is_contiguous() ? channel_size(x) : 1;
    rows = x.numel() / (channels * run);
    // Up to 64 blocks; where planes take two passes they stay in the second cache level.
    const int64_t elements = std::clamp<int64_t>(x.numel() / 64, 1 << 14, 1 << 16);
    block_channels = run == 1 ? channels : std::clamp<int64_t>(elements / run, 1, channels);
    block_rows = std::clamp<int64_t>(elements / (block_channels * run), 1, rows);
  }
  int64_t row_blocks() const { return (rows + block_rows - 1) / block_rows; }
  /// Elements that a channel has in one block of rows.
  int64_t elements(int64_t row_block) const {
    return std::min(block_rows, rows - row_block * block_rows) * run;
  }

  /// Calls body(block, offset of its first element, its block of rows, its first channel).
  template <class Body>
  void parallel(Body&& body) const {
    const int64_t columns = (channels + block_channels - 1) / block_channels;
    const int64_t stride = channels * run;
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

/// Whether the gradient kernel may write dx over dy: no vector of one row reaches into the next.
inline bool rows_are_separate(int64_t channels, int64_t run) {
  return run != 1 || channels % kChannelPadding == 0;
}

/// One value per channel, with room for whole vectors behind the last.
template <class T>
struct PerChannel {
  PerChannel(int64_t channels, DType dtype)
      : memory(zeros({channels + kChannelPadding}, dtype)), values(memory.data<T>()) {}
  T& operator[](int64_t c) { return values[c]; }
  T operator[](int64_t c) const { return values[c]; }
  const T* from(int64_t channel) const { return values + channel; }
  Tensor memory;
  T* values;
};

/// What channels are scaled and moved by.
template <class T>
struct AffineValues {
  AffineValues(int64_t channels, DType dtype)
      : mean(channels, dtype), scale(channels, dtype), shift(channels, dtype) {}
  ChannelAffine<T> from(int64_t channel) const {
    return {mean.from(channel), scale.from(channel), shift.from(channel)};
  }
  PerChannel<T> mean, scale, shift;
};

/// What dx is put together from.
template <class T>
struct SlopeValues {
  SlopeValues(int64_t channels, DType dtype)
      : of_dy(channels, dtype), of_x(channels, dtype), constant(channels, dtype) {}
  ChannelSlope<T> from(int64_t channel) const {
    return {of_dy.from(channel), of_x.from(channel), constant.from(channel)};
  }
  PerChannel<T> of_dy, of_x, constant;
};

/// Element i of a vector, or `fallback` of an undefined one.
template <class T>
T value_or(const Tensor& x, int64_t i, T fallback) {
  return x.defined() ? x.data<T>()[i * x.strides()[0]] : fallback;
}

/// Raises unless p, where defined, has one value of input's dtype for each channel.
inline void check_per_channel(const char* op, const char* name, const Tensor& p,
                              const Tensor& input) {
  if (!p.defined()) return;
  check<ValueError>(p.shape() == Shape{input.shape()[1]}, op, ": ", name,
                    " expects one value for each of ", input.shape()[1], " channels, got shape ",
                    p.shape(), " (input: ", input.shape(), ")");
  check<TypeError>(p.dtype() == input.dtype(), op, ": ", name, " expects ", input.dtype(), ", got ",
                   p.dtype());
}

}  // namespace lepton
