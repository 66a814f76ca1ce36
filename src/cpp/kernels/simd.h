// Portable vectors on compiler vector types: everything a kernel may assume about the machine.
// SPDX-License-Identifier: Apache-2.0
//
// Every name lives in lepton::LEPTON_ISA, so each build of a kernel owns its symbols. Kernels
// include no header of the C++ library: the linker would keep one instruction set's copy for all.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LEPTON_INLINE static inline __attribute__((always_inline))

namespace lepton::LEPTON_ISA {

#if defined(__AVX512F__)
constexpr size_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr size_t kVectorBytes = 32;
#else
constexpr size_t kVectorBytes = 16;
#endif

/// Elements of T in one vector register.
template <class T>
constexpr int64_t kLanes = kVectorBytes / sizeof(T);

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
/// One register of T; arithmetic, comparison and ?: work lane by lane.
template <class T>
using Vec = typename VecOf<T>::type;

/// The signed integer as wide as T: the lane type of T's comparison masks.
template <class T>
struct MaskLane;
template <>
struct MaskLane<float> {
  using type = int32_t;
};
template <>
struct MaskLane<double> {
  using type = int64_t;
};
template <class T>
using Mask = Vec<typename MaskLane<T>::type>;

// x - 0 keeps every bit pattern, so it folds to a bare broadcast; 0 + x would turn -0 into +0.
template <class T>
LEPTON_INLINE Vec<T> splat(T x) {
  return x - Vec<T>{};
}
template <class T>
LEPTON_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
LEPTON_INLINE void store(Vec<T> v, T* p) {
  memcpy(p, &v, sizeof v);
}
/// The first n lanes from memory, zeros in the rest.
template <class T>
LEPTON_INLINE Vec<T> load_first(const T* p, int64_t n) {
  Vec<T> v{};
  memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
  return v;
}
template <class T>
LEPTON_INLINE void store_first(Vec<T> v, T* p, int64_t n) {
  memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
}

/// Sum of all lanes, as a tree: the order depends on the vector width alone.
template <class T>
LEPTON_INLINE T sum_lanes(Vec<T> v) {
  T lane[kLanes<T>];
  store<T>(v, lane);
  for (int64_t width = kLanes<T> / 2; width > 0; width /= 2)
    for (int64_t i = 0; i < width; ++i) lane[i] += lane[i + width];
  return lane[0];
}

/// Calls body(offset, lanes) over n elements: whole vectors first, then one partial of `lanes`
/// elements. `lanes` is a compile-time constant in the main loop once the body is inlined.
template <class T, class Body>
LEPTON_INLINE void for_each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) body(i, kLanes<T>);
  if (i < n) body(i, n - i);
}
/// load / store for a body of for_each_vector.
template <class T>
LEPTON_INLINE Vec<T> load(const T* p, int64_t lanes) {
  return lanes == kLanes<T> ? load(p) : load_first(p, lanes);
}
template <class T>
LEPTON_INLINE void store(Vec<T> v, T* p, int64_t lanes) {
  lanes == kLanes<T> ? store<T>(v, p) : store_first<T>(v, p, lanes);
}

}  // namespace lepton::LEPTON_ISA
