// The tape: sums of gradients, saved tensors, writing in place, releasing, long chains.
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/reduce.h"
#include "ops/view.h"
#include "support.h"

namespace {

using namespace lepton;

Tensor leaf(double value, const Shape& shape = {}) {
  const Tensor x = full(shape, value, DType::kFloat64);
  set_requires_grad(x, true);
  return x;
}

double grad(const Tensor& x, int64_t i = 0) {
  REQUIRE(x.impl()->grad);
  return contiguous(*x.impl()->grad).data<double>()[i];
}

}  // namespace

TEST_CASE("gradients follow the product and the chain rule") {
  const Tensor x = leaf(3), y = leaf(4);
  const Tensor z = add(multiply(multiply(x, x), y), divide(x, y));
  backward(z);
  CHECK(grad(x) == doctest::Approx(2 * 3 * 4 + 1 / 4.0));
  CHECK(grad(y) == doctest::Approx(9 - 3 / 16.0));
}

TEST_CASE("a tensor used many times sums its gradients, and so do backward passes") {
  const Tensor x = leaf(2);
  Tensor sum = multiply(x, x);
  for (int i = 0; i < 4; ++i) sum = add(sum, x);
  backward(sum);
  CHECK(grad(x) == 8);
  backward(multiply(x, 10.0));
  CHECK(grad(x) == 18);
}

TEST_CASE("stretched operands take the sum of their gradients in their own shape") {
  const Tensor x = leaf(2, {3, 1}), y = leaf(5, {4});
  backward(sum(multiply(x, y)));
  CHECK(x.impl()->grad->shape() == Shape{3, 1});
  CHECK(grad(x, 2) == 20);
  CHECK(grad(y, 3) == 6);
}

TEST_CASE("views pass gradients to the memory they show") {
  const Tensor x = leaf(1, {2, 3, 4});
  const Tensor part = slice(permute_dims(x, {2, 0, 1}), 0, 3, 2, -2);
  backward(sum(multiply(reshape(part, {12}), 2.0)));
  for (int64_t i = 0; i < 24; ++i) CHECK(grad(x, i) == (i % 4 % 2 ? 2 : 0));
}

TEST_CASE("nothing is recorded without need") {
  const Tensor x = leaf(1), constant = full({}, 2, DType::kFloat64);
  CHECK_FALSE(multiply(constant, constant).requires_grad());
  {
    const GradMode off(false);
    CHECK_FALSE(multiply(x, constant).requires_grad());
  }
  CHECK(multiply(x, constant).requires_grad());
  CHECK_FALSE(multiply(x.detach(), constant).requires_grad());
  std::thread([&x] { CHECK(multiply(x, x).requires_grad()); }).join();
}

TEST_CASE("backward says what it cannot do") {
  const Tensor x = leaf(1, {2}), plain = ones({2}, DType::kFloat64);
  CHECK_THROWS_AS(backward(plain), ValueError);
  const Tensor y = multiply(x, x);
  CHECK_THROWS_AS(backward(y), ValueError);
  CHECK_THROWS_AS(backward(y, ones({3}, DType::kFloat64)), ValueError);
  CHECK_THROWS_AS(backward(y, ones({2}, DType::kFloat32)), TypeError);
  CHECK_THROWS_AS(set_requires_grad(ones({2}, DType::kInt64), true), ValueError);
  CHECK_THROWS_AS(set_requires_grad(y, false), ValueError);
}

TEST_CASE("a graph is freed as backward passes, unless it is retained") {
  const Tensor x = leaf(3);
  const Tensor y = multiply(x, x);
  backward(y, {}, true);
  backward(y);
  CHECK(grad(x) == 12);
  CHECK_THROWS_AS(backward(y), StateError);
}

TEST_CASE("memory that backward needed comes back as it passes") {
  const MemoryStats before = memory_stats();
  {
    const Tensor x = leaf(1, {1000});
    Tensor y = x;
    for (int i = 0; i < 50; ++i) y = multiply(y, y);
    CHECK(memory_stats().in_use > before.in_use + 50 * 8000);
    const Tensor total = sum(y);
    y = Tensor();
    backward(total);
    CHECK(memory_stats().in_use < before.in_use + 10 * 8000);
  }
  CHECK(memory_stats().in_use == before.in_use);
}

TEST_CASE("what a gradient needs cannot be written, and the op is named") {
  const Tensor x = leaf(3, {2}), weight = full({2}, 2, DType::kFloat64);
  const Tensor y = multiply(x, weight);
  CHECK_THROWS_WITH_AS(assign("copy_", weight, zeros({2}, DType::kFloat64)),
                       "copy_: cannot write in place, the gradient of multiply still needs this "
                       "tensor (shape [2])",
                       StateError);
  CHECK(weight.data<double>()[0] == 2);
  CHECK_THROWS_AS(assign("copy_", x, weight), StateError);
  // Behind the tape's back: backward refuses to compute with the wrong numbers.
  written(weight);
  CHECK_THROWS_AS(backward(sum(y)), StateError);
}

TEST_CASE("after backward or without a graph writing is free") {
  const Tensor x = leaf(3, {2}), weight = full({2}, 2, DType::kFloat64);
  backward(sum(multiply(x, weight)));
  CHECK_NOTHROW(assign("copy_", weight, zeros({2}, DType::kFloat64)));
  { const Tensor dropped = multiply(x, weight); }
  CHECK_NOTHROW(assign("copy_", weight, ones({2}, DType::kFloat64)));
}

TEST_CASE("writing into part of a result is recorded") {
  const Tensor x = leaf(3, {3}), value = leaf(5);
  const Tensor y = copy(x);
  set_index(y, {int64_t{1}}, value);
  backward(sum(multiply(y, 2.0)));
  CHECK(grad(x, 0) == 2);
  CHECK(grad(x, 1) == 0);
  CHECK(grad(value) == 2);
}

TEST_CASE("a chain of a hundred thousand ops is differentiated and freed without deep recursion") {
  const Tensor x = leaf(1);
  Tensor y = x;
  for (int i = 0; i < 100000; ++i) y = add(y, x);
  backward(y);
  CHECK(grad(x) == 100001);
  Tensor dropped = x;
  for (int i = 0; i < 100000; ++i) dropped = negative(dropped);
  CHECK_NOTHROW(dropped = Tensor());
}

TEST_CASE("joint gradients fill what is needed") {
  const Tensor a = leaf(2), b = full({}, 3, DType::kFloat64), c = leaf(4);
  Recorder tape("triple", {&a, &b, &c});
  REQUIRE(tape);
  CHECK(tape.needs(0));
  CHECK_FALSE(tape.needs(1));
  tape.joint([](const Tensor& dy, Gradients& dx) {
    if (dx.needs(0)) dx[0] = multiply(dy, 10.0);
    if (dx.needs(1)) std::abort();
    if (dx.needs(2)) dx[2] = multiply(dy, 30.0);
  });
  backward(tape.output(full({}, 1, DType::kFloat64)));
  CHECK(grad(a) == 10);
  CHECK(grad(c) == 30);
}

TEST_CASE("further results of an op send their gradients through its first one") {
  const Tensor x = leaf(1);
  double of_side = 0;
  Recorder tape("two", {&x});
  tape.vjp(0, [&](const Tensor& dy) {
    const double of_first = dy.defined() ? dy.item<double>() : 0;
    const Tensor dx = full({}, 10 * of_first + 20 * of_side, DType::kFloat64);
    of_side = 0;
    return dx;
  });
  const Tensor first = tape.output(full({}, 1, DType::kFloat64));
  const Tensor side = side_output("two", first, full({}, 1, DType::kFloat64),
                                  [&](const Tensor& dx) { of_side += dx.item<double>(); });
  backward(side, {}, true);  // the first result has no gradient of its own
  CHECK(grad(x) == 20);
  backward(first, {}, true);
  CHECK(grad(x) == 30);
  backward(add(multiply(first, 2.0), multiply(side, 3.0)));
  CHECK(grad(x) == 30 + 20 + 60);
  const GradMode off(false);
  const Tensor plain = full({}, 1, DType::kFloat64);
  CHECK_FALSE(side_output("two", first, plain, [](const Tensor&) {}).requires_grad());
}

TEST_CASE("graphs of several threads do not disturb each other") {
  std::vector<std::thread> threads;
  for (int t = 1; t <= 4; ++t)
    threads.emplace_back([t] {
      for (int round = 0; round < 50; ++round) {
        const Tensor x = leaf(t, {10});
        backward(sum(multiply(x, x)));
        if (contiguous(*x.impl()->grad).data<double>()[9] != 2 * t) std::abort();
      }
    });
  for (std::thread& t : threads) t.join();
}
