// Depthwise loops of convolution: one filter a channel, channels in the lanes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/conv_table.h"
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

// Weight gradients of so many taps are summed in registers at once: with the value of dy and of x
// they leave a few of 16.
constexpr int kDepthwiseTaps = 9;
// Pixels that are summed before the sums go to memory: a few lines of them stay in the first-level
// cache.
constexpr int64_t kDepthwiseBlock = 16;

/// Asks the second-level cache for a part of what the next line reads: `per_channel` elements from
/// `pixel` on for each of `count` channels from c on. With several lines and channels under way at
/// once, memory is not read in an order that the machine foresees, and more prefetches at once than
/// it keeps in flight would hold up the loads after them.
template <class T>
LEPTON_INLINE void prefetch_next(const DepthwiseTaps<T>& line, int64_t pixel, int64_t per_channel,
                                 int64_t c, int64_t count) {
  constexpr int64_t kCacheLine = 64 / sizeof(T);
  for (int64_t k = 0; k < line.next_lines; ++k) {
    const T* x = line.x + pixel * line.x_pixel + line.next_offsets[k] + c * per_channel;
    for (int64_t i = 0; i < count * per_channel; i += kCacheLine) __builtin_prefetch(x + i, 0, 2);
  }
}

/// kPixels neighbouring pixels of kVectors vectors of channels from channel c on; `lanes` of a
/// single vector.
template <class T, int kPixels, int kVectors>
LEPTON_INLINE void depthwise_pixels(const DepthwiseTaps<T>& line, const T* weight, const T* bias,
                                    T* y, int64_t y_pixel, int64_t pixel, int64_t c,
                                    int64_t lanes) {
  constexpr int64_t kStep = kLanes<T>;
  Vec<T> acc[kPixels][kVectors], w[kVectors];
#pragma GCC unroll 8
  for (int k = 0; k < kPixels * kVectors; ++k) {
    const int64_t v = k % kVectors;
    acc[k / kVectors][v] = bias ? load<T>(bias + c + v * kStep, lanes) : Vec<T>{};
  }
  const T* x = line.x + pixel * line.x_pixel + c;
#pragma GCC unroll 1
  for (int64_t t = 0; t < line.taps; ++t) {
    const T *wt = weight + line.weight_offsets[t] + c, *xt = x + line.x_offsets[t];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) w[v] = load<T>(wt + v * kStep, lanes);
#pragma GCC unroll 8
    for (int k = 0; k < kPixels * kVectors; ++k) {
      const int64_t i = k / kVectors, v = k % kVectors;
      acc[i][v] += load<T>(xt + i * line.x_pixel + v * kStep, lanes) * w[v];
    }
  }
  y += pixel * y_pixel + c;
#pragma GCC unroll 8
  for (int k = 0; k < kPixels * kVectors; ++k) {
    const int64_t i = k / kVectors, v = k % kVectors;
    store_either<T>(line.stream, acc[i][v], y + i * y_pixel + v * kStep, lanes);
  }
}

// Channels innermost: memory is read and written in the order in which it lies.
template <class T, int kPixels>
static void depthwise_block(const DepthwiseTaps<T>& line, const T* weight, const T* bias, T* y,
                            int64_t y_pixel, int64_t pixel) {
  constexpr int64_t kStep = kLanes<T>;
  const int64_t per_channel = kPixels * line.x_pixel / line.channels;
  int64_t c = 0;
  for (; c + 4 * kStep <= line.channels; c += 4 * kStep) {
    prefetch_next(line, pixel, per_channel, c, 4 * kStep);
    depthwise_pixels<T, kPixels, 4>(line, weight, bias, y, y_pixel, pixel, c, kStep);
  }
  prefetch_next(line, pixel, per_channel, c, line.channels - c);
  for (; c + kStep <= line.channels; c += kStep)
    depthwise_pixels<T, kPixels, 1>(line, weight, bias, y, y_pixel, pixel, c, kStep);
  if (c < line.channels)
    depthwise_pixels<T, kPixels, 1>(line, weight, bias, y, y_pixel, pixel, c, line.channels - c);
}

/// Two pixels at a time: eight sums leave registers for the weights, and memory is read nearly in
/// order. (Eight pixels of one vector took twice as long where memory came from outside the
/// caches.) The caller finishes the streaming: waiting after each short line is dear.
template <class T>
static void depthwise_line(const DepthwiseTaps<T>& line, const T* weight, const T* bias, T* y,
                           int64_t y_pixel) {
  DepthwiseTaps<T> at = line;
  at.stream = line.stream && can_stream(y, y_pixel) && can_stream(y, line.channels);
  int64_t p = 0;
  for (; p + 2 <= at.pixels; p += 2) depthwise_block<T, 2>(at, weight, bias, y, y_pixel, p);
  if (p < at.pixels) depthwise_block<T, 1>(at, weight, bias, y, y_pixel, p);
}

/// Taps [first, first + kTaps) of one vector of channels, summed over pixels [begin, end); with
/// them dy itself where db is not null.
template <class T, int kTaps>
LEPTON_INLINE void depthwise_sums(const DepthwiseTaps<T>& line, int64_t first, const T* dy,
                                  int64_t dy_pixel, int64_t begin, int64_t end, int64_t c,
                                  int64_t lanes, T* dw, T* db) {
  Vec<T> acc[kTaps + 1], total{};
  const T* x[kTaps + 1];
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) {
    acc[t] = Vec<T>{};
    x[t] = line.x + line.x_offsets[first + t] + c;
  }
#pragma GCC unroll 1
  for (int64_t p = begin; p < end; ++p) {
    const Vec<T> g = load<T>(dy + p * dy_pixel + c, lanes);
    total += g;
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) acc[t] += load<T>(x[t] + p * line.x_pixel, lanes) * g;
  }
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) {
    T* out = dw + line.weight_offsets[first + t] + c;
    store<T>(load<T>(out, lanes) + acc[t], out, lanes);
  }
  if (db) store<T>(load<T>(db + c, lanes) + total, db + c, lanes);
}

template <class T, int kTaps>
static void depthwise_taps(const DepthwiseTaps<T>& line, int64_t first, const T* dy,
                           int64_t dy_pixel, T* dw, T* db) {
  for (int64_t p = 0; p < line.pixels; p += kDepthwiseBlock) {
    const int64_t end = p + kDepthwiseBlock < line.pixels ? p + kDepthwiseBlock : line.pixels;
    const int64_t per_channel = (end - p) * line.x_pixel / line.channels;
    for_each_vector<T>(
        line.channels, [&](int64_t c, int64_t lanes) __attribute__((always_inline)) {
          prefetch_next(line, p, per_channel, c, lanes);
          depthwise_sums<T, kTaps>(line, first, dy, dy_pixel, p, end, c, lanes, dw, db);
        });
  }
}

/// Runs the loop built for this many taps.
template <class T, int kTaps = kDepthwiseTaps>
static void depthwise_some_taps(const DepthwiseTaps<T>& line, int64_t first, int64_t taps,
                                const T* dy, int64_t dy_pixel, T* dw, T* db) {
  if constexpr (kTaps > 1)
    if (taps < kTaps)
      return depthwise_some_taps<T, kTaps - 1>(line, first, taps, dy, dy_pixel, dw, db);
  depthwise_taps<T, kTaps>(line, first, dy, dy_pixel, dw, db);
}

template <class T>
static void depthwise_weight(const DepthwiseTaps<T>& line, const T* dy, int64_t dy_pixel, T* dw,
                             T* db) {
  if (line.taps == 0 && db) depthwise_taps<T, 0>(line, 0, dy, dy_pixel, dw, db);
  for (int64_t t = 0; t < line.taps; t += kDepthwiseTaps)
    depthwise_some_taps<T>(line, t, line.taps - t < kDepthwiseTaps ? line.taps - t : kDepthwiseTaps,
                           dy, dy_pixel, dw, t == 0 ? db : nullptr);
}

}  // namespace lepton::LEPTON_ISA
