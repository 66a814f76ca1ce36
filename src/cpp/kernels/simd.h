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

/// sum += a * b, fused where the machine can. GCC is told the instruction: left alone it moves the
/// accumulators of an unrolled loop from register to register and spills some.
template <class T>
LEPTON_INLINE void multiply_add(Vec<T>& sum, Vec<T> a, Vec<T> b) {
#if defined(__FMA__) && !defined(__clang__)
  if constexpr (sizeof(T) == sizeof(float))
    asm("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
  else
    asm("vfmadd231pd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
#else
  sum += a * b;
#endif
}

/// Stores past the caches where the machine can; p is aligned to the vector. For results too large
/// to stay in a cache: their lines are not read before they are written. The stores of a kernel end
/// with finish_streaming(), before other threads may look.
template <class T>
LEPTON_INLINE void store_streaming(Vec<T> v, T* p) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, reinterpret_cast<Vec<T>*>(p));
#elif defined(__AVX512F__)
  __builtin_ia32_movntps512(reinterpret_cast<float*>(p), reinterpret_cast<Vec<float> >(v));
#elif defined(__AVX2__)
  __builtin_ia32_movntps256(reinterpret_cast<float*>(p), reinterpret_cast<Vec<float> >(v));
#elif defined(__SSE__)
  __builtin_ia32_movntps(reinterpret_cast<float*>(p), reinterpret_cast<Vec<float> >(v));
#else
  store<T>(v, p);
#endif
}
LEPTON_INLINE void finish_streaming() {
#if defined(__SSE__)
  __builtin_ia32_sfence();
#endif
}
/// store_streaming or store: one loop does both, so that its arithmetic is written once and the
/// bits of a result do not depend on its size.
template <class T>
LEPTON_INLINE void store_either(bool stream, Vec<T> v, T* p) {
  if (stream)
    store_streaming<T>(v, p);
  else
    store<T>(v, p);
}
/// Whether rows of `row` elements from p on may be written with store_streaming.
template <class T>
LEPTON_INLINE bool can_stream(const T* p, int64_t row) {
  return row % kLanes<T> == 0 && reinterpret_cast<uintptr_t>(p) % kVectorBytes == 0;
}

/// Vectors of n lanes picked from a (lanes 0 .. n - 1) and b (n ...) by the function at.
template <class V, class At>
LEPTON_INLINE V pick_lanes(V a, V b, At at) {
  constexpr int n = sizeof(V) / sizeof(a[0]);
  if constexpr (n == 2) {
    return __builtin_shufflevector(a, b, at(0), at(1));
  } else if constexpr (n == 4) {
    return __builtin_shufflevector(a, b, at(0), at(1), at(2), at(3));
  } else if constexpr (n == 8) {
    return __builtin_shufflevector(a, b, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7));
  } else {
    static_assert(n == 16);
    return __builtin_shufflevector(a, b, at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7),
                                   at(8), at(9), at(10), at(11), at(12), at(13), at(14), at(15));
  }
}

/// All lanes joined by op(a, b), as a tree: the order depends on the vector width alone. Every
/// shuffle is a constant: in a loop over the widths GCC computed the lanes of each anew, element by
/// element.
template <class T, int64_t kWidth = kLanes<T> / 2, class Op>
LEPTON_INLINE T join_lanes(Vec<T> v, Op op) {
  if constexpr (kWidth == 0) {
    return v[0];
  } else {
    const Vec<T> other = pick_lanes(v, v, [](int64_t i) constexpr { return i ^ kWidth; });
    return join_lanes<T, kWidth / 2>(op(v, other), op);
  }
}
template <class T>
LEPTON_INLINE T sum_lanes(Vec<T> v) {
  return join_lanes<T>(v, [](auto a, auto b) __attribute__((always_inline)) { return a + b; });
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
template <class T>
LEPTON_INLINE void store_either(bool stream, Vec<T> v, T* p, int64_t lanes) {
  lanes == kLanes<T> ? store_either<T>(stream, v, p) : store_first<T>(v, p, lanes);
}

}  // namespace lepton::LEPTON_ISA
