// Random numbers: Philox against its published vectors, cuts anywhere, distributions, the state.
// SPDX-License-Identifier: Apache-2.0
#include "core/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/create.h"
#include "support.h"

namespace {

using namespace lepton;
using Words = std::array<uint32_t, 4>;

// Philox4x32-10 as its paper writes it.
Words philox(Words counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * counter[0], c = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(c >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(c),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

// Word i of the stream: groups of 16 blocks, in a group the first words of all blocks, then the
// second ones, and so on.
uint32_t word(uint64_t seed, uint64_t i, uint32_t kind = 0) {
  const uint64_t group = i / 64, block = group * 16 + i % 16;
  const Words counter = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), kind, 0};
  return philox(counter, static_cast<uint32_t>(seed),
                static_cast<uint32_t>(seed >> 32))[i % 64 / 16];
}

std::vector<float> uniforms(uint64_t seed, uint64_t counter, int64_t n) {
  std::vector<float> x(static_cast<size_t>(n));
  kernels().random->uniform[0](n, seed, counter, x.data(), 0, 1);
  return x;
}

struct Moments {
  double mean = 0, variance = 0, fourth = 0;
};
template <class T>
Moments moments(const Tensor& x) {
  Moments m;
  const double n = static_cast<double>(x.numel());
  for (int64_t i = 0; i < x.numel(); ++i) m.mean += static_cast<double>(x.data<T>()[i]) / n;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const double square = std::pow(static_cast<double>(x.data<T>()[i]) - m.mean, 2);
    m.variance += square / n;
    m.fourth += square * square / n;
  }
  return m;
}

struct SavedState {
  RandomState state = random_state();
  ~SavedState() { set_random_state(state); }
};

}  // namespace

TEST_CASE("the reference gives the vectors published with Philox4x32-10") {
  CHECK(philox({0, 0, 0, 0}, 0, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const uint32_t ones = 0xffffffff;
  CHECK(philox({ones, ones, ones, ones}, ones, ones) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0xa4093822, 0x299f31d0) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("uniform float32 numbers are the leading 24 bits of the words on every instruction set") {
  const Machine machine;
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    for (uint64_t seed : {uint64_t{0}, uint64_t{42}, ~uint64_t{0}})
      for (uint64_t counter : {uint64_t{0}, uint64_t{5}, (uint64_t{1} << 34) - 64}) {
        const std::vector<float> x = uniforms(seed, counter, 300);
        for (size_t i = 0; i < x.size(); ++i)
          REQUIRE(x[i] == static_cast<float>(word(seed, counter + i) >> 8) * 0x1p-24f);
      }
  }
}

TEST_CASE("a range may be filled in any pieces") {
  const Machine machine;
  constexpr int64_t n = 500;
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    const RandomTable& table = *kernels().random;
    const auto check_pieces = [&](auto&& fill, size_t size) {
      std::vector<std::byte> whole(n * size), pieces(n * size);
      fill(n, 7, whole.data(), int64_t{0});
      for (int64_t at = 0, length = 1; at < n; at += length, length = length * 2 + 1) {
        length = std::min(length, n - at);
        fill(length, 7 + static_cast<uint64_t>(at), pieces.data() + at * static_cast<int64_t>(size),
             at);
      }
      CHECK(std::memcmp(whole.data(), pieces.data(), whole.size()) == 0);
    };
    const std::vector<float> x32(n, 1.0f);
    const std::vector<double> x64(n, 1.0);
    for (int type : {0, 1}) {
      const size_t size = type ? 8 : 4;
      check_pieces([&](int64_t count, uint64_t counter, void* out,
                       int64_t) { table.uniform[type](count, 3, counter, out, -1, 2); },
                   size);
      check_pieces([&](int64_t count, uint64_t counter, void* out,
                       int64_t) { table.normal[type](count, 3, counter, out, 0, 1); },
                   size);
      check_pieces(
          [&](int64_t count, uint64_t counter, void* out, int64_t) {
            const void* x = x32.data();
            if (type == 1) x = x64.data();
            table.dropout[type](count, 3, counter, x, out, 0.3);
          },
          size);
    }
    check_pieces(
        [&](int64_t count, uint64_t counter, void* out, int64_t) {
          table.integers(count, 3, counter, static_cast<int64_t*>(out), -5, 17);
        },
        8);
  }
}

TEST_CASE("moments are those of the distributions") {
  const SavedState saved;
  manual_seed(1);
  // Bounds of five standard errors.
  constexpr int64_t n = 200000;
  const double error = 5 / std::sqrt(static_cast<double>(n));
  for (DType dtype : {DType::kFloat32, DType::kFloat64})
    dispatch_floating("test", dtype, [&]<class T>() {
      const Moments u = moments<T>(uniform({n}, 2, 5, dtype));
      CHECK(std::abs(u.mean - 3.5) < error * 3 / std::sqrt(12.0));
      CHECK(std::abs(u.variance - 0.75) < error * 0.75);
      const Moments g = moments<T>(normal({n}, -1, 2, dtype));
      CHECK(std::abs(g.mean + 1) < error * 2);
      CHECK(std::abs(g.variance - 4) < error * 4 * std::sqrt(2.0));
      CHECK(std::abs(g.fourth - 48) < error * 16 * std::sqrt(96.0));
    });
}

TEST_CASE("dropout compares 16 bits of the words, alike for both types on every instruction set") {
  const Machine machine;
  constexpr int64_t n = 40000;
  constexpr double p = 0.3;
  const std::vector<double> x(n, 1);
  const std::vector<float> narrow(n, 1);
  for (const std::string& isa : available_isas()) {
    use_isa(isa);
    std::vector<double> y(n);
    std::vector<float> z(n);
    kernels().random->dropout[1](n, 5, 0, x.data(), y.data(), p);
    kernels().random->dropout[0](n, 5, 0, narrow.data(), z.data(), p);
    int64_t dropped = 0;
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<uint64_t>(i);
      const uint32_t w = word(5, at / 128 * 64 + at % 64, 2);
      const bool kept = (at % 128 < 64 ? w & 0xffff : w >> 16) >= std::lround(p * 65536);
      REQUIRE(y[at] == (kept ? 1 / (1 - p) : 0));
      REQUIRE((z[at] != 0) == kept);
      dropped += !kept;
    }
    CHECK(std::abs(dropped - p * n) < 5 * std::sqrt(n * p * (1 - p)));
    for (double all : {0.0, 1.0}) {
      kernels().random->dropout[1](n, 5, 0, x.data(), y.data(), all);
      CHECK(y == std::vector<double>(n, 1 - all));
    }
  }
}

TEST_CASE(
    "normal numbers have the normal distribution, and neighbours know nothing of each other") {
  const SavedState saved;
  manual_seed(4);
  constexpr int64_t n = 200000;
  for (DType dtype : {DType::kFloat32, DType::kFloat64})
    dispatch_floating("test", dtype, [&]<class T>() {
      const Tensor t = normal({n}, 0, 1, dtype);
      std::vector<T> x(t.data<T>(), t.data<T>() + n);
      for (int64_t lag : {1, 8, 16, 32}) {
        double sum = 0;
        for (int64_t i = lag; i < n; ++i) sum += double(x[i]) * double(x[i - lag]);
        CHECK(std::abs(sum) < 5 * std::sqrt(static_cast<double>(n)));
      }
      std::sort(x.begin(), x.end());
      double distance = 0;  // of Kolmogorov and Smirnov; above 1.95 once in a thousand times
      for (int64_t i = 0; i < n; ++i) {
        const double below = std::erfc(-double(x[i]) / std::sqrt(2.0)) / 2;
        distance = std::max(
            {distance, std::abs(below - double(i) / n), std::abs(below - double(i + 1) / n)});
      }
      CHECK(distance * std::sqrt(static_cast<double>(n)) < 1.95);
    });
}

TEST_CASE("integers lie in their range, each as often as the others") {
  const SavedState saved;
  manual_seed(2);
  constexpr int64_t n = 120000;
  const Tensor x = integers(-2, 4, {n});
  std::array<int64_t, 6> counts{};
  for (int64_t i = 0; i < n; ++i) {
    const int64_t v = x.data<int64_t>()[i];
    REQUIRE(v >= -2);
    REQUIRE(v < 4);
    ++counts[static_cast<size_t>(v + 2)];
  }
  const double expected = n / 6.0;
  for (int64_t c : counts) CHECK(std::abs(c - expected) < 5 * std::sqrt(expected));
  CHECK_THROWS_AS(integers(3, 3, {2}), ValueError);
}

TEST_CASE("a permutation holds every number once") {
  const Tensor x = permutation(1000);
  std::vector<int> seen(1000);
  for (int64_t i = 0; i < 1000; ++i) ++seen.at(static_cast<size_t>(x.data<int64_t>()[i]));
  CHECK(seen == std::vector<int>(1000, 1));
  CHECK(permutation(0).numel() == 0);
}

TEST_CASE("the state tells everything that will be drawn") {
  const SavedState saved;
  manual_seed(9);
  CHECK(random_state().seed == 9);
  CHECK(random_state().counter == 0);
  const RandomState before = take_random(5);
  CHECK(before.counter == 0);
  CHECK(random_state().counter == 8);  // whole blocks of four words
  const RandomState state = random_state();
  const Tensor first = normal({40}, 0, 1, DType::kFloat32);
  set_random_state(state);
  const Tensor again = normal({40}, 0, 1, DType::kFloat32);
  CHECK(std::memcmp(first.bytes(), again.bytes(), 160) == 0);
}
