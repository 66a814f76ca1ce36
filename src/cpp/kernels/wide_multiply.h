// Products of 32-bit numbers to 64 bits: one instruction that GCC does not find by itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

/// Product of the low halves of the lanes; high halves are ignored.
LEPTON_INLINE Vec<uint64_t> multiply_low(Vec<uint64_t> a, Vec<uint64_t> b) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__SSE2__)
  typedef int Halves __attribute__((vector_size(kVectorBytes)));
  const auto x = reinterpret_cast<Halves>(a), y = reinterpret_cast<Halves>(b);
#if defined(__AVX512F__)
  typedef long long Products __attribute__((vector_size(kVectorBytes)));
  return reinterpret_cast<Vec<uint64_t>>(__builtin_ia32_pmuludq512_mask(x, y, Products{}, 0xff));
#elif defined(__AVX2__)
  return reinterpret_cast<Vec<uint64_t>>(__builtin_ia32_pmuludq256(x, y));
#else
  return reinterpret_cast<Vec<uint64_t>>(__builtin_ia32_pmuludq128(x, y));
#endif
#else
  const Vec<uint64_t> low = splat(uint64_t{0xffffffff});
  return (a & low) * (b & low);
#endif
}

}  // namespace lepton::LEPTON_ISA
