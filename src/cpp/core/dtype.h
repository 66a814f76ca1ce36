// Element types, their names, their limits and how they promote.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <ostream>

#include "core/error.h"

namespace lepton {

/// Element type of a tensor; the order is that of the kernel tables.
enum class DType : uint8_t { kBool, kUInt8, kInt32, kInt64, kFloat32, kFloat64 };
constexpr int kDTypes = 6;

constexpr int index(DType d) { return static_cast<int>(d); }
constexpr int64_t item_size(DType d) {
  constexpr int64_t bytes[] = {1, 1, 4, 8, 4, 8};
  return bytes[index(d)];
}
/// "float32" and so on, as NumPy spells it.
constexpr const char* name(DType d) {
  constexpr const char* names[] = {"bool", "uint8", "int32", "int64", "float32", "float64"};
  return names[index(d)];
}
inline std::ostream& operator<<(std::ostream& out, DType d) { return out << name(d); }

constexpr bool is_floating(DType d) { return d >= DType::kFloat32; }
constexpr bool is_integral(DType d) { return d > DType::kBool && d < DType::kFloat32; }

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<bool>() {
  return DType::kBool;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::kUInt8;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kInt32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::kInt64;
}
template <>
constexpr DType dtype_of<float>() {
  return DType::kFloat32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::kFloat64;
}

/// The dtype that holds both, by the array API standard; NumPy's choice for mixed kinds.
constexpr DType promote(DType a, DType b) {
  if (a > b) return promote(b, a);
  if (a == b || a == DType::kBool || !is_floating(b)) return b;
  // Integers beside floats: float32 holds every uint8, only float64 every int32.
  return a == DType::kUInt8 || is_floating(a) ? b : DType::kFloat64;
}

/// Calls body.template operator()<T>() with the C++ type of d.
template <class Body>
decltype(auto) dispatch(DType d, Body&& body) {
  switch (d) {
    case DType::kBool:
      return body.template operator()<bool>();
    case DType::kUInt8:
      return body.template operator()<uint8_t>();
    case DType::kInt32:
      return body.template operator()<int32_t>();
    case DType::kInt64:
      return body.template operator()<int64_t>();
    case DType::kFloat32:
      return body.template operator()<float>();
    default:
      return body.template operator()<double>();
  }
}

/// The same for float32 and float64 alone; TypeError naming `op` for any other dtype.
template <class Body>
decltype(auto) dispatch_floating(const char* op, DType d, Body&& body) {
  check<TypeError>(is_floating(d), op, ": expects float32 or float64, got ", d);
  if (d == DType::kFloat32) return body.template operator()<float>();
  return body.template operator()<double>();
}

}  // namespace lepton
