// Loops whose time is that of memory alone: the ceilings of work that hardly computes.
// SPDX-License-Identifier: Apache-2.0

#include <cstddef>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

// Four floats are what every x86-64 and AArch64 can store past the cache.
typedef float Vec __attribute__((vector_size(64)));

namespace {

void store(float* to, Vec value, bool past_cache) {
#if defined(__SSE2__)
  if (past_cache) {
    for (int i = 0; i < 4; ++i)
      _mm_stream_ps(to + 4 * i,
                    __m128{value[4 * i], value[4 * i + 1], value[4 * i + 2], value[4 * i + 3]});
    return;
  }
#endif
  *reinterpret_cast<Vec*>(to) = value;
}

Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }

}  // namespace

// n is a multiple of 64, pointers are multiples of 64 bytes.
extern "C" float stream_read(float* a, float*, float*, size_t n, int) {
  Vec sum[4] = {};
  for (size_t i = 0; i < n; i += 64)
    for (int j = 0; j < 4; ++j) sum[j] += load(a + i + 16 * j);
  const Vec all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  return all[0] + all[7];
}

extern "C" float stream_copy(float* a, float* b, float*, size_t n, int past_cache) {
  for (size_t i = 0; i < n; i += 16) store(b + i, load(a + i), past_cache);
  return b[0];
}

extern "C" float stream_triad(float* a, float* b, float* c, size_t n, int past_cache) {
  for (size_t i = 0; i < n; i += 16) store(c + i, load(a + i) + 3 * load(b + i), past_cache);
  return c[0];
}

// As an optimiser does: three arrays are read, two of them are written where they stand.
extern "C" float stream_update(float* a, float* b, float* c, size_t n, int) {
  for (size_t i = 0; i < n; i += 16) {
    const Vec g = load(c + i);
    store(a + i, load(a + i) * 0.5f + g, false);
    store(b + i, load(b + i) * 0.5f + g, false);
  }
  return a[0];
}
