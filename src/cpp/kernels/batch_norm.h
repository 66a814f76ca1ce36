// Statistics and normalisation of channels, innermost in memory or as planes, and their gradients.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/layer_norm.h"
#include "kernels/norm_table.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

/// Calls body(offset, lanes, k) for vector k < kCount of the channels from c on, row by row. Whole
/// vectors are read where the block has them: lanes that belong to the next row are dropped by the
/// caller.
template <class T, int kCount, class Body>
LEPTON_INLINE void each_row(const ChannelBlock& at, int64_t c, Body body) {
  const int64_t size = (at.rows - 1) * at.row_stride + at.channels;
  const int64_t room = size - c - kCount * kLanes<T>;
  int64_t safe = room < 0 ? 0 : room / at.row_stride + 1;
  if (safe > at.rows) safe = at.rows;
  for (int64_t r = 0; r < safe; ++r) {
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) body(r * at.row_stride + c + k * kLanes<T>, kLanes<T>, k);
  }
  for (int64_t r = safe; r < at.rows; ++r) {
#pragma GCC unroll 4
    for (int k = 0; k < kCount; ++k) {
      const int64_t offset = r * at.row_stride + c + k * kLanes<T>, left = size - offset;
      if (left > 0) body(offset, left > kLanes<T> ? kLanes<T> : left, k);
    }
  }
}

template <class T, int kCount>
LEPTON_INLINE void store_channels(const Vec<T>* v, T* out, int64_t c, int64_t channels) {
  for (int k = 0; k < kCount; ++k) {
    const int64_t at = c + k * kLanes<T>, left = channels - at;
    if (left > 0) store<T>(v[k], out + at, left > kLanes<T> ? kLanes<T> : left);
  }
}

template <class T, int kCount>
LEPTON_INLINE void column_moments(const ChannelBlock& at, int64_t c, const T* x, T* mean,
                                  T* squares) {
  // The second pass also finds by how much rounding moved the mean, and takes that out again.
  Vec<T> average[kCount] = {}, square[kCount] = {}, rest[kCount] = {};
  each_row<T, kCount>(at, c, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    average[k] += load<T>(x + i, lanes);
  });
  const Vec<T> rows = splat<T>(static_cast<T>(at.rows));
  for (int k = 0; k < kCount; ++k) average[k] /= rows;
  each_row<T, kCount>(at, c, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    const Vec<T> d = load<T>(x + i, lanes) - average[k];
    square[k] += d * d;
    rest[k] += d;
  });
  for (int k = 0; k < kCount; ++k) {
    average[k] += rest[k] / rows;
    square[k] -= rest[k] * rest[k] / rows;
  }
  store_channels<T, kCount>(average, mean, c, at.channels);
  store_channels<T, kCount>(square, squares, c, at.channels);
}

template <class T, int kCount>
LEPTON_INLINE void column_gradient_sums(const ChannelBlock& at, int64_t c, const T* x, const T* dy,
                                        const T* mean, T* sum_dy, T* sum_dy_x) {
  Vec<T> average[kCount], plain[kCount] = {}, weighted[kCount] = {};
  for (int k = 0; k < kCount; ++k) average[k] = load<T>(mean + c + k * kLanes<T>);
  each_row<T, kCount>(at, c, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    const Vec<T> g = load<T>(dy + i, lanes);
    plain[k] += g;
    weighted[k] += g * (load<T>(x + i, lanes) - average[k]);
  });
  store_channels<T, kCount>(plain, sum_dy, c, at.channels);
  store_channels<T, kCount>(weighted, sum_dy_x, c, at.channels);
}

/// Calls body(c, number of vectors as a constant) until all channels are covered.
template <class T, class Body>
LEPTON_INLINE void for_column_blocks(int64_t channels, Body body) {
  int64_t c = 0;
  for (; c + 4 * kLanes<T> <= channels; c += 4 * kLanes<T>) body.template operator()<4>(c);
  for (; c < channels; c += kLanes<T>) body.template operator()<1>(c);
}

/// Calls body(offset, channel) for each plane; a channel's planes come in the order of its rows.
template <class Body>
LEPTON_INLINE void for_planes(const ChannelBlock& at, Body body) {
  for (int64_t c = 0; c < at.channels; ++c)
    for (int64_t r = 0; r < at.rows; ++r) body(r * at.row_stride + c * at.run, c);
}

template <class T>
void moments(const ChannelBlock& at, const T* x, T* mean, T* squares) {
  if (at.run == 1)
    return for_column_blocks<T>(at.channels, [&]<int kCount>(int64_t c) LEPTON_BODY {
      column_moments<T, kCount>(at, c, x, mean, squares);
    });
  for (int64_t c = 0; c < at.channels; ++c) mean[c] = squares[c] = 0;
  for_planes(at, [&](int64_t offset, int64_t c) LEPTON_BODY {
    mean[c] += sum_of<T>(at.run, [&](int64_t i, int64_t lanes)
                                     LEPTON_BODY { return load<T>(x + offset + i, lanes); });
  });
  for (int64_t c = 0; c < at.channels; ++c) mean[c] /= static_cast<T>(at.rows * at.run);
  for_planes(at, [&](int64_t offset, int64_t c) LEPTON_BODY {
    squares[c] += sum_of<T>(at.run, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      const Vec<T> d = distance<T>(x + offset + i, lanes, mean[c]);
      return d * d;
    });
  });
}

template <class T>
void gradient_sums(const ChannelBlock& at, const T* x, const T* dy, const T* mean, T* sum_dy,
                   T* sum_dy_x) {
  if (at.run == 1)
    return for_column_blocks<T>(at.channels, [&]<int kCount>(int64_t c) LEPTON_BODY {
      column_gradient_sums<T, kCount>(at, c, x, dy, mean, sum_dy, sum_dy_x);
    });
  for (int64_t c = 0; c < at.channels; ++c) sum_dy[c] = sum_dy_x[c] = 0;
  for_planes(at, [&](int64_t offset, int64_t c) LEPTON_BODY {
    sum_dy[c] += sum_of<T>(at.run, [&](int64_t i, int64_t lanes)
                                       LEPTON_BODY { return load<T>(dy + offset + i, lanes); });
    sum_dy_x[c] += sum_of<T>(at.run, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      return load<T>(dy + offset + i, lanes) * distance<T>(x + offset + i, lanes, mean[c]);
    });
  });
}

/// Writes f(offset, lanes, per(array) ...) everywhere. Where channels are innermost a vector may
/// spill into the next row, which is written after it.
template <class T, class Formula>
LEPTON_INLINE void map_channels(const ChannelBlock& at, T* y, Formula formula) {
  if (at.run == 1) {
    const int64_t size = (at.rows - 1) * at.row_stride + at.channels;
    for (int64_t r = 0; r < at.rows; ++r)
      for (int64_t c = 0; c < at.channels; c += kLanes<T>) {
        const int64_t offset = r * at.row_stride + c, left = size - offset;
        const auto per = [&](const T* array) LEPTON_BODY { return load<T>(array + c); };
        if (left >= kLanes<T>) [[likely]]
          store<T>(formula(offset, kLanes<T>, per), y + offset);
        else
          store_first<T>(formula(offset, left, per), y + offset, left);
      }
    return;
  }
  for_planes(at, [&](int64_t offset, int64_t c) LEPTON_BODY {
    const auto per = [&](const T* array) LEPTON_BODY { return splat<T>(array[c]); };
    for_each_vector<T>(at.run, [&](int64_t i, int64_t lanes) LEPTON_BODY {
      store<T>(formula(offset + i, lanes, per), y + offset + i, lanes);
    });
  });
}

template <class T>
void normalize(const ChannelBlock& at, const T* x, const T* mean, const T* scale, const T* shift,
               T* y) {
  map_channels<T>(at, y, [&](int64_t i, int64_t lanes, auto per) LEPTON_BODY {
    return (load<T>(x + i, lanes) - per(mean)) * per(scale) + per(shift);
  });
}

template <class T>
void gradient(const ChannelBlock& at, const T* x, const T* dy, const T* mean, const T* of_dy,
              const T* of_x, const T* shift, T* dx) {
  map_channels<T>(at, dx, [&](int64_t i, int64_t lanes, auto per) LEPTON_BODY {
    return load<T>(dy + i, lanes) * per(of_dy) + (load<T>(x + i, lanes) - per(mean)) * per(of_x) +
           per(shift);
  });
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
