// Batch, layer and group normalisation against plain loops in double, in every layout.
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

Tensor vector_of(const std::vector<double>& values) {
  const Tensor x = empty({static_cast<int64_t>(values.size())}, DType::kFloat64);
  std::copy(values.begin(), values.end(), x.data<double>());
  return x;
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

TEST_CASE("batch statistics where the first rows are unlike the rest") {
  // Distances are taken from the mean of the first rows, a sixteenth of a block: the squares may
  // lose a factor of 17 of their precision, on top of a sum of up to 4000 terms.
  std::mt19937 generator(8);
  const Tensor x = random_tensor(generator, {4000, 20}, DType::kFloat32);
  for (int64_t i = 0; i < 20 * 20; ++i) x.data<float>()[i] += 1e4f;
  const Statistics s = channel_statistics(x);
  on_every_isa([&] {
    const Tensor mean = zeros({20}, DType::kFloat32), var = ones({20}, DType::kFloat32);
    batch_norm(x, mean, var, {}, {}, true, 1.0);
    for (size_t c = 0; c < 20; ++c) {
      CHECK(values(mean)[c] == doctest::Approx(s.mean[c]).epsilon(4000 * 6e-8));
      CHECK(values(var)[c] == doctest::Approx(s.var[c] * 4000 / 3999).epsilon(17 * 4000 * 6e-8));
    }
  });
}

TEST_CASE("batch_norm_relu is relu of batch_norm and residual") {
  on_every_isa([] {
    std::mt19937 generator(9);
    for (const Shape& shape : kShapes)
      for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
        const Tensor x = random_tensor(generator, shape, dtype),
                     r = random_tensor(generator, shape, dtype),
                     w = random_tensor(generator, {shape[1]}, dtype),
                     b = random_tensor(generator, {shape[1]}, dtype);
        const Statistics s = channel_statistics(x);
        const std::vector<double> plain = batch_reference(x, s, w, b, 1e-3), add = values(r);
        std::vector<double> alone = plain, summed = plain;
        for (size_t i = 0; i < plain.size(); ++i) {
          alone[i] = std::max(plain[i], 0.0);
          summed[i] = std::max(plain[i] + add[i], 0.0);
        }
        for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
          const Tensor y = batch_norm_relu(input, {}, {}, w, b, {}, true, 0.1, 1e-3);
          CHECK(y.strides() == input.strides());
          check_close(y, alone, 256);
          check_close(batch_norm_relu(input, {}, {}, w, b, r, true, 0.1, 1e-3), summed, 256);
          const Tensor mean = cast(vector_of(s.mean), dtype), var = cast(vector_of(s.var), dtype);
          check_close(batch_norm_relu(input, mean, var, w, b, r, false, 0.1, 1e-3), summed, 256);
        }
      }
  });
}

TEST_CASE("gradients of batch_norm_relu") {
  std::mt19937 generator(10);
  on_every_isa([&] {
    for (const Shape& shape : {Shape{9, 3}, {5, 37}, {2, 20, 3, 4}, {2, 16, 3, 4}}) {
      const Tensor x = random_tensor(generator, shape), r = random_tensor(generator, shape),
                   w = random_tensor(generator, {shape[1]}),
                   mean = random_tensor(generator, {shape[1]}),
                   var = ones({shape[1]}, DType::kFloat64);
      for (const bool training : {true, false})
        for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
          check_gradients(
              [&](const Inputs& in) {
                return batch_norm_relu(in[0], mean, var, in[1], in[2], {}, training, 0.0);
              },
              {input, w, w});
          check_gradients(
              [&](const Inputs& in) {
                return batch_norm_relu(in[0], mean, var, in[1], in[2], in[3], training, 0.0);
              },
              {input, w, w, r});
        }
    }
  });
}

TEST_CASE("gradients that take over the memory of what arrives") {
  // The second op's gradient is held by nobody else, so the first one's may be written over it.
  std::mt19937 generator(11);
  for (const Shape& shape : {Shape{40, 3}, {40, 16}, {3, 20, 6, 7}, {3, 32, 6, 7}}) {
    const Tensor x = random_tensor(generator, shape), r = random_tensor(generator, shape),
                 w = random_tensor(generator, {shape[1]});
    const auto chain = [](const Inputs& in) {
      const Tensor a = batch_norm_relu(in[0], {}, {}, in[2], in[2], in[1], true);
      return group_norm(
          batch_norm_relu(batch_norm(a, {}, {}, in[2], {}, true), {}, {}, {}, {}, a, true), 1,
          in[2]);
    };
    for (const Tensor& input : {x, with_axis_innermost(x, 1)})
      check_gradients(chain, {input, r, w});
  }
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

TEST_CASE("layer_norm of rows that begin unlike they go on") {
  // As for batch statistics: 17 times the error of a sum of 300 terms.
  std::mt19937 generator(14);
  const Tensor x = random_tensor(generator, {40, 300}, DType::kFloat32);
  for (int64_t r = 0; r < 40; ++r)
    for (int64_t i = 0; i < 6; ++i) x.data<float>()[r * 300 + i] += 1e3f;
  const Tensor w = ones({300}, DType::kFloat32), b = zeros({300}, DType::kFloat32);
  on_every_isa([&] {
    check_close(layer_norm(x, {300}, w, b), layer_reference(x, 300, w, b, 1e-5), 17 * 300);
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

std::vector<double> group_reference(const Tensor& x, int64_t groups, const Tensor& weight,
                                    const Tensor& bias, double eps) {
  std::vector<double> y = values(x);
  const std::vector<double> w = values(weight), b = values(bias);
  const auto samples = static_cast<size_t>(x.length(0) * groups);
  const size_t n = y.size() / samples, channels = w.size();
  const size_t inner = y.size() / (static_cast<size_t>(x.length(0)) * channels);
  for (size_t row = 0; row < y.size(); row += n) {
    double mean = 0, var = 0;
    for (size_t i = row; i < row + n; ++i) mean += y[i] / static_cast<double>(n);
    for (size_t i = row; i < row + n; ++i) var += std::pow(y[i] - mean, 2) / static_cast<double>(n);
    for (size_t i = row; i < row + n; ++i) {
      const size_t c = i / inner % channels;
      y[i] = (y[i] - mean) / std::sqrt(var + eps) * w[c] + b[c];
    }
  }
  return y;
}

TEST_CASE("group_norm agrees with plain loops") {
  struct Case {
    Shape shape;
    int64_t groups;
  };
  on_every_isa([] {
    std::mt19937 generator(12);
    for (const Case& c : {Case{{3, 6}, 2},
                          {{2, 20, 5}, 20},
                          {{1, 64, 9, 8}, 32},
                          {{1, 36, 9, 8}, 9},
                          {{2, 48, 40, 41}, 3},
                          {{3, 7, 2, 3}, 1},
                          {{1, 32, 70, 40}, 4}})
      for (const DType dtype : {DType::kFloat32, DType::kFloat64}) {
        const Tensor x = random_tensor(generator, c.shape, dtype),
                     w = random_tensor(generator, {c.shape[1]}, dtype),
                     b = random_tensor(generator, {c.shape[1]}, dtype);
        for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
          const Tensor y = group_norm(input, c.groups, w, b, 1e-3);
          CHECK(y.strides() == input.strides());
          check_close(y, group_reference(x, c.groups, w, b, 1e-3), 256);
        }
      }
  });
}

TEST_CASE("gradients of group_norm") {
  std::mt19937 generator(13);
  on_every_isa([&] {
    for (const Shape& shape : {Shape{3, 6}, {2, 9, 5}, {1, 48, 3, 4}, {2, 18, 3, 4}}) {
      const Tensor x = random_tensor(generator, shape), w = random_tensor(generator, {shape[1]});
      for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
        check_gradients([](const Inputs& in) { return group_norm(in[0], 3, in[1], in[2]); },
                        {input, w, w});
        check_gradients([&](const Inputs& in) { return group_norm(in[0], shape[1] / 3); }, {input});
      }
    }
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
    for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
      check_threads([](const Inputs& in) { return group_norm(in[0], 10, in[1], in[2]); },
                    {input, w, w});
      check_threads(
          [](const Inputs& in) {
            return batch_norm_relu(in[0], {}, {}, in[1], in[2], in[3], true);
          },
          {input, w, w, x});
    }
    const Tensor v = random_tensor(generator, {shape.back()}, DType::kFloat32);
    check_threads([&](const Inputs& in) { return layer_norm(in[0], {shape.back()}, in[1], in[2]); },
                  {x, v, v});
  }
}

TEST_CASE("normalisation of more than 16 MB has the bits of its halves") {
  std::mt19937 generator(15);
  const Tensor x = random_tensor(generator, {70, 64, 31, 32}, DType::kFloat32);
  const Tensor v = random_tensor(generator, {64}, DType::kFloat32), w = ones({32}, DType::kFloat32),
               var = ones({64}, DType::kFloat32);
  for (const Tensor& input : {x, with_axis_innermost(x, 1)}) {
    check_halves([&](const Tensor& in) { return batch_norm(in, v, var, v, v); }, input);
    check_halves([&](const Tensor& in) { return batch_norm_relu(in, v, var, v, v); }, input);
    check_halves([&](const Tensor& in) { return group_norm(in, 8, v, v); }, input);
  }
  check_halves([&](const Tensor& in) { return layer_norm(in, {32}, w, w); }, x);
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
  CHECK(group_norm(none, 3).shape() == none.shape());
  CHECK_THROWS_AS(group_norm(ones({2, 3}, DType::kFloat32), 2), ValueError);
  CHECK_THROWS_AS(group_norm(ones({2, 3}, DType::kFloat32), 0), ValueError);
  CHECK_THROWS_AS(
      batch_norm_relu(ones({2, 3}, DType::kFloat32), v, v, {}, {}, ones({2, 1}, DType::kFloat32)),
      ValueError);
}

}  // namespace
