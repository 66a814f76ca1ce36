// Stores that go past the cache: what is not read soon need not be read before it is written.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/simd.h"

namespace lepton::LEPTON_ISA {

/// Stores v at an address that is a multiple of its size, past the cache where the CPU can.
LEPTON_INLINE void store_past_cache(Vec<float> v, float* p) {
#if defined(__clang__)
  __builtin_nontemporal_store(v, reinterpret_cast<Vec<float>*>(p));
#elif defined(__AVX512F__)
  __builtin_ia32_movntps512(p, v);
#elif defined(__AVX2__)
  __builtin_ia32_movntps256(p, v);
#elif defined(__SSE2__)
  __builtin_ia32_movntps(p, v);
#else
  store<float>(v, p);
#endif
}

/// Makes such stores visible before any later one.
LEPTON_INLINE void finish_past_cache() {
#if defined(__SSE2__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace lepton::LEPTON_ISA
