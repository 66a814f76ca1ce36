// Philox4x32-10 (Salmon et al., "Parallel random numbers", 2011) and what is drawn with it.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/dtypes.h"
#include "kernels/math.h"
#include "kernels/random_table.h"

namespace lepton::LEPTON_ISA {

extern const RandomTable random_table;

namespace {

// Numbers come in groups of 16 Philox blocks of four words, on every instruction set. Word w of
// block b lies at 16 w + b of the group: 64 words of 32 bits, or 32 of 64 bits, whose high halves
// come first.
constexpr int kBlocks = 16;
constexpr int kWords = 4 * kBlocks;

/// Third word of the counter: keeps draws of 32 and of 64 bits per element apart.
enum : uint32_t { kNarrow = 0, kWide = 1 };

void philox_group(uint64_t seed, uint64_t group, uint32_t kind, uint32_t* words) {
  LEPTON_INDEPENDENT_LOOP
  for (uint32_t b = 0; b < kBlocks; ++b) {
    uint32_t x0 = static_cast<uint32_t>(group * kBlocks) + b;
    uint32_t x1 =
        static_cast<uint32_t>(group >> 28);  // no carry: the low word starts at a multiple of 16
    uint32_t x2 = kind, x3 = 0;
    uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
      const uint64_t a = uint64_t{0xD2511F53} * x0, c = uint64_t{0xCD9E8D57} * x2;
      x0 = static_cast<uint32_t>(c >> 32) ^ x1 ^ key0;
      x1 = static_cast<uint32_t>(c);
      x2 = static_cast<uint32_t>(a >> 32) ^ x3 ^ key1;
      x3 = static_cast<uint32_t>(a);
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    words[b] = x0;
    words[kBlocks + b] = x1;
    words[2 * kBlocks + b] = x2;
    words[3 * kBlocks + b] = x3;
  }
}

template <class T>
constexpr uint32_t kKind = sizeof(T) == 4 ? kNarrow : kWide;
template <class T>
constexpr int kPerGroup = sizeof(T) == 4 ? kWords : kWords / 2;

/// Calls body(words, first, count, at) for every group that n elements from counter touch: elements
/// first .. first + count - 1 of the group are elements at .. of the output.
template <int per_group, class Body>
LEPTON_INLINE void for_each_group(int64_t n, uint64_t seed, uint64_t counter, uint32_t kind,
                                  Body body) {
  uint32_t words[kWords];
  for (int64_t at = 0; at < n;) {
    const uint64_t element = counter + static_cast<uint64_t>(at);
    const int first = static_cast<int>(element % per_group);
    const int count = n - at < per_group - first ? static_cast<int>(n - at) : per_group - first;
    philox_group(seed, element / per_group, kind, words);
    body(words, first, count, at);
    at += count;
  }
}

/// The 64-bit word of element i of a wide group.
LEPTON_INLINE uint64_t wide_word(const uint32_t* words, int i) {
  return uint64_t{words[i]} << 32 | words[i + kWords / 2];
}

/// Element i of a group as a number in [0, 1): the leading bits, as many as T's precision.
template <class T>
LEPTON_INLINE T unit(const uint32_t* words, int i) {
  if constexpr (kIsFloat<T>)
    return static_cast<T>(static_cast<int32_t>(words[i] >> 8)) * 0x1p-24f;
  else
    return static_cast<T>(static_cast<int64_t>(wide_word(words, i) >> 11)) * 0x1p-53;
}

template <class T>
void uniform(int64_t n, uint64_t seed, uint64_t counter, void* out, double low, double high) {
  const T from = static_cast<T>(low), width = static_cast<T>(high - low),
          end = static_cast<T>(high);
  // Rounding may reach the end of the range, which is not part of it.
  const T last = kIsFloat<T> ? static_cast<T>(__builtin_nextafterf(end, from))
                             : static_cast<T>(__builtin_nextafter(end, from));
  for_each_group<kPerGroup<T>>(
      n, seed, counter, kKind<T>,
      [=](const uint32_t* words, int first, int count, int64_t at) __attribute__((always_inline)) {
        T value[kPerGroup<T>];
        for (int i = 0; i < kPerGroup<T>; ++i) {
          const T x = from + width * unit<T>(words, i);
          value[i] = x < end ? x : last;
        }
        memcpy(static_cast<T*>(out) + at, value + first, static_cast<size_t>(count) * sizeof(T));
      });
}

/// Box-Muller on the two halves of a group: element i of either half is made of element i of both.
/// The radius takes all bits of its word (from 2^-33 or 2^-65 on), so tails reach 6.7 or 9.4
/// deviations.
template <class T>
void normal(int64_t n, uint64_t seed, uint64_t counter, void* out) {
  constexpr int kHalf = kPerGroup<T> / 2;
  for_each_group<kPerGroup<T>>(
      n, seed, counter, kKind<T>,
      [=](const uint32_t* words, int first, int count, int64_t at) __attribute__((always_inline)) {
        T radius[kHalf], value[kPerGroup<T>];
        for (int i = 0; i < kHalf; ++i) {
          if constexpr (kIsFloat<T>)
            radius[i] = (static_cast<T>(words[i]) + T(0.5)) * 0x1p-32f;
          else
            radius[i] = (static_cast<T>(wide_word(words, i)) + T(0.5)) * 0x1p-64;
          // Next to 1 the sum rounds to 1, whose logarithm is 0: the center of the distribution.
          value[i] = unit<T>(words, kHalf + i);
        }
        for (int i = 0; i < kHalf; i += kLanes<T>) {
          Vec<T> sine, cosine;
          sincos_turns(load(value + i), sine, cosine);
          const Vec<T> square = constant<Vec<T>>(-2) * log(load(radius + i));
          T lane[kLanes<T>];
          store<T>(square, lane);
          for (T& x : lane) x = kIsFloat<T> ? T(__builtin_sqrtf(float(x))) : T(__builtin_sqrt(x));
          store<T>(load(lane) * cosine, value + i);
          store<T>(load(lane) * sine, value + kHalf + i);
        }
        memcpy(static_cast<T*>(out) + at, value + first, static_cast<size_t>(count) * sizeof(T));
      });
}

/// Both types draw 32 bits an element, so float32 and float64 drop the same ones.
template <class T>
void dropout(int64_t n, uint64_t seed, uint64_t counter, const void* x, void* y, double p) {
  const T *from = static_cast<const T*>(x), scale = p < 1 ? static_cast<T>(1 / (1 - p)) : 0;
  T* to = static_cast<T*>(y);
  const double bound = p * 0x1p32;
  const bool none = !(bound < 0x1p32);  // p = 1 keeps nothing
  const uint32_t threshold = none ? 0 : static_cast<uint32_t>(bound > 0 ? bound : 0);
  for_each_group<kWords>(
      n, seed, counter, kNarrow,
      [=](const uint32_t* words, int first, int count, int64_t at) __attribute__((always_inline)) {
        const uint32_t* word = words + first;
        LEPTON_INDEPENDENT_LOOP
        for (int i = 0; i < count; ++i) {
          const T kept = from[at + i] * scale;
          const bool keep = (word[i] >= threshold) & !none;
          to[at + i] = keep ? kept : T(0);
        }
      });
}

void integers(int64_t n, uint64_t seed, uint64_t counter, int64_t* out, int64_t low, int64_t high) {
  const uint64_t width = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  for_each_group<kWords / 2>(
      n, seed, counter, kWide,
      [=](const uint32_t* words, int first, int count, int64_t at) __attribute__((always_inline)) {
        for (int i = 0; i < count; ++i) {
          __extension__ typedef unsigned __int128 Wide;
          const Wide product = static_cast<Wide>(wide_word(words, first + i)) * width;
          out[at + i] = static_cast<int64_t>(static_cast<uint64_t>(low) +
                                             static_cast<uint64_t>(product >> 64));
        }
      });
}

}  // namespace

const RandomTable random_table = {{uniform<float>, uniform<double>},
                                  {normal<float>, normal<double>},
                                  {dropout<float>, dropout<double>},
                                  integers};

}  // namespace lepton::LEPTON_ISA
