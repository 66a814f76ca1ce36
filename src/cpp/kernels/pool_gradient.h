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

template <class T, class I>
LEPTON_INLINE Mask<T> load_tap(const I* p, int64_t left) {
  typename TapVec<T, I>::type v{};
  if (left >= kLanes<T>)
    memcpy(&v, p, sizeof v);
  else
    memcpy(&v, p, static_cast<size_t>(left) * sizeof(I));
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

/// One window that has an element: where its output lies, which tap the element is, and its share
/// of an average.
template <class T>
struct WindowOf {
  int64_t offset, tap;
  T share;
};

/// Writes the sum of term(offset into the output, lanes, window) over the windows of each element.
/// A window list longer than kList is taken in parts that add to what is there.
template <class T, bool kStream, class Term>
LEPTON_INLINE void gather_windows(const PoolGradientBlock& at, int64_t divisor, T* dx, Term term) {
  constexpr int kList = 16;
  WindowOf<T> list[kList];
  for (int64_t l = at.first_line; l < at.first_line + at.line_count; ++l)
    for (int64_t p = 0; p < at.pixel_count; ++p, dx += at.channels) {
      int count = 0;
      bool first = true;
      const auto flush = [&]() LEPTON_BODY {
        for_each_vector<T>(at.channels, [&](int64_t c, int64_t lanes) LEPTON_BODY {
          Vec<T> sum = first ? Vec<T>{} : load<T>(dx + c, lanes);
          for (int k = 0; k < count; ++k) sum += term(list[k].offset + c, lanes, list[k]);
          if (kStream)
            store_streaming<T>(sum, dx + c);
          else
            store<T>(sum, dx + c, lanes);
        });
        first = false;
        count = 0;
      };
      for (int64_t a = at.lines.first[l]; a < at.lines.first[l + 1]; ++a)
        for (int64_t b = at.pixels.first[p]; b < at.pixels.first[p + 1]; ++b) {
          const PoolSource line = at.lines.source[a], pixel = at.pixels.source[b];
          const PoolSpan &height = at.line_spans[line.window],
                         &width = at.pixel_spans[pixel.window];
          const int64_t length = divisor ? divisor : height.length * width.length;
          if (count == kList) flush();
          list[count++] = {(line.window * at.out_pixels + pixel.window) * at.channels,
                           line.tap * width.count + pixel.tap, T{1} / static_cast<T>(length)};
        }
      if (first || count > 0) flush();
    }
}
template <class T, class Term>
LEPTON_INLINE void gather_windows(const PoolGradientBlock& at, int64_t divisor, T* dx, Term term) {
  if (!at.stream || !can_stream(dx, at.channels))
    return gather_windows<T, false>(at, divisor, dx, term);
  gather_windows<T, true>(at, divisor, dx, term);
  finish_streaming();
}

template <class T, class I>
void max_pool_gradient(const PoolGradientBlock& at, const T* dy, const void* taps, T* dx) {
  using Lane = typename MaskLane<T>::type;
  gather_windows<T>(at, 1, dx,
                    [&](int64_t out, int64_t lanes, const WindowOf<T>& window) LEPTON_BODY {
                      const auto hit = load_tap<T, I>(static_cast<const I*>(taps) + out, lanes) ==
                                       splat<Lane>(static_cast<Lane>(window.tap));
                      return hit ? load<T>(dy + out, lanes) : Vec<T>{};
                    });
}

template <class T>
void average_pool_gradient(const PoolGradientBlock& at, const T* dy, int64_t divisor, T* dx) {
  gather_windows<T>(at, divisor, dx,
                    [&](int64_t out, int64_t lanes, const WindowOf<T>& window)
                        LEPTON_BODY { return load<T>(dy + out, lanes) * splat<T>(window.share); });
}

}  // namespace
}  // namespace lepton::LEPTON_ISA

#undef LEPTON_BODY
