// Pooling against plain loops in double: windows, borders, dilation, layouts, adaptive parts.
// SPDX-License-Identifier: Apache-2.0
#include "ops/pool.h"

#include "gradients.h"

namespace {

using namespace lepton;

struct PoolCase {
  Shape shape;  // [N, C, H, W]
  Pair kernel, stride, padding, dilation;
  bool ceil_mode;
};

const PoolCase kCases[] = {
    {{2, 3, 6, 5}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false},
    {{2, 20, 7, 8}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false},
    {{1, 33, 9, 7}, {3, 2}, {2, 1}, {1, 0}, {1, 2}, false},
    {{3, 16, 8, 8}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, true},
    {{2, 6, 28, 28}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false},
    {{1, 2, 40, 41}, {17, 16}, {9, 7}, {0, 3}, {1, 1}, true},
    {{1, 1, 5, 5}, {5, 5}, {1, 1}, {2, 2}, {1, 1}, false},
};

int64_t outputs(int64_t length, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                bool up) {
  const int64_t room = length + 2 * padding - dilation * (kernel - 1) - 1;
  int64_t n = (room + (up ? stride - 1 : 0)) / stride + 1;
  if (up && (n - 1) * stride >= length + padding) --n;
  return n;
}

struct PoolReference {
  std::vector<double> largest, inside, padded;  // the means divide by what they name
};

PoolReference reference(const PoolCase& c, const Tensor& x) {
  const std::vector<double> in = values(x);
  const int64_t h = c.shape[2], w = c.shape[3];
  const int64_t out_h =
      outputs(h, c.kernel.first, c.stride.first, c.padding.first, c.dilation.first, c.ceil_mode);
  const int64_t out_w = outputs(w, c.kernel.second, c.stride.second, c.padding.second,
                                c.dilation.second, c.ceil_mode);
  PoolReference y;
  for (int64_t image = 0; image < c.shape[0] * c.shape[1]; ++image)
    for (int64_t oh = 0; oh < out_h; ++oh)
      for (int64_t ow = 0; ow < out_w; ++ow) {
        double largest = -INFINITY, sum = 0, inside = 0, padded = 0;
        for (int64_t i = 0; i < c.kernel.first; ++i)
          for (int64_t j = 0; j < c.kernel.second; ++j) {
            const int64_t a = oh * c.stride.first - c.padding.first + i * c.dilation.first;
            const int64_t b = ow * c.stride.second - c.padding.second + j * c.dilation.second;
            padded += a < h + c.padding.first && b < w + c.padding.second;
            if (a < 0 || a >= h || b < 0 || b >= w) continue;
            const double v = in[static_cast<size_t>((image * h + a) * w + b)];
            largest = std::max(largest, v);
            sum += v;
            inside += 1;
          }
        y.largest.push_back(largest);
        y.inside.push_back(sum / inside);
        y.padded.push_back(sum / padded);
      }
  return y;
}

bool undilated(const PoolCase& c) { return c.dilation.first == 1 && c.dilation.second == 1; }

TEST_CASE("pooling agrees with plain loops") {
  on_every_isa([] {
    std::mt19937 generator(1);
    for (const PoolCase& c : kCases)
      for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
        const Tensor x = random_tensor(generator, c.shape, dtype);
        const PoolReference expected = reference(c, x);
        for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
          const Tensor y =
              max_pool2d(input, c.kernel, c.stride, c.padding, c.dilation, c.ceil_mode);
          check_close(y, expected.largest, 0);
          CHECK((y.is_channels_last() == input.is_channels_last()));
          if (!undilated(c)) continue;
          check_close(avg_pool2d(input, c.kernel, c.stride, c.padding, c.ceil_mode, true),
                      expected.padded, 64);
          check_close(avg_pool2d(input, c.kernel, c.stride, c.padding, c.ceil_mode, false),
                      expected.inside, 64);
        }
      }
  });
}

TEST_CASE("gradients of pooling") {
  std::mt19937 generator(2);
  on_every_isa([&] {
    for (const PoolCase& c : kCases) {
      const Tensor x = random_tensor(generator, c.shape);
      for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
        check_gradients(
            [&](const Inputs& in) {
              return max_pool2d(in[0], c.kernel, c.stride, c.padding, c.dilation, c.ceil_mode);
            },
            {input});
        if (!undilated(c)) continue;
        for (const bool padded : {false, true})
          for (const std::optional<int64_t> divisor : {std::optional<int64_t>(), {3}})
            check_gradients(
                [&](const Inputs& in) {
                  return avg_pool2d(in[0], c.kernel, c.stride, c.padding, c.ceil_mode, padded,
                                    divisor);
                },
                {input});
      }
    }
  });
}

TEST_CASE("adaptive pooling cuts into parts that overlap") {
  const Tensor x = empty({1, 1, 5, 1}, DType::kFloat32);
  for (int64_t i = 0; i < 5; ++i) x.data<float>()[i] = static_cast<float>(i);
  check_close(adaptive_avg_pool2d(x, {3, std::nullopt}), {0.5, 2, 3.5}, 1);
  check_close(adaptive_max_pool2d(x, {3, std::nullopt}), {1, 3, 4}, 0);
  std::mt19937 generator(3);
  const Tensor image = with_axis_innermost(random_tensor(generator, {2, 20, 7, 6}), 1);
  on_every_isa([&] {
    check_gradients([](const Inputs& in) { return adaptive_avg_pool2d(in[0], {3, 4}); }, {image});
    check_gradients([](const Inputs& in) { return adaptive_max_pool2d(in[0], {2, 5}); }, {image});
  });
}

TEST_CASE("max_pool2d passes NaN on and sends a tie's gradient to the first") {
  const Tensor x = zeros({1, 1, 2, 4}, DType::kFloat32);
  x.data<float>()[7] = NAN;
  on_every_isa([&] {
    const Tensor leaf = clone(x);
    set_requires_grad(leaf, true);
    const Tensor y = max_pool2d(leaf, {2, 2});
    CHECK(values(y)[0] == 0);
    CHECK(std::isnan(values(y)[1]));
    backward(y, ones({1, 1, 1, 2}, DType::kFloat32));
    CHECK(values(*leaf.impl()->grad) == std::vector<double>{1, 0, 0, 0, 0, 0, 0, 1});
  });
}

TEST_CASE("pooling has the same bits for any number of threads") {
  std::mt19937 generator(4);
  const Tensor x = random_tensor(generator, {9, 20, 33, 30}, DType::kFloat32);
  for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
    check_threads([](const Inputs& in) { return max_pool2d(in[0], {3, 3}, Pair{2, 2}, {1, 1}); },
                  {input});
    check_threads([](const Inputs& in) { return avg_pool2d(in[0], {3, 3}, Pair{1, 1}, {1, 1}); },
                  {input});
    check_threads([](const Inputs& in) { return adaptive_avg_pool2d(in[0], {1, 1}); }, {input});
  }
}

TEST_CASE("pooling of more than 16 MB has the bits of its halves") {
  std::mt19937 generator(5);
  const Tensor x = random_tensor(generator, {70, 64, 31, 32}, DType::kFloat32);
  for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
    check_halves([](const Tensor& in) { return max_pool2d(in, {2, 2}); }, input);
    check_halves([](const Tensor& in) { return max_pool2d(in, {3, 3}, Pair{1, 1}, {1, 1}); },
                 input);
    check_halves([](const Tensor& in) { return avg_pool2d(in, {3, 3}, Pair{2, 2}, {1, 1}); },
                 input);
    check_halves([](const Tensor& in) { return adaptive_avg_pool2d(in, {1, 1}); }, input);
  }
}

TEST_CASE("pooling of empty batches, of [C, H, W], and of what does not fit") {
  const Tensor x = ones({2, 3, 4, 5}, DType::kFloat32);
  CHECK(max_pool2d(empty({0, 3, 4, 5}, DType::kFloat32), {2, 2}).shape() == Shape{0, 3, 2, 2});
  CHECK(avg_pool2d(ones({3, 4, 5}, DType::kFloat32), {2, 2}).shape() == Shape{3, 2, 2});
  CHECK_THROWS_AS(max_pool2d(ones({4, 5}, DType::kFloat32), {2, 2}), ValueError);
  CHECK_THROWS_AS(max_pool2d(x, {5, 5}), ValueError);
  CHECK_THROWS_AS(max_pool2d(x, {2, 2}, {}, {2, 2}), ValueError);
  CHECK_THROWS_AS(max_pool2d(x, {0, 2}), ValueError);
  CHECK_THROWS_AS(max_pool2d(x, {2, 2}, Pair{0, 1}), ValueError);
  CHECK_THROWS_AS(max_pool2d(cast(x, DType::kInt64), {2, 2}), TypeError);
  CHECK_THROWS_AS(avg_pool2d(x, {2, 2}, {}, {}, false, true, 0), ValueError);
  CHECK_THROWS_AS(adaptive_avg_pool2d(x, {-1, 1}), ValueError);
}

}  // namespace
