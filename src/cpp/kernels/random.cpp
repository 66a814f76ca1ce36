// Philox4x32-10 (Salmon et al., "Parallel random numbers", 2011) and what is drawn with it.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/dtypes.h"
#include "kernels/math.h"
#include "kernels/random_table.h"
#include "kernels/wide_multiply.h"

namespace lepton::LEPTON_ISA {

extern const RandomTable random_table;

namespace {

// Numbers come in groups of 16 Philox blocks of four words, on every instruction set. Word w of
// block b lies at 16 w + b of the group: 64 words of 32 bits, or 32 of 64 bits, whose high halves
// come first.
constexpr int kBlocks = 16;
constexpr int kWords = 4 * kBlocks;

/// Third word of the counter: keeps draws of 16, 32 and 64 bits per element apart.
enum : uint32_t { kNarrow = 0, kWide = 1, kHalves = 2 };

using Lanes = Vec<uint64_t>;  // one word of a block in the low half of a lane; rubbish above it
constexpr int kRounds = 10;

/// The keys of all rounds, in every lane.
struct Keys {
  explicit Keys(uint64_t seed) {
    uint32_t low = static_cast<uint32_t>(seed), high = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < kRounds; ++round) {
      even[round] = splat(uint64_t{low});
      odd[round] = splat(uint64_t{high});
      low += 0x9E3779B9;
      high += 0xBB67AE85;
    }
    for (int64_t i = 0; i < kLanes<uint64_t>; ++i) places[i] = static_cast<uint64_t>(2 * i);
  }
  Lanes even[kRounds], odd[kRounds], places;  // places: 0, 2, 4, ...
};

/// One round on the four words x of one block per lane.
LEPTON_INLINE void philox_round(const Keys& keys, int round, Lanes* x) {
  const Lanes p = multiply_low(splat(uint64_t{0xD2511F53}), x[0]);
  const Lanes q = multiply_low(splat(uint64_t{0xCD9E8D57}), x[2]);
  x[0] = (q >> 32) ^ x[1] ^ keys.even[round];
  x[1] = q;
  x[2] = (p >> 32) ^ x[3] ^ keys.odd[round];
  x[3] = p;
}

void philox_group(const Keys& keys, uint64_t group, uint32_t kind, uint32_t* words) {
  constexpr int64_t kCount = kLanes<uint64_t>;
  const Lanes low = splat(uint64_t{0xffffffff});
#pragma GCC unroll 4
  for (int64_t b = 0; b < kBlocks; b += 2 * kCount) {
    // Blocks with even and with odd numbers: together they fill 64-bit lanes in their order.
    Lanes even[4], odd[4];
    even[0] = keys.places + splat(static_cast<uint64_t>(b) + (group * kBlocks & 0xffffffff));
    even[1] = splat(group >> 28);  // no carry: the low word starts at a multiple of 16
    even[2] = splat(uint64_t{kind});
    even[3] = Lanes{};
    for (int w = 0; w < 4; ++w) odd[w] = even[w];
    odd[0] += splat(uint64_t{1});
#pragma GCC unroll 10
    for (int round = 0; round < kRounds; ++round) {
      philox_round(keys, round, even);
      philox_round(keys, round, odd);
    }
    for (int w = 0; w < 4; ++w) {
      const Lanes both = (even[w] & low) | odd[w] << 32;
      memcpy(words + w * kBlocks + b, &both, sizeof both);
    }
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
  alignas(64) uint32_t words[kWords];
  const Keys keys(seed);
  for (int64_t at = 0; at < n;) {
    const uint64_t element = counter + static_cast<uint64_t>(at);
    const int first = static_cast<int>(element % per_group);
    const int count = n - at < per_group - first ? static_cast<int>(n - at) : per_group - first;
    philox_group(keys, element / per_group, kind, words);
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

LEPTON_LIBM(sqrt)

template <class V>
LEPTON_INLINE V square_root(V x) {
  return per_lane(x, [](LaneOf<V> a) __attribute__((always_inline)) { return libm_sqrt(a); });
}

/// Box-Muller on the two halves of a group: element i of either half is made of element i of both.
/// The radius takes 31 or 63 bits of its word (from 2^-32 or 2^-64 on), so tails reach 6.7 or 9.4
/// deviations: signed integers convert in one instruction, unsigned ones do not.
template <class T>
void normal(int64_t n, uint64_t seed, uint64_t counter, void* out, double mean, double std) {
  constexpr int kHalf = kPerGroup<T> / 2;
  const T center = static_cast<T>(mean), scale = static_cast<T>(std);
  for_each_group<kPerGroup<T>>(
      n, seed, counter, kKind<T>,
      [=](const uint32_t* words, int first, int count, int64_t at) __attribute__((always_inline)) {
        alignas(kVectorBytes) T radius[kHalf], turns[kHalf], value[kPerGroup<T>];
        for (int i = 0; i < kHalf; ++i) {
          if constexpr (kIsFloat<T>)
            radius[i] = (static_cast<T>(static_cast<int32_t>(words[i] >> 1)) + T(0.5)) * 0x1p-31f;
          else
            radius[i] =
                (static_cast<T>(static_cast<int64_t>(wide_word(words, i) >> 1)) + T(0.5)) * 0x1p-63;
          // Next to 1 the sum rounds to 1, whose logarithm is 0: the center of the distribution.
          turns[i] = unit<T>(words, kHalf + i);
        }
        // Two loops: many of the long chains of a logarithm are then under way at once.
        for (int i = 0; i < kHalf; i += kLanes<T>) {
          const Vec<T> logarithm = log_with_correction(load(radius + i), Vec<T>{});
          store<T>(square_root(constant<Vec<T>>(-2) * logarithm), radius + i);
        }
        for (int i = 0; i < kHalf; i += kLanes<T>) {
          Vec<T> sine, cosine;
          sincos_turns(load(turns + i), sine, cosine);
          store<T>(splat(center) + splat(scale) * (load(radius + i) * cosine), value + i);
          store<T>(splat(center) + splat(scale) * (load(radius + i) * sine), value + kHalf + i);
        }
        memcpy(static_cast<T*>(out) + at, value + first, static_cast<size_t>(count) * sizeof(T));
      });
}

/// Elements first .. last - 1 of a group's half: kept where 16 bits of their words reach threshold.
template <int shift, class T>
LEPTON_INLINE void drop(const uint32_t* words, int first, int last, int32_t threshold, T scale,
                        const T* from, T* to) {
  LEPTON_INDEPENDENT_LOOP
  for (int i = first; i < last; ++i) {
    const T kept = from[i - first] * scale;
    to[i - first] = static_cast<int32_t>(words[i] >> shift & 0xffff) >= threshold ? kept : T(0);
  }
}

/// Both types draw 16 bits an element, so float32 and float64 drop the same ones: p is met to
/// 2^-17. The first half of 128 elements takes the low bits of a group's words, the second the
/// high.
template <class T>
void dropout(int64_t n, uint64_t seed, uint64_t counter, const void* x, void* y, double p) {
  const T *from = static_cast<const T*>(x), scale = p < 1 ? static_cast<T>(1 / (1 - p)) : 0;
  T* to = static_cast<T*>(y);
  const int32_t threshold = static_cast<int32_t>(p * 0x1p16 + 0.5);
  for_each_group<2 * kWords>(
      n, seed, counter, kHalves,
      [=](const uint32_t* words, int first, int count, int64_t at) __attribute__((always_inline)) {
        const int end = first + count;
        if (first < kWords)
          drop<0>(words, first, end < kWords ? end : kWords, threshold, scale, from + at, to + at);
        if (end > kWords) {
          const int begin = first > kWords ? first : kWords;
          const int64_t done = at + begin - first;
          drop<16>(words, begin - kWords, end - kWords, threshold, scale, from + done, to + done);
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
