// Batch and layer normalisation against plain loops in double, in every layout.
// SPDX-License-Identifier: Apache-2.0
#include "ops/norm.h"

#include "gradients.h"

namespace {

using namespace lepton;

struct Statistics {
  std::vector<double> mean, var;
};

Statistics channel_statistics(const Tensor& x) {
  const std::vector<double> in = values(x);
  const int64_t channels = x.length(1), inner = x.numel() / (x.length(0) * channels);
  const double n = static_cast<double>(x.numel() / channels);
  Statistics s{std::vector<double>(static_cast<size_t>(channels)), {}};
  s.var = s.mean;
  const auto channel = [&](size_t i) {
    return i / static_cast<size_t>(inner) % static_cast<size_t>(channels);
  };
  for (size_t i = 0; i < in.size(); ++i) s.mean[channel(i)] += in[i] / n;
  for (size_t i = 0; i < in.size(); ++i)
    s.var[channel(i)] += std::pow(in[i] - s.mean[channel(i)], 2) / n;
  return s;
}

std::vector<double> batch_reference(const Tensor& x, const Statistics& s, const Tensor& weight,
                                    const Tensor& bias, double eps) {
  std::vector<double> y = values(x);
  const std::vector<double> w = values(weight), b = values(bias);
  const size_t channels = w.size(),
               inner = y.size() / (static_cast<size_t>(x.length(0)) * channels);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t c = i / inner % channels;
    y[i] = (y[i] - s.mean[c]) / std::sqrt(s.var[c] + eps) * w[c] + b[c];
  }
  return y;
}

const Shape kShapes[] = {{8, 3},          {40, 70},     {300, 130},    {2, 3, 5},
                         {4, 18, 7},      {2, 3, 4, 5}, {3, 20, 6, 7}, {2, 64, 9, 8},
                         {8, 16, 40, 41}, {2, 33, 1, 1}};

TEST_CASE("batch_norm agrees with plain loops and moves the running statistics") {
  on_every_isa([] {
    std::mt19937 generator(1);
    for (const Shape& shape : kShapes)
      for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
        const Tensor x = random_tensor(generator, shape, dtype);
        const Tensor w = random_tensor(generator, {shape[1]}, dtype),
                     b = random_tensor(generator, {shape[1]}, dtype);
        const Statistics s = channel_statistics(x);
        const double n = static_cast<double>(x.numel() / shape[1]);
        for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
          const Tensor mean = zeros({shape[1]}, dtype), var = ones({shape[1]}, dtype);
          const Tensor y = batch_norm(input, mean, var, w, b, true, 0.25, 1e-3);
          CHECK(y.strides() == input.strides());
          check_close(y, batch_reference(x, s, w, b, 1e-3), 256);
          std::vector<double> moved_mean, moved_var;
          for (size_t c = 0; c < s.mean.size(); ++c) {
            moved_mean.push_back(0.25 * s.mean[c]);
            moved_var.push_back(0.75 + 0.25 * s.var[c] * n / (n - 1));
          }
          check_close(mean, moved_mean, 64);
          check_close(var, moved_var, 64);
          check_close(batch_norm(input, mean, var, w, b, false, 0.1, 1e-3),
                      batch_reference(x, {values(mean), values(var)}, w, b, 1e-3), 64);
        }
      }
  });
}

TEST_CASE("batch statistics of numbers far from zero") {
  std::mt19937 generator(2);
  const Tensor x = random_tensor(generator, {4000, 8}, DType::kFloat32);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] += 1000;
  const Tensor mean = zeros({8}, DType::kFloat32), var = ones({8}, DType::kFloat32);
  on_every_isa([&] {
    batch_norm(x, mean, var, {}, {}, true, 1.0);
    const Statistics s = channel_statistics(x);
    for (size_t c = 0; c < 8; ++c)  // squares of 1000 would have lost the variance's digits
      CHECK(values(var)[c] == doctest::Approx(s.var[c] * 4000 / 3999).epsilon(1e-5));
  });
}

TEST_CASE("gradients of batch_norm") {
  std::mt19937 generator(3);
  on_every_isa([&] {
    for (const Shape& shape : {Shape{9, 3}, {5, 37}, {2, 3, 5}, {2, 20, 3, 4}}) {
      const Tensor x = random_tensor(generator, shape), w = random_tensor(generator, {shape[1]});
      const Tensor mean = random_tensor(generator, {shape[1]}),
                   var = ones({shape[1]}, DType::kFloat64);
      for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
        check_gradients(
            [&](const Inputs& in) { return batch_norm(in[0], {}, {}, in[1], in[2], true); },
            {input, w, w});
        check_gradients(
            [&](const Inputs& in) { return batch_norm(in[0], mean, var, in[1], in[2], false); },
            {input, w, w});
      }
    }
  });
}

std::vector<double> layer_reference(const Tensor& x, size_t n, const Tensor& weight,
                                    const Tensor& bias, double eps) {
  std::vector<double> y = values(x);
  const std::vector<double> w = values(weight), b = values(bias);
  for (size_t row = 0; row < y.size(); row += n) {
    double mean = 0, var = 0;
    for (size_t i = 0; i < n; ++i) mean += y[row + i] / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) var += std::pow(y[row + i] - mean, 2) / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i)
      y[row + i] = (y[row + i] - mean) / std::sqrt(var + eps) * w[i] + b[i];
  }
  return y;
}

TEST_CASE("layer_norm agrees with plain loops") {
  on_every_isa([] {
    std::mt19937 generator(4);
    for (const Shape& shape : {Shape{4, 5}, {3, 2, 70}, {7, 300}, {500, 33}, {1, 1}})
      for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
        const Tensor x = random_tensor(generator, shape, dtype);
        const Shape last{shape.back()};
        const Tensor w = random_tensor(generator, last, dtype),
                     b = random_tensor(generator, last, dtype);
        check_close(layer_norm(x, last, w, b, 1e-3),
                    layer_reference(x, static_cast<size_t>(shape.back()), w, b, 1e-3), 256);
      }
  });
}

TEST_CASE("gradients of layer_norm") {
  std::mt19937 generator(5);
  on_every_isa([&] {
    const Tensor x = random_tensor(generator, {6, 3, 13}), w = random_tensor(generator, {3, 13});
    check_gradients([](const Inputs& in) { return layer_norm(in[0], {3, 13}, in[1], in[2]); },
                    {x, w, w});
    check_gradients([](const Inputs& in) { return layer_norm(in[0], {13}); }, {x});
  });
}

TEST_CASE("normalisation has the same bits for any number of threads") {
  std::mt19937 generator(6);
  for (const Shape& shape : {Shape{3000, 50}, {16, 20, 33, 31}}) {
    const Tensor x = random_tensor(generator, shape, DType::kFloat32);
    const Tensor w = random_tensor(generator, {shape[1]}, DType::kFloat32);
    for (const Tensor& input : {x, with_axis_innermost(x, 1)})
      check_threads([](const Inputs& in) { return batch_norm(in[0], {}, {}, in[1], in[2], true); },
                    {input, w, w});
    const Tensor v = random_tensor(generator, {shape.back()}, DType::kFloat32);
    check_threads([&](const Inputs& in) { return layer_norm(in[0], {shape.back()}, in[1], in[2]); },
                  {x, v, v});
  }
}

TEST_CASE("normalisation of empty batches and of what does not fit") {
  const Tensor none = empty({0, 3, 4, 4}, DType::kFloat32), v = ones({3}, DType::kFloat32);
  CHECK(batch_norm(none, v, v).shape() == none.shape());
  CHECK(layer_norm(none, {4}).shape() == none.shape());
  CHECK_THROWS_AS(batch_norm(ones({2, 3}, DType::kFloat32), {}, {}), ValueError);
  CHECK_THROWS_AS(batch_norm(ones({1, 3}, DType::kFloat32), {}, {}, {}, {}, true), ValueError);
  CHECK_THROWS_AS(batch_norm(ones({2, 4}, DType::kFloat32), v, v), ValueError);
  CHECK_THROWS_AS(batch_norm(ones({2, 3}, DType::kFloat64), v, v), TypeError);
  CHECK_THROWS_AS(layer_norm(ones({2, 3}, DType::kFloat32), {2}), ValueError);
}

}  // namespace
