// Pooling over channels-last images, a vector of channels at a time.
// SPDX-License-Identifier: Apache-2.0
//
// The last vector of a pixel's channels reads into the next pixel where the image goes on, and
// writes there what that pixel then overwrites: channel counts that fill no vector need no partial
// access.
#pragma once
#include "kernels/pool_gradient.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

/// Vector access at p[0 .. left): whole where that much memory is left, else in part.
template <class T>
LEPTON_INLINE Vec<T> load_within(const T* p, int64_t left) {
  return left >= kLanes<T> ? load<T>(p) : load_first<T>(p, left);
}
template <class T>
LEPTON_INLINE void store_within(bool stream, Vec<T> v, T* p, int64_t left) {
  store_either<T>(stream, v, p, left < kLanes<T> ? left : kLanes<T>);
}

/// Calls body(window, position in the output, elements left there) for every vector of channels of
/// one output pixel; window(tap) calls tap(offset into the image, elements left there, number of
/// the tap) for its elements. kLines and kPixels are the window's sides where they are known, and
/// kWhole says that vectors stay inside the memory.
template <class T, int kLines, int kPixels, bool kWhole, class Body>
LEPTON_INLINE void for_each_vector_of(const PoolBlock& at, const PoolSpan& line,
                                      const PoolSpan& pixel, int64_t out, int64_t size, Body body) {
  const int64_t corner = line.first * at.line + pixel.first * at.pixel;
  const int64_t lines = kLines ? kLines : line.count, pixels = kPixels ? kPixels : pixel.count;
  for (int64_t c = 0; c < at.channels; c += kLanes<T>) {
    const auto window = [&](auto tap) LEPTON_BODY {
      for (int64_t i = 0; i < lines; ++i)
        for (int64_t j = 0; j < pixels; ++j) {
          const int64_t offset = corner + c + i * at.line_step + j * at.pixel_step;
          tap(offset, kWhole ? kLanes<T> : at.image - offset, i * pixels + j);
        }
    };
    body(window, out + c, kWhole ? kLanes<T> : size - out - c);
  }
}

/// The same for every output pixel; body also takes the length of the window. The common windows
/// have loops of their own.
template <class T, class Body>
LEPTON_INLINE void for_each_window(const PoolBlock& at, Body body) {
  const int64_t size = at.line_count * at.pixel_count * at.channels;
  const int64_t whole = (at.channels + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  int64_t out = 0;
  for (int64_t l = 0; l < at.line_count; ++l) {
    const PoolSpan line = at.lines[l];
    for (int64_t p = 0; p < at.pixel_count; ++p, out += at.channels) {
      const PoolSpan pixel = at.pixels[p];
      const int64_t length = line.length * pixel.length;
      const int64_t last = line.first * at.line + (line.count - 1) * at.line_step +
                           pixel.first * at.pixel + (pixel.count - 1) * at.pixel_step;
      const auto of_pixel = [&](auto window, int64_t to, int64_t left)
                                LEPTON_BODY { body(window, to, left, length); };
      if (last + whole > at.image || out + whole > size)
        for_each_vector_of<T, 0, 0, false>(at, line, pixel, out, size, of_pixel);
      else if (line.count == 1 && pixel.count == 1)
        for_each_vector_of<T, 1, 1, true>(at, line, pixel, out, size, of_pixel);
      else if (line.count == 2 && pixel.count == 2)
        for_each_vector_of<T, 2, 2, true>(at, line, pixel, out, size, of_pixel);
      else if (line.count == 3 && pixel.count == 3)
        for_each_vector_of<T, 3, 3, true>(at, line, pixel, out, size, of_pixel);
      else
        for_each_vector_of<T, 0, 0, true>(at, line, pixel, out, size, of_pixel);
    }
  }
}

template <class T, class I>
void max_pool(const PoolBlock& at, const T* x, T* y, void* taps) {
  using Lane = typename MaskLane<T>::type;
  const Vec<T> lowest = constant<Vec<T>>(-__builtin_inf());
  const bool stream = at.stream && can_stream(y, at.channels);
  if (!taps)
    for_each_window<T>(at, [&](auto window, int64_t out, int64_t room, int64_t) LEPTON_BODY {
      Vec<T> best = lowest;
      window([&](int64_t offset, int64_t left, int64_t) LEPTON_BODY {
        const Vec<T> v = load_within<T>(x + offset, left);
        best = ((v > best) | (v != v)) ? v : best;
      });
      store_within<T>(stream, best, y + out, room);
    });
  else
    for_each_window<T>(at, [&](auto window, int64_t out, int64_t room, int64_t) LEPTON_BODY {
      Vec<T> best = lowest;
      Mask<T> where{};
      window([&](int64_t offset, int64_t left, int64_t number) LEPTON_BODY {
        const Vec<T> v = load_within<T>(x + offset, left);
        const auto better = (v > best) | (v != v);
        best = better ? v : best;
        where = better ? splat<Lane>(static_cast<Lane>(number)) : where;
      });
      store_within<T>(stream, best, y + out, room);
      store_tap<T, I>(where, static_cast<I*>(taps) + out, room);
    });
  if (stream) finish_streaming();
}

/// The sums of kCount vectors of channels over a window of `lines` by `pixels`, times scale. Each
/// line has a sum of its own: errors grow with the sides of the window, not with its area.
template <class T, int kCount>
LEPTON_INLINE void average_columns(const PoolBlock& at, const T* x, int64_t lines, int64_t pixels,
                                   Vec<T> scale, T* y) {
  Vec<T> total[kCount] = {};
  for (int64_t i = 0; i < lines; ++i) {
    Vec<T> sum[kCount] = {};
    const T* p = x + i * at.line_step;
    for (int64_t j = 0; j < pixels; ++j, p += at.pixel_step) {
#pragma GCC unroll 8
      for (int k = 0; k < kCount; ++k) sum[k] += load<T>(p + k * kLanes<T>);
    }
    for (int k = 0; k < kCount; ++k) total[k] += sum[k];
  }
  for (int k = 0; k < kCount; ++k) store<T>(total[k] * scale, y + k * kLanes<T>);
}

/// Averages of large windows whose channels fill whole vectors: eight or four at a time, so that
/// memory is read in long runs and few passes.
template <class T>
void average_large(const PoolBlock& at, const T* x, int64_t divisor, T* y) {
  for (int64_t l = 0; l < at.line_count; ++l)
    for (int64_t p = 0; p < at.pixel_count; ++p, y += at.channels) {
      const PoolSpan line = at.lines[l], pixel = at.pixels[p];
      const T* from = x + line.first * at.line + pixel.first * at.pixel;
      const int64_t length = divisor ? divisor : line.length * pixel.length;
      const Vec<T> scale = splat<T>(T{1} / static_cast<T>(length));
      int64_t c = 0;
      for (; c + 8 * kLanes<T> <= at.channels; c += 8 * kLanes<T>)
        average_columns<T, 8>(at, from + c, line.count, pixel.count, scale, y + c);
      for (; c + 4 * kLanes<T> <= at.channels; c += 4 * kLanes<T>)
        average_columns<T, 4>(at, from + c, line.count, pixel.count, scale, y + c);
      for (; c < at.channels; c += kLanes<T>)
        average_columns<T, 1>(at, from + c, line.count, pixel.count, scale, y + c);
    }
}

template <class T>
void average_pool(const PoolBlock& at, const T* x, int64_t divisor, T* y) {
  const bool large =
      at.line_count > 0 && at.pixel_count > 0 && at.lines[0].count * at.pixels[0].count > 9;
  if (large && at.channels % kLanes<T> == 0) return average_large<T>(at, x, divisor, y);
  const bool stream = at.stream && can_stream(y, at.channels);
  for_each_window<T>(at, [&](auto window, int64_t out, int64_t room, int64_t length) LEPTON_BODY {
    Vec<T> sum{};
    window([&](int64_t offset, int64_t left, int64_t)
               LEPTON_BODY { sum += load_within<T>(x + offset, left); });
    const T scale = T{1} / static_cast<T>(divisor ? divisor : length);
    store_within<T>(stream, sum * splat<T>(scale), y + out, room);
  });
  if (stream) finish_streaming();
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
