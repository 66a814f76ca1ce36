// Gradients of pooling: each input element gathers from the windows that have it.
// SPDX-License-Identifier: Apache-2.0
//
// Gathering writes every element once and needs no zeros first, and lines of one image are
// independent of each other although windows overlap.
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

/// What a stored number passes through on its way to a lane and back: GCC widens and narrows
/// vectors by one step at a time, and does more steps at once in scalars.
template <class I>
struct TapStep {
  using type = I;
};
template <>
struct TapStep<uint8_t> {
  using type = int16_t;
};

template <class T, class I>
LEPTON_INLINE Mask<T> load_tap(const I* p, int64_t lanes) {
  using Between = typename TapVec<T, typename TapStep<I>::type>::type;
  if constexpr (sizeof(I) == 1 && kLanes<T> == 8)  // one instruction with AVX2, for GCC only so
    if (lanes == 8) return Mask<T>{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
  typename TapVec<T, I>::type v{};
  if (lanes == kLanes<T>)
    memcpy(&v, p, sizeof v);
  else
    memcpy(&v, p, static_cast<size_t>(lanes) * sizeof(I));
  return __builtin_convertvector(__builtin_convertvector(v, Between), Mask<T>);
}
template <class T, class I>
LEPTON_INLINE void store_tap(Mask<T> tap, I* p, int64_t left) {
  using Between = typename TapVec<T, typename TapStep<I>::type>::type;
  const auto v =
      __builtin_convertvector(__builtin_convertvector(tap, Between), typename TapVec<T, I>::type);
  if (left >= kLanes<T>)
    memcpy(p, &v, sizeof v);
  else
    memcpy(p, &v, static_cast<size_t>(left) * sizeof(I));
}

/// One window that has an element: where its output lies, which tap the element is, and its share
/// of an average.
template <class T>
struct WindowOf {
  int64_t offset, tap;
  T share;
};

/// Stores the sum of term(offset into the output, lanes, window) over `count` windows, kCount where
/// that is known, of one pixel's channels; `more` adds it to what is there.
template <class T, int kCount, class Term>
LEPTON_INLINE void sum_windows(int64_t channels, const WindowOf<T>* list, int count, bool more,
                               bool stream, T* dx, Term term) {
  for_each_vector<T>(channels, [&](int64_t c, int64_t lanes) LEPTON_BODY {
    Vec<T> sum = more ? load<T>(dx + c, lanes) : Vec<T>{};
    for (int k = 0; k < (kCount ? kCount : count); ++k)
      sum += term(list[k].offset + c, lanes, list[k]);
    store_either<T>(stream, sum, dx + c, lanes);
  });
}

/// The same for all elements of the block. A list longer than kList is taken in parts.
template <class T, class Term>
LEPTON_INLINE void gather_windows(const PoolGradientBlock& at, T* dx, Term term) {
  constexpr int kList = 16;
  const bool stream = at.stream && can_stream(dx, at.channels);
  WindowOf<T> list[kList];
  for (int64_t l = at.first_line; l < at.first_line + at.line_count; ++l)
    for (int64_t p = 0; p < at.pixel_count; ++p, dx += at.channels) {
      int count = 0;
      bool more = false;
      for (int64_t a = at.lines.first[l]; a < at.lines.first[l + 1]; ++a)
        for (int64_t b = at.pixels.first[p]; b < at.pixels.first[p + 1]; ++b) {
          const PoolSource &line = at.lines.source[a], &pixel = at.pixels.source[b];
          if (count == kList) {
            sum_windows<T, kList>(at.channels, list, count, more, stream, dx, term);
            more = true;
            count = 0;
          }
          list[count++] = {(line.window * at.out_pixels + pixel.window) * at.channels,
                           line.tap * pixel.taps + pixel.tap,
                           static_cast<T>(line.share * pixel.share)};
        }
      if (count == 1 && !more)
        sum_windows<T, 1>(at.channels, list, 1, false, stream, dx, term);
      else if (count == 2 && !more)
        sum_windows<T, 2>(at.channels, list, 2, false, stream, dx, term);
      else if (count == 4 && !more)
        sum_windows<T, 4>(at.channels, list, 4, false, stream, dx, term);
      else if (count > 0 || !more)
        sum_windows<T, 0>(at.channels, list, count, more, stream, dx, term);
    }
  if (stream) finish_streaming();
}

template <class T, class I>
void max_pool_gradient(const PoolGradientBlock& at, const T* dy, const void* taps, T* dx) {
  using Lane = typename MaskLane<T>::type;
  gather_windows<T>(at, dx, [&](int64_t out, int64_t lanes, const WindowOf<T>& window) LEPTON_BODY {
    const auto hit = load_tap<T, I>(static_cast<const I*>(taps) + out, lanes) ==
                     splat<Lane>(static_cast<Lane>(window.tap));
    return hit ? load<T>(dy + out, lanes) : Vec<T>{};
  });
}

template <class T>
void average_pool_gradient(const PoolGradientBlock& at, const T* dy, T* dx) {
  gather_windows<T>(at, dx, [&](int64_t out, int64_t lanes, const WindowOf<T>& window) LEPTON_BODY {
    return load<T>(dy + out, lanes) * splat<T>(window.share);
  });
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
