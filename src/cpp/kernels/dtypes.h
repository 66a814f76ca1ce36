// The element types as kernels see them, and how a loop tells that its elements are independent.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdint.h>

// Set before a loop whose output is one of its inputs or apart from them.
#ifdef __clang__
#define LEPTON_INDEPENDENT_LOOP
#else
#define LEPTON_INDEPENDENT_LOOP _Pragma("GCC ivdep")
#endif

namespace lepton::LEPTON_ISA {

/// The C++ type of the DType with that value.
template <int dtype>
struct DTypeOf;
template <>
struct DTypeOf<0> {
  using type = bool;
};
template <>
struct DTypeOf<1> {
  using type = uint8_t;
};
template <>
struct DTypeOf<2> {
  using type = int32_t;
};
template <>
struct DTypeOf<3> {
  using type = int64_t;
};
template <>
struct DTypeOf<4> {
  using type = float;
};
template <>
struct DTypeOf<5> {
  using type = double;
};

/// How memory holds a T: a bool is a byte, and any byte but 0 is true.
template <class T>
struct StorageOf {
  using type = T;
};
template <>
struct StorageOf<bool> {
  using type = uint8_t;
};
template <class T>
using Storage = typename StorageOf<T>::type;

}  // namespace lepton::LEPTON_ISA
