// Pooling over channels-last images, a vector of channels at a time.
// SPDX-License-Identifier: Apache-2.0
//
// The last vector of a pixel's channels reads into the next pixel where the image goes on, and
// writes there what that pixel then overwrites: channel counts that fill no vector need no partial
// access.
#pragma once
#include "kernels/math.h"
#include "kernels/pool_table.h"

#define LEPTON_BODY __attribute__((always_inline))

namespace lepton::LEPTON_ISA {
namespace {

/// Numbers of taps as stored: as many integers I as T has lanes in a vector.
template <class T, class I>
struct TapVec {
  typedef I type __attribute__((vector_size(kLanes<T> * sizeof(I))));
};

/// Vector access at p[0 .. left): whole where that much memory is left, else in part.
template <class T>
LEPTON_INLINE Vec<T> load_within(const T* p, int64_t left) {
  return left >= kLanes<T> ? load<T>(p) : load_first<T>(p, left);
}
template <class T>
LEPTON_INLINE void store_within(Vec<T> v, T* p, int64_t left) {
  left >= kLanes<T> ? store<T>(v, p) : store_first<T>(v, p, left);
}

template <class T, class I>
LEPTON_INLINE Mask<T> load_tap(const I* p, int64_t left) {
  typename TapVec<T, I>::type v{};
  memcpy(&v, p, left >= kLanes<T> ? sizeof v : static_cast<size_t>(left) * sizeof(I));
  return __builtin_convertvector(v, Mask<T>);
}
template <class T, class I>
LEPTON_INLINE void store_tap(Mask<T> tap, I* p, int64_t left) {
  const auto v = __builtin_convertvector(tap, typename TapVec<T, I>::type);
  if (left >= kLanes<T>)
    memcpy(p, &v, sizeof v);
  else
    memcpy(p, &v, static_cast<size_t>(left) * sizeof(I));
}

/// v with zeros from lane `count` on: what may be added where other channels lie.
template <class T>
LEPTON_INLINE Vec<T> keep_first(Vec<T> v, int64_t count) {
  if (count >= kLanes<T>) return v;
  Mask<T> lane;
  for (int64_t i = 0; i < kLanes<T>; ++i) lane[i] = static_cast<typename MaskLane<T>::type>(i);
  return (lane < static_cast<typename MaskLane<T>::type>(count)) ? v : Vec<T>{};
}

/// Calls body(window, position in the output) for every vector of channels of every output pixel;
/// window(tap) calls tap(offset into the image, number of the tap) for its elements.
template <class T, class Body>
LEPTON_INLINE void for_each_window(const PoolBlock& at, Body body) {
  int64_t out = 0;
  for (int64_t l = 0; l < at.line_count; ++l) {
    const PoolSpan line = at.lines[l];
    for (int64_t p = 0; p < at.pixel_count; ++p, out += at.channels) {
      const PoolSpan pixel = at.pixels[p];
      const int64_t corner = line.first * at.line + pixel.first * at.pixel;
      for (int64_t c = 0; c < at.channels; c += kLanes<T>) {
        const auto window = [&](auto tap) LEPTON_BODY {
          int64_t number = 0;
          for (int64_t i = 0; i < line.count; ++i) {
            int64_t offset = corner + c + i * at.line_step;
            for (int64_t j = 0; j < pixel.count; ++j, offset += at.pixel_step)
              tap(offset, number++);
          }
        };
        body(window, out + c, at.channels - c, line.length * pixel.length);
      }
    }
  }
}

LEPTON_INLINE int64_t output_size(const PoolBlock& at) {
  return at.line_count * at.pixel_count * at.channels;
}

template <class T, class I>
void max_pool(const PoolBlock& at, const T* x, T* y, void* taps) {
  const int64_t size = output_size(at);
  using Lane = typename MaskLane<T>::type;
  for_each_window<T>(at, [&](auto window, int64_t out, int64_t, int64_t) LEPTON_BODY {
    Vec<T> best = constant<Vec<T>>(-__builtin_inf());
    if (!taps) {
      window([&](int64_t offset, int64_t) LEPTON_BODY {
        const Vec<T> v = load_within<T>(x + offset, at.image - offset);
        best = ((v > best) | (v != v)) ? v : best;
      });
      return store_within<T>(best, y + out, size - out);
    }
    Mask<T> where{};
    window([&](int64_t offset, int64_t number) LEPTON_BODY {
      const Vec<T> v = load_within<T>(x + offset, at.image - offset);
      const auto better = (v > best) | (v != v);
      best = better ? v : best;
      where = better ? splat<Lane>(static_cast<Lane>(number)) : where;
    });
    store_within<T>(best, y + out, size - out);
    store_tap<T, I>(where, static_cast<I*>(taps) + out, size - out);
  });
}

template <class T, class I>
void max_pool_gradient(const PoolBlock& at, const T* dy, const void* taps, T* dx) {
  const int64_t size = output_size(at);
  using Lane = typename MaskLane<T>::type;
  for_each_window<T>(at, [&](auto window, int64_t out, int64_t channels, int64_t) LEPTON_BODY {
    const Vec<T> g = keep_first<T>(load_within<T>(dy + out, size - out), channels);
    const Mask<T> where = load_tap<T, I>(static_cast<const I*>(taps) + out, size - out);
    window([&](int64_t offset, int64_t number) LEPTON_BODY {
      T* to = dx + offset;
      const Vec<T> before = load_within<T>(to, at.image - offset);
      const auto hit = where == splat<Lane>(static_cast<Lane>(number));
      store_within<T>(before + (hit ? g : Vec<T>{}), to, at.image - offset);
    });
  });
}

template <class T>
void average_pool(const PoolBlock& at, const T* x, int64_t divisor, T* y) {
  const int64_t size = output_size(at);
  for_each_window<T>(at, [&](auto window, int64_t out, int64_t, int64_t length) LEPTON_BODY {
    Vec<T> sum{};
    window([&](int64_t offset, int64_t)
               LEPTON_BODY { sum += load_within<T>(x + offset, at.image - offset); });
    const T scale = T{1} / static_cast<T>(divisor ? divisor : length);
    store_within<T>(sum * splat<T>(scale), y + out, size - out);
  });
}

template <class T>
void average_pool_gradient(const PoolBlock& at, const T* dy, int64_t divisor, T* dx) {
  const int64_t size = output_size(at);
  for_each_window<T>(
      at, [&](auto window, int64_t out, int64_t channels, int64_t length) LEPTON_BODY {
        const T scale = T{1} / static_cast<T>(divisor ? divisor : length);
        const Vec<T> g =
            keep_first<T>(load_within<T>(dy + out, size - out) * splat<T>(scale), channels);
        window([&](int64_t offset, int64_t) LEPTON_BODY {
          T* to = dx + offset;
          store_within<T>(load_within<T>(to, at.image - offset) + g, to, at.image - offset);
        });
      });
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
