// Copies: conversion between types, transposition, rows gathered and added by index.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/copy_table.h"
#include "kernels/dtypes.h"
#include "kernels/math.h"

namespace lepton::LEPTON_ISA {

extern const CopyTable copy_table;

namespace {

/// The largest value of integer type I, and the first value of floating type T beyond it.
template <class I>
constexpr I kLargest = I(-1) > 0 ? I(-1) : I((uint64_t{1} << (8 * sizeof(I) - 1)) - 1);
template <class I, class T>
constexpr T kBeyond = I(-1) > 0 ? T(256) : -T(I(uint64_t{1} << (8 * sizeof(I) - 1)));

template <class From, class To>
LEPTON_INLINE To convert(From x) {
  if constexpr (kSame<To, bool>) {
    return x != 0;
  } else if constexpr (kIsFloating<From> && !kIsFloating<To>) {
    constexpr From low = To(-1) > 0 ? From(0) : -kBeyond<To, From>;
    const bool inside = x >= low && x < kBeyond<To, From>;
    const To y = static_cast<To>(inside ? x : From(0));
    return x >= kBeyond<To, From> ? kLargest<To> : x < low ? static_cast<To>(low) : y;
  } else {
    return static_cast<To>(x);
  }
}

template <class From, class To>
void cast(int64_t n, const void* src, int64_t src_stride, void* dst, int64_t dst_stride) {
  const auto* from = static_cast<const Storage<From>*>(src);
  auto* to = static_cast<Storage<To>*>(dst);
  if (src_stride == 1 && dst_stride == 1) {
    if constexpr (kSame<From, To>) {
      if (from != to) memmove(dst, src, static_cast<size_t>(n) * sizeof(To));
    } else {
      LEPTON_INDEPENDENT_LOOP
      for (int64_t i = 0; i < n; ++i) to[i] = convert<From, To>(static_cast<From>(from[i]));
    }
  } else if (src_stride == 0 && dst_stride == 1) {
    if (n == 0) return;
    const Storage<To> value = convert<From, To>(static_cast<From>(*from));
    for (int64_t i = 0; i < n; ++i) to[i] = value;
  } else {
    for (int64_t i = 0; i < n; ++i)
      to[i * dst_stride] = convert<From, To>(static_cast<From>(from[i * src_stride]));
  }
}

/// 16 x 16 blocks: a block of both sides fits the first-level cache, whatever the strides.
template <class T>
void transpose(int64_t rows, int64_t cols, const void* src, int64_t src_row, int64_t src_col,
               void* dst, int64_t dst_row, int64_t dst_col) {
  constexpr int64_t kBlock = 16;
  const T* from = static_cast<const T*>(src);
  T* to = static_cast<T*>(dst);
  for (int64_t r0 = 0; r0 < rows; r0 += kBlock) {
    const int64_t r1 = r0 + kBlock < rows ? r0 + kBlock : rows;
    for (int64_t c0 = 0; c0 < cols; c0 += kBlock) {
      const int64_t c1 = c0 + kBlock < cols ? c0 + kBlock : cols;
      if (dst_col == 1 || (dst_row != 1 && src_col == 1)) {
        for (int64_t r = r0; r < r1; ++r)
          for (int64_t c = c0; c < c1; ++c)
            to[r * dst_row + c * dst_col] = from[r * src_row + c * src_col];
      } else {
        for (int64_t c = c0; c < c1; ++c)
          for (int64_t r = r0; r < r1; ++r)
            to[r * dst_row + c * dst_col] = from[r * src_row + c * src_col];
      }
    }
  }
}

void take_rows(int64_t n_rows, int64_t row_bytes, const void* src, const int64_t* indices,
               void* dst) {
  const auto* from = static_cast<const unsigned char*>(src);
  auto* to = static_cast<unsigned char*>(dst);
  if (row_bytes == 4) {  // rows of one element: a call of memcpy would cost more than the copy
    for (int64_t i = 0; i < n_rows; ++i) memcpy(to + 4 * i, from + 4 * indices[i], 4);
  } else if (row_bytes == 8) {
    for (int64_t i = 0; i < n_rows; ++i) memcpy(to + 8 * i, from + 8 * indices[i], 8);
  } else {
    for (int64_t i = 0; i < n_rows; ++i)
      memcpy(to + i * row_bytes, from + indices[i] * row_bytes, static_cast<size_t>(row_bytes));
  }
}

template <class T>
void scatter_add_rows(int64_t n, int64_t cols, void* dst, int64_t dst_row_stride,
                      const int64_t* indices, const void* src) {
  for (int64_t i = 0; i < n; ++i) {
    const T* from = static_cast<const T*>(src) + i * cols;
    T* to = static_cast<T*>(dst) + indices[i] * dst_row_stride;
    LEPTON_INDEPENDENT_LOOP
    for (int64_t c = 0; c < cols; ++c) to[c] += from[c];
  }
}

#define LEPTON_CASTS(From)                                        \
  {cast<From, bool>,    cast<From, uint8_t>, cast<From, int32_t>, \
   cast<From, int64_t>, cast<From, float>,   cast<From, double>}

}  // namespace

const CopyTable copy_table = {
    {LEPTON_CASTS(bool), LEPTON_CASTS(uint8_t), LEPTON_CASTS(int32_t), LEPTON_CASTS(int64_t),
     LEPTON_CASTS(float), LEPTON_CASTS(double)},
    {transpose<uint8_t>, transpose<uint32_t>, transpose<uint64_t>},
    take_rows,
    {scatter_add_rows<float>, scatter_add_rows<double>},
};

}  // namespace lepton::LEPTON_ISA
