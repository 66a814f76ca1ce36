// Blocks derived from a tensor: kept while its content stands, never where others may write it.
// SPDX-License-Identifier: Apache-2.0
#include "core/derived.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "autograd/node.h"

namespace {

using namespace lepton;

// Copies of a tensor's content, which count how often they were made.
struct Copies {
  std::atomic<int> made{0};
  Ref<Storage> of(const Tensor& x, const Derivation& how = {"copy", {}}) {
    const size_t bytes = static_cast<size_t>(x.numel() * x.item_size());
    return derive(x, how, bytes, [&](std::byte* block) {
      ++made;
      std::memcpy(block, x.bytes(), bytes);
    });
  }
};

float first(const Ref<Storage>& block) {
  float value;
  std::memcpy(&value, block->data(), sizeof value);
  return value;
}

}  // namespace

TEST_CASE("derive keeps a block from the second request on, until the tensor is written to") {
  const Tensor x = ones({8}, DType::kFloat32);
  Copies copies;
  copies.of(x);
  copies.of(x);
  CHECK(copies.made == 2);
  const Ref<Storage> kept = copies.of(x);
  CHECK(copies.made == 2);
  *x.data<float>() = 5;
  written(x);
  CHECK(first(copies.of(x)) == 5);
  CHECK(copies.made == 3);
  CHECK(first(kept) == 1);  // whoever holds the old block may go on
}

TEST_CASE("derive_again gives nothing at the first request for a content") {
  const Tensor x = ones({8}, DType::kFloat32);
  int made = 0;
  const auto ask = [&] { return derive_again(x, {"count", {}}, 4, [&](std::byte*) { ++made; }); };
  CHECK(!ask());
  const Ref<Storage> block = ask();
  CHECK(block);
  CHECK(ask().get() == block.get());
  CHECK(made == 1);
  written(x);
  CHECK(!ask());
  CHECK(made == 1);
}

TEST_CASE("derive tells derivations and views apart") {
  const Tensor x = ones({8}, DType::kFloat32);
  Copies copies;
  for (int i = 0; i < 2; ++i) {
    copies.of(x);
    copies.of(x, {"copy", {1}});
    copies.of(x, {"other", {}});
    copies.of(x.view({4}, {1}, 0));
    copies.of(x.view({4}, {1}, 4));
  }
  CHECK(copies.made == 10);
  copies.of(x.view({4}, {1}, 4));
  copies.of(x);
  CHECK(copies.made == 10);
}

TEST_CASE("derive keeps nothing of memory that others can write") {
  float memory[4] = {1, 2, 3, 4};
  const Tensor borrowed = from_memory(memory, {4}, {1}, DType::kFloat32, true, [] {});
  Copies copies;
  for (int i = 0; i < 3; ++i) copies.of(borrowed);
  CHECK(copies.made == 3);

  const Tensor x = ones({4}, DType::kFloat32);
  copies.made = 0;
  for (int i = 0; i < 3; ++i) copies.of(x);
  CHECK(copies.made == 2);
  x.storage().add_outside_writer();
  for (int i = 0; i < 3; ++i) copies.of(x);
  CHECK(copies.made == 5);
  *x.data<float>() = 7;
  x.storage().remove_outside_writer();
  CHECK(first(copies.of(x)) == 7);
}

TEST_CASE("derived blocks count as memory in use and go with the tensor") {
  const size_t before = memory_stats().in_use;
  {
    const Tensor x = ones({1024}, DType::kFloat32);
    const size_t alone = memory_stats().in_use;
    Copies copies;
    for (int i = 0; i < 3; ++i) copies.of(x);
    CHECK(memory_stats().in_use == alone + 4096);
  }
  CHECK(memory_stats().in_use == before);
}

TEST_CASE("derive serves several threads") {
  const Tensor x = ones({64}, DType::kFloat32);
  Copies copies;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i)
        if (first(copies.of(x, {"copy", {i % 3}})) != 1) ++wrong;
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
  CHECK(copies.made <= 3 * 8);  // at most two by each thread
}
