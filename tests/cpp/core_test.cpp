// Tensors and their views, shapes, dtypes, storage and the caching allocator, errors.
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "core/tensor.h"
#include "ops/view.h"
#include "support.h"

namespace {

using namespace lepton;

Tensor count_up(const Shape& shape) {
  const Tensor x = empty(shape, DType::kFloat64);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] = static_cast<double>(i);
  return x;
}

std::vector<double> values(const Tensor& x) {
  const Tensor y = cast(contiguous(x), DType::kFloat64);
  return {y.data<double>(), y.data<double>() + y.numel()};
}

using V = std::vector<double>;

}  // namespace

TEST_CASE("dims grow from in place to the heap and back through copies and moves") {
  Dims dims;
  for (int64_t i = 0; i < 20; ++i) dims.push_back(i);
  dims.insert(0, -1);
  dims.erase(20);
  REQUIRE(dims.size() == 20);
  CHECK(dims[0] == -1);
  CHECK(dims.back() == 18);
  Dims copy = dims, moved = std::move(dims);
  CHECK(copy == moved);
  copy = Dims{1, 2};
  moved = copy;
  CHECK(moved == Dims{1, 2});
  Dims& same = moved;
  moved = same;
  CHECK(moved == Dims{1, 2});
}

TEST_CASE("shapes broadcast from the right or name both") {
  CHECK(broadcast_shapes("f", {2, 1, 3}, {4, 1}) == Shape{2, 4, 3});
  CHECK(broadcast_shapes("f", {0, 1}, {1, 5}) == Shape{0, 5});
  CHECK(broadcast_shapes("f", {}, {}) == Shape{});
  CHECK_THROWS_AS(broadcast_shapes("f", {2, 3}, {2, 4}), ValueError);
  CHECK_THROWS_AS(count("f", {-1}), ValueError);
  CHECK_THROWS_AS(count("f", {int64_t{1} << 40, int64_t{1} << 40}), ValueError);
  CHECK(normalize_axis("f", -1, 3) == 2);
  CHECK_THROWS_AS(normalize_axis("f", 3, 3), IndexError);
  CHECK_THROWS_AS(normalize_axes("f", Dims{0, -3}, 3), ValueError);
}

TEST_CASE("errors carry one sentence made of their parts") {
  CHECK_THROWS_WITH_AS(raise<ValueError>("f: expects ", 3, ", got ", Shape{2, 3}),
                       "f: expects 3, got [2, 3]", ValueError);
  CHECK_NOTHROW(check<TypeError>(true, "never"));
  CHECK_THROWS_AS(check<IndexError>(false, "index"), std::out_of_range);
  CHECK_THROWS_AS(check<StateError>(false, "state"), std::runtime_error);
}

TEST_CASE("dtypes promote as the array API standard says") {
  const auto all = {DType::kBool,  DType::kUInt8,   DType::kInt32,
                    DType::kInt64, DType::kFloat32, DType::kFloat64};
  for (DType a : all)
    for (DType b : all) {
      CHECK(promote(a, b) == promote(b, a));
      CHECK(promote(a, a) == a);
    }
  CHECK(promote(DType::kUInt8, DType::kInt32) == DType::kInt32);
  CHECK(promote(DType::kInt32, DType::kInt64) == DType::kInt64);
  CHECK(promote(DType::kFloat32, DType::kFloat64) == DType::kFloat64);
}

TEST_CASE("a tensor is a handle: copies and views share memory, clones do not") {
  const Tensor x = count_up({2, 3}), same = x;
  const Tensor row = slice(x, 0, 1, 1, 1), copy = clone(x);
  x.data<double>()[3] = 42;
  CHECK(same.data<double>()[3] == 42);
  CHECK(values(row) == V{42, 4, 5});
  CHECK(values(copy)[3] == 3);
  CHECK(x.length(-1) == 3);
  CHECK(x.item_size() == 8);
  CHECK_THROWS_AS(x.item<double>(), ValueError);
  CHECK(scalar(2.5, DType::kFloat32).item<int64_t>() == 2);
}

TEST_CASE("views are made without copies wherever strides allow") {
  const Tensor x = count_up({2, 3, 4});
  const auto shares = [&](const Tensor& y) { return &y.storage() == &x.storage(); };
  const Tensor turned = permute_dims(x, {2, 0, 1});
  CHECK(shares(turned));
  CHECK(turned.shape() == Shape{4, 2, 3});
  CHECK(values(turned)[1] == 4);
  CHECK(shares(reshape(x, {6, -1})));
  CHECK_FALSE(shares(reshape(turned, {24})));
  CHECK_THROWS_AS(reshape(turned, {24}, false), ValueError);
  CHECK_THROWS_AS(reshape(x, {5, -1}), ValueError);
  const Tensor back = slice(x, 2, 3, 2, -2);
  CHECK(shares(back));
  CHECK(values(back) == V{3, 1, 7, 5, 11, 9, 15, 13, 19, 17, 23, 21});
  CHECK(values(flip(count_up({3}))) == V{2, 1, 0});
  const Tensor wide = broadcast_to(count_up({3, 1}), {2, 3, 2});
  CHECK(wide.strides() == Strides{0, 1, 0});
  CHECK(values(wide) == V{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
  CHECK(reshape(empty({0, 3}, DType::kFloat32), {3, 0, 7}).numel() == 0);
}

TEST_CASE("layouts are recognised from strides") {
  const Tensor x = empty_channels_last({2, 3, 4, 5}, DType::kFloat32);
  CHECK(x.is_channels_last());
  CHECK(x.is_dense());
  CHECK_FALSE(x.is_contiguous());
  CHECK(contiguous(x).is_contiguous());
  CHECK(empty_like(x).is_channels_last());
  CHECK(channels_last(contiguous(x)).is_channels_last());
  CHECK_FALSE(slice(x, 3, 0, 2, 2).is_dense());
  CHECK_FALSE(broadcast_to(scalar(1, DType::kFloat32), {3}).is_dense());
}

TEST_CASE("copies convert between all dtypes and any layouts") {
  const Tensor x = count_up({3, 4});
  for (DType to : {DType::kBool, DType::kUInt8, DType::kInt32, DType::kInt64, DType::kFloat32}) {
    const Tensor target = zeros({4, 3}, to);
    copy_into(target, permute_dims(x, {1, 0}));
    const V result = values(target);
    for (size_t i = 0; i < result.size(); ++i) {
      const double expected = static_cast<double>(i % 3 * 4 + i / 3);
      CHECK(result[i] == (to == DType::kBool ? expected != 0 : expected));
    }
  }
  const Tensor row = zeros({2, 4}, DType::kFloat64);
  copy_into(row, slice(x, 0, 1, 1, 1));
  CHECK(values(row) == V{4, 5, 6, 7, 4, 5, 6, 7});
}

TEST_CASE("memory owned elsewhere is released once, after the last view") {
  double data[] = {1, 2, 3};
  int released = 0;
  {
    Tensor view;
    {
      const Tensor x =
          from_memory(data, {3}, {1}, DType::kFloat64, false, [&released] { ++released; });
      CHECK_FALSE(x.storage().writable());
      view = slice(x, 0, 1, 2, 1);
    }
    CHECK(released == 0);
    CHECK(values(view) == V{2, 3});
  }
  CHECK(released == 1);
}

TEST_CASE("the allocator aligns, counts and reuses memory") {
  empty_cache();
  const MemoryStats before = memory_stats();
  const std::byte* address = nullptr;
  {
    const Tensor x = empty({1000}, DType::kFloat64);
    address = x.bytes();
    CHECK(reinterpret_cast<uintptr_t>(address) % 64 == 0);
    CHECK(memory_stats().in_use >= before.in_use + 8000);
    CHECK(memory_stats().peak >= memory_stats().in_use);
  }
  CHECK(memory_stats().in_use == before.in_use);
  CHECK(memory_stats().cached >= 8000);
  CHECK(empty({990}, DType::kFloat64).bytes() == address);  // the same size class
  empty_cache();
  CHECK(memory_stats().cached == 0);
}

TEST_CASE("the allocator gives every size whole and writable") {
  std::vector<Tensor> kept;
  for (int64_t n = 0; n < 3000; n = n * 5 / 4 + 1) {
    kept.push_back(empty({n}, DType::kUInt8));
    std::fill_n(kept.back().data<uint8_t>(), n, static_cast<uint8_t>(n));
  }
  kept.push_back(full({(int64_t{5} << 20) + 3}, 7, DType::kUInt8));  // over a huge page
  for (const Tensor& x : kept)
    if (x.numel() > 0 && x.numel() < 3000) {
      CHECK(x.data<uint8_t>()[0] == static_cast<uint8_t>(x.numel()));
      CHECK(x.data<uint8_t>()[x.numel() - 1] == static_cast<uint8_t>(x.numel()));
    }
  CHECK(kept.back().data<uint8_t>()[kept.back().numel() - 1] == 7);
}

TEST_CASE("the cache keeps no more than its limit") {
  const size_t limit = memory_stats().cache_limit;
  empty_cache();
  set_cache_limit(1 << 20);
  { const Tensor x = empty({1 << 19}, DType::kUInt8), y = empty({1 << 22}, DType::kUInt8); }
  CHECK(memory_stats().cached <= size_t{1} << 20);
  CHECK(memory_stats().cached >= size_t{1} << 19);
  set_cache_limit(0);
  CHECK(memory_stats().cached == 0);
  set_cache_limit(limit);
  reset_peak_memory();
  CHECK(memory_stats().peak == memory_stats().in_use);
}

TEST_CASE("more memory than there is raises and leaves the counts as they were") {
  const MemoryStats before = memory_stats();
  CHECK_THROWS_AS(empty({int64_t{1} << 50}, DType::kFloat64), std::bad_alloc);
  CHECK(memory_stats().in_use == before.in_use);
}

TEST_CASE("threads of a program share the allocator") {
  const MemoryStats before = memory_stats();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([t] {
      for (int64_t i = 1; i < 300; ++i) {
        const Tensor x = full({i}, t, DType::kInt64), y = clone(x);
        if (y.data<int64_t>()[i - 1] != t) std::abort();
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(memory_stats().in_use == before.in_use);
}
