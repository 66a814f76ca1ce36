// The register tile of matrix products and convolutions.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/gemm_table.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

namespace lepton::LEPTON_ISA {

// Rows of the tiles of one, two and four vectors: accumulators, one row of b and a broadcast fill
// the registers, 32 of them with AVX-512 and NEON and 16 otherwise.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kNarrowRows = 14, kTallRows = 14, kWideRows = 6, kWideVectors = 4;
#else
constexpr int kNarrowRows = 8, kTallRows = 6, kWideRows = 6, kWideVectors = 2;
#endif

// One row needs four sums at a time to hide the latency of each.
constexpr int kFewRows = 2, kFewVectors = 4;

// Steps of k per turn of the loop: on Zen 3 four reach 95 % of the multiply-adds' limit, one 77-88
// %. Fewer than eight sums wait for each other in any case, and of more than twelve a turn is long
// enough with two: both compile sooner.
constexpr int unroll(int sums) { return sums < 8 ? 1 : sums > 12 ? 2 : 4; }

/// The tile with its sizes and one stride of a fixed at 1, that between rows or that between steps:
/// where both are known only at run time, adding up addresses costs a tenth. A barrier ends every
/// step: compilers otherwise hoist the loads of the next steps and spill accumulators.
template <class T, int kRows, int kVectors, bool kRowsTouch>
static void gemm_tile_fixed(const GemmTile<T>& tile) {
  constexpr int kGroup = kRowsTouch ? kRows : 3;  // rows that x86 reaches from one pointer
  constexpr int kGroups = (kRows + kGroup - 1) / kGroup;
  constexpr int n = kLanes<T>, kUnroll = unroll(kRows * kVectors);
  static_assert(kRows * kVectors * n <= kMaxTileElements);
  const int64_t a_row = kRowsTouch ? 1 : tile.a_row, a_step = kRowsTouch ? tile.a_step : 1;
  const int64_t b_row = tile.b_row, c_row = tile.c_row, length = tile.length;
  const T* b = tile.b;
  T* c = tile.c;
  Vec<T> acc[kRows][kVectors], bv[kVectors];
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) bv[j] = tile.bias ? load<T>(tile.bias + j * n) : Vec<T>{};
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) {
    if (!tile.stream) __builtin_prefetch(c + i * c_row, 1);
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) acc[i][j] = bv[j];
  }
  for (int64_t q = 0; q < tile.segments; ++q) {
    const T* a[kGroups];
#pragma GCC unroll 8
    for (int g = 0; g < kGroups; ++g) a[g] = tile.a + tile.a_offsets[q] + kGroup * g * a_row;
    const auto step = [&]() __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) bv[j] = load<T>(b + j * n);
#pragma GCC unroll 32
      for (int i = 0; i < kRows; ++i) {
        const Vec<T> av = splat<T>(a[i / kGroup][i % kGroup * a_row]);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) multiply_add<T>(acc[i][j], av, bv[j]);
      }
      b += b_row;
#pragma GCC unroll 8
      for (int g = 0; g < kGroups; ++g) a[g] += a_step;
      asm volatile("" ::: "memory");
    };
    int64_t p = 0;
#pragma GCC unroll 1
    for (; p + kUnroll <= length; p += kUnroll) {
#pragma GCC unroll 8
      for (int u = 0; u < kUnroll; ++u) step();
    }
#pragma GCC unroll 1
    for (; p < length; ++p) step();
  }
  // One branch for all stores, and places looked up again: kept, they would be spilled.
  const auto each = [&](auto&& act) __attribute__((always_inline)) {
    T* out = tile.c;
    const int64_t out_row = tile.c_row;
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i, out += out_row)
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) act(acc[i][j], out + j * n);
  };
  if (tile.accumulate)
    each([](Vec<T> & sum, const T* out) __attribute__((always_inline)) { sum += load<T>(out); });
  if (tile.stream)
    each([](Vec<T> sum, T * out) __attribute__((always_inline)) { store_streaming<T>(sum, out); });
  else
    each([](Vec<T> sum, T * out) __attribute__((always_inline)) { store<T>(sum, out); });
}

/// Runs the tile built for this many rows and these strides.
template <class T, int kRows, int kVectors>
static void gemm_tile(const GemmTile<T>& tile) {
  if constexpr (kRows > 1)
    if (tile.rows < kRows) return gemm_tile<T, kRows - 1, kVectors>(tile);
  if (tile.a_step == 1)
    gemm_tile_fixed<T, kRows, kVectors, false>(tile);
  else
    gemm_tile_fixed<T, kRows, kVectors, true>(tile);
}

template <class T, int kRows, int kVectors>
constexpr GemmKernel<T> kGemmKernel = {kRows, kVectors* kLanes<T>, gemm_tile<T, kRows, kVectors>,
                                       pack_rows<T, kRows>};

/// The multiply-adds of the widest tile without its loads.
template <class T>
static T gemm_peak(int64_t steps) {
  constexpr int kRows = kWideRows * kWideVectors;
  Vec<T> acc[kRows], x = splat<T>(T(1) - T(1e-6)), y = splat<T>(T(1e-6));
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) acc[i] = splat<T>(T(i));
#pragma GCC unroll 1
  for (int64_t s = 0; s < steps; ++s)
#pragma GCC unroll 32
    for (int i = 0; i < kRows; ++i) acc[i] = acc[i] * x + y;
  Vec<T> total{};
#pragma GCC unroll 32
  for (int i = 0; i < kRows; ++i) total += acc[i];
  return sum_lanes<T>(total);
}

}  // namespace lepton::LEPTON_ISA
