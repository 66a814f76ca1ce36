// Loops whose time is that of memory alone: the ceilings of work that hardly computes.
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

// As wide as a register: a wider type would be kept in memory between additions.
#if defined(__AVX512F__)
constexpr int kWidth = 16;
#elif defined(__AVX__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
typedef float Vec __attribute__((vector_size(4 * kWidth)));

namespace {

void store(float* to, Vec value, bool past_cache) {
#if defined(__SSE2__)
  if (past_cache) {
#if defined(__AVX512F__)
    _mm512_stream_ps(to, value);
#elif defined(__AVX__)
    _mm256_stream_ps(to, value);
#else
    _mm_stream_ps(to, value);
#endif
    return;
  }
#endif
  *reinterpret_cast<Vec*>(to) = value;
}

Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }

}  // namespace

// n is a multiple of 128, pointers are multiples of 64 bytes.
extern "C" float stream_read(float* a, float*, float*, size_t n, int) {
  Vec sum[8] = {};
  for (size_t i = 0; i < n; i += 8 * kWidth)
    for (int j = 0; j < 8; ++j) sum[j] += load(a + i + kWidth * j);
  Vec all = sum[0];
  for (int j = 1; j < 8; ++j) all += sum[j];
  return all[0] + all[kWidth - 1];
}

extern "C" float stream_copy(float* a, float* b, float*, size_t n, int past_cache) {
  for (size_t i = 0; i < n; i += kWidth) store(b + i, load(a + i), past_cache);
  return b[0];
}

extern "C" float stream_triad(float* a, float* b, float* c, size_t n, int past_cache) {
  for (size_t i = 0; i < n; i += kWidth) store(c + i, load(a + i) + 3 * load(b + i), past_cache);
  return c[0];
}

// As an optimiser does: three arrays are read, two of them are written where they stand.
extern "C" float stream_update(float* a, float* b, float* c, size_t n, int) {
  for (size_t i = 0; i < n; i += kWidth) {
    const Vec g = load(c + i);
    store(a + i, load(a + i) * 0.5f + g, false);
    store(b + i, load(b + i) * 0.5f + g, false);
  }
  return a[0];
}
