// Softmax and its logarithm against plain loops in double, along every axis of several layouts.
// SPDX-License-Identifier: Apache-2.0
#include "ops/softmax.h"

#include <limits>

#include "gradients.h"

namespace {

using namespace lepton;

// x as [outer, n, inner] around the axis, row-major.
std::vector<double> reference(const Tensor& x, int64_t axis, bool log) {
  std::vector<double> in = values(x), out(in.size());
  const int64_t n = x.length(axis);
  int64_t inner = 1;
  for (size_t i = static_cast<size_t>(axis) + 1; i < x.ndim(); ++i) inner *= x.shape()[i];
  for (int64_t i = 0; i < x.numel(); ++i) {
    const int64_t first = i / (n * inner) * n * inner + i % inner;
    double largest = -INFINITY, sum = 0;
    for (int64_t k = 0; k < n; ++k) largest = std::max(largest, in[first + k * inner]);
    for (int64_t k = 0; k < n; ++k) sum += std::exp(in[first + k * inner] - largest);
    const double y = in[i] - largest - std::log(sum);
    out[i] = log ? y : std::exp(y);
  }
  return out;
}

TEST_CASE("softmax agrees with plain loops along every axis") {
  on_every_isa([] {
    std::mt19937 generator(1);
    for (const Shape& shape :
         {Shape{1, 1}, {4, 5}, {3, 70}, {2, 33, 7}, {2, 5, 3, 19}, {40, 3, 64}})
      for (const DType dtype : {DType::kFloat32, DType::kFloat64})
        for (int64_t axis = 0; axis < static_cast<int64_t>(shape.size()); ++axis) {
          const Tensor row_major = random_tensor(generator, shape, dtype);
          for (const Tensor& x : {row_major, with_axis_innermost(row_major, 1)}) {
            INFO("first length ", shape[0], " axis ", axis);
            check_close(softmax(x, axis), reference(x, axis, false), 16);
            check_close(log_softmax(x, axis), reference(x, axis, true), 16);
            CHECK(softmax(x, axis).strides() == x.strides());
          }
        }
  });
}

TEST_CASE("softmax of large, infinite and missing numbers") {
  const Tensor x = empty({4, 3}, DType::kFloat32);
  const float inf = std::numeric_limits<float>::infinity();
  const float numbers[] = {1e30f, -1e30f, 0, -inf, 0, 0, -inf, -inf, -inf, NAN, 0, 0};
  std::copy(std::begin(numbers), std::end(numbers), x.data<float>());
  on_every_isa([&] {
    const std::vector<double> y = values(softmax(x, 1));
    CHECK(y[0] == 1);
    CHECK(y[1] == 0);
    CHECK(y[3] == 0);
    CHECK(y[4] == 0.5);
    for (size_t i = 6; i < 12; ++i) CHECK(std::isnan(y[i]));
  });
}

TEST_CASE("gradients of softmax") {
  std::mt19937 generator(2);
  const Tensor x = random_tensor(generator, {3, 5, 18});
  on_every_isa([&] {
    for (int64_t axis = 0; axis < 3; ++axis) {
      check_gradients([&](const Inputs& in) { return softmax(in[0], axis); }, {x});
      check_gradients([&](const Inputs& in) { return log_softmax(in[0], axis); }, {x});
    }
  });
}

TEST_CASE("softmax has the same bits for any number of threads") {
  std::mt19937 generator(3);
  const Tensor x = random_tensor(generator, {9, 130, 70}, DType::kFloat32);
  for (int64_t axis = 0; axis < 3; ++axis) {
    check_threads([&](const Inputs& in) { return softmax(in[0], axis); }, {x});
    check_threads([&](const Inputs& in) { return log_softmax(in[0], axis); }, {x});
  }
}

TEST_CASE("softmax of nothing, of a number, and of what it does not take") {
  CHECK(softmax(empty({0, 3}, DType::kFloat32), 1).shape() == Shape{0, 3});
  CHECK(softmax(empty({3, 0}, DType::kFloat32), 1).shape() == Shape{3, 0});
  CHECK(values(softmax(scalar(4, DType::kFloat64), 0))[0] == 1);
  CHECK_THROWS_AS(softmax(empty({2, 3}, DType::kFloat32), 2), IndexError);
  CHECK_THROWS_AS(softmax(empty({2, 3}, DType::kInt64), 1), TypeError);
}

}  // namespace
