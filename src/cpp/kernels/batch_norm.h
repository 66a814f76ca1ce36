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

/// One pass over memory: distances are taken from the mean of the first rows, and what that misses
/// is taken out at the end. The sample is a part of the data, so its mean lies at most
/// sqrt(rows / sample) standard deviations off: the squares lose a factor of 1 + rows / sample of
/// their precision at worst, and none where rows are alike.
template <class T, int kCount>
LEPTON_INLINE void column_moments(const ChannelBlock& at, int64_t c, const T* x, T* mean,
                                  T* squares) {
  Vec<T> center[kCount] = {}, square[kCount] = {}, rest[kCount] = {};
  ChannelBlock sample = at;
  sample.rows = sample_size(at.rows);
  each_row<T, kCount>(sample, c, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    center[k] += load<T>(x + i, lanes);
  });
  for (int k = 0; k < kCount; ++k) center[k] /= splat<T>(static_cast<T>(sample.rows));
  each_row<T, kCount>(at, c, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    const Vec<T> d = load<T>(x + i, lanes) - center[k];
    square[k] += d * d;
    rest[k] += d;
  });
  const Vec<T> rows = splat<T>(static_cast<T>(at.rows));
  for (int k = 0; k < kCount; ++k) {
    center[k] += rest[k] / rows;
    square[k] -= rest[k] * rest[k] / rows;
  }
  store_channels<T, kCount>(center, mean, c, at.channels);
  store_channels<T, kCount>(square, squares, c, at.channels);
}

/// (x - mean) * scale + shift. Written once: backward finds from it which results were positive.
template <class T>
struct Affine {
  Vec<T> mean, scale, shift;

  LEPTON_BODY Vec<T> operator()(Vec<T> x) const { return (x - mean) * scale + shift; }
};
template <class T, class Per>
LEPTON_INLINE Affine<T> affine(const ChannelAffine<T>& by, Per per) {
  return {per(by.mean), per(by.scale), per(by.shift)};
}
/// dy where a result was positive, else 0.
template <class T>
LEPTON_INLINE Vec<T> passed(Vec<T> dy, Vec<T> y) {
  return select(y > Vec<T>{}, dy, Vec<T>{});
}

/// The gradient that enters a normalisation at one vector: dy as it is, or cut by a ReLU behind it.
template <class T, Activation kActivation>
struct Incoming {
  const ChannelGradient<T> g;

  template <class Per>
  LEPTON_BODY Vec<T> operator()(int64_t i, int64_t lanes, Vec<T> x, Per per) const {
    const Vec<T> dy = load<T>(g.dy + i, lanes);
    if constexpr (kActivation == Activation::kRelu) return passed<T>(dy, affine<T>(g.by, per)(x));
    if constexpr (kActivation == Activation::kResidualRelu) {
      const Vec<T> dz = passed<T>(dy, load<T>(g.y + i, lanes));
      store<T>(dz, g.dz + i, lanes);
      return dz;
    }
    return dy;
  }
};

template <class T, Activation kActivation, int kCount>
LEPTON_INLINE void column_gradient_sums(const ChannelBlock& at, int64_t c, const T* x,
                                        const ChannelGradient<T>& g, T* sum_dy, T* sum_dy_x) {
  const Incoming<T, kActivation> incoming{g};
  Vec<T> plain[kCount] = {}, weighted[kCount] = {};
  each_row<T, kCount>(at, c, [&](int64_t i, int64_t lanes, int k) LEPTON_BODY {
    const auto per = [&](const T* array) LEPTON_BODY { return load<T>(array + c + k * kLanes<T>); };
    const Vec<T> v = load<T>(x + i, lanes), d = incoming(i, lanes, v, per);
    plain[k] += d;
    weighted[k] += d * (v - per(g.by.mean));
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

template <class T, Activation kActivation>
LEPTON_INLINE void plane_gradient_sums(const ChannelBlock& at, const T* x,
                                       const ChannelGradient<T>& g, T* sum_dy, T* sum_dy_x) {
  const Incoming<T, kActivation> incoming{g};
  for (int64_t c = 0; c < at.channels; ++c) sum_dy[c] = sum_dy_x[c] = 0;
  for_planes(at, [&](int64_t offset, int64_t c) LEPTON_BODY {
    const auto per = [&](const T* array) LEPTON_BODY { return splat<T>(array[c]); };
    T plain, weighted;
    paired_sums<T>(
        at.run, x + offset, g.by.mean[c],
        [&](int64_t i, int64_t lanes) LEPTON_BODY {
          return incoming(offset + i, lanes, load<T>(x + offset + i, lanes), per);
        },
        &plain, &weighted);
    sum_dy[c] += plain;
    sum_dy_x[c] += weighted;
  });
}

template <class T, Activation kActivation>
void gradient_sums(const ChannelBlock& at, const T* x, const ChannelGradient<T>& g, T* sum_dy,
                   T* sum_dy_x) {
  if (at.run != 1) return plane_gradient_sums<T, kActivation>(at, x, g, sum_dy, sum_dy_x);
  for_column_blocks<T>(at.channels, [&]<int kCount>(int64_t c) LEPTON_BODY {
    column_gradient_sums<T, kActivation, kCount>(at, c, x, g, sum_dy, sum_dy_x);
  });
}

/// Writes formula(per)(offset, lanes) everywhere, where per(array) reads what an array has for the
/// channels of a vector. Where channels are innermost a vector may spill into the next row, which
/// is written after it.
template <class T, class Formula>
LEPTON_INLINE void map_channels(const ChannelBlock& block, bool stream, T* y, Formula formula) {
  const ChannelBlock at = block;  // a copy: after a store GCC would read the caller's again
  stream = stream && (at.run == 1 ? can_stream(y, at.channels) && can_stream(y, at.row_stride)
                                  : can_stream(y, at.run));
  if (at.run == 1) {
    const int64_t size = (at.rows - 1) * at.row_stride + at.channels;
    for (int64_t r = 0; r < at.rows; ++r)
      for (int64_t c = 0; c < at.channels; c += kLanes<T>) {
        const int64_t offset = r * at.row_stride + c, left = size - offset;
        const auto values = formula([&](const T* array) LEPTON_BODY { return load<T>(array + c); });
        if (left >= kLanes<T>) [[likely]]
          store_either<T>(stream, values(offset, kLanes<T>), y + offset);
        else
          store_first<T>(values(offset, left), y + offset, left);
      }
  } else {
    for_planes(at, [&](int64_t offset, int64_t c) LEPTON_BODY {
      const auto values = formula([&](const T* array) LEPTON_BODY { return splat<T>(array[c]); });
      for_each_vector<T>(at.run, [&](int64_t i, int64_t lanes) LEPTON_BODY {
        store_either<T>(stream, values(offset + i, lanes), y + offset + i, lanes);
      });
    });
  }
  if (stream) finish_streaming();
}

template <class T, Activation kActivation>
void normalize(const ChannelBlock& at, const T* x, const ChannelAffine<T>& by, const T* residual,
               bool stream, T* y) {
  map_channels<T>(at, stream, y, [=](auto per) LEPTON_BODY {
    return [=, affine = affine<T>(by, per)](int64_t i, int64_t lanes) LEPTON_BODY {
      Vec<T> v = affine(load<T>(x + i, lanes));
      if constexpr (kActivation == Activation::kResidualRelu) v += load<T>(residual + i, lanes);
      if constexpr (kActivation != Activation::kNone) v = select(v <= Vec<T>{}, Vec<T>{}, v);
      return v;
    };
  });
}

template <class T, Activation kActivation>
void gradient(const ChannelBlock& at, const T* x, const ChannelGradient<T>& g,
              const ChannelSlope<T>& slope, bool stream, T* dx) {
  map_channels<T>(
      at, stream, dx, [=, incoming = Incoming<T, kActivation>{g}](auto per) LEPTON_BODY {
        return [=, mean = per(incoming.g.by.mean), of_x = per(slope.of_x), of_dy = per(slope.of_dy),
                constant = per(slope.constant)](int64_t i, int64_t lanes) LEPTON_BODY {
          const Vec<T> v = load<T>(x + i, lanes), far = (v - mean) * of_x + constant;
          return incoming(i, lanes, v, per) * of_dy + far;  // one way to fuse it
        };
      });
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
