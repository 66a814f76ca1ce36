// Losses against plain loops in double: targets, weights, smoothing, reductions, layouts, errors.
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss.h"

#include "gradients.h"
#include "ops/softmax.h"

namespace {

using namespace lepton;

struct ClassCase {
  Shape shape;  // [N, C, ...]
  bool weighted;
  double smoothing;
  int64_t ignored;
};

struct ClassData {
  Tensor x, target, weight;
};

ClassData make(const ClassCase& c, DType dtype) {
  std::mt19937 generator(4);
  ClassData data{random_tensor(generator, c.shape, dtype), {}, {}};
  Shape lines = c.shape;
  lines.erase(1);
  data.target = empty(lines, DType::kInt64);
  for (int64_t i = 0; i < data.target.numel(); ++i)
    data.target.data<int64_t>()[i] = (i * 7 + 3) % c.shape[1];
  data.weight = empty({c.shape[1]}, dtype);
  copy_into(data.weight, cast(from_integers([&] {
                                std::vector<int64_t> w;
                                for (int64_t i = 0; i < c.shape[1]; ++i) w.push_back(1 + i % 3);
                                return w;
                              }()),
                              dtype));
  return data;
}

// The loss of each line, and what a mean divides their sum by.
std::vector<double> reference(const ClassCase& c, const ClassData& d, bool logits, double& total) {
  const std::vector<double> p = values(logits ? log_softmax(cast(d.x, DType::kFloat64), 1) : d.x);
  const int64_t classes = c.shape[1], inner = d.target.numel() / c.shape[0];
  std::vector<double> losses;
  total = 0;
  for (int64_t l = 0; l < d.target.numel(); ++l) {
    const int64_t t = d.target.data<int64_t>()[l];
    double loss = 0;
    for (int64_t k = 0; k < classes && t != c.ignored; ++k) {
      const double w = c.weighted ? values(d.weight)[static_cast<size_t>(k)] : 1;
      const double share =
          (k == t ? 1 - c.smoothing : 0) + c.smoothing / static_cast<double>(classes);
      loss -=
          share * w * p[static_cast<size_t>(l / inner * classes * inner + k * inner + l % inner)];
      if (k == t) total += w;
    }
    losses.push_back(loss);
  }
  return losses;
}

void check_class_loss(const ClassCase& c, DType dtype) {
  const ClassData d = make(c, dtype);
  const MaybeTensor weight = c.weighted ? MaybeTensor(d.weight) : std::nullopt;
  for (const Tensor& x : {d.x, with_axis_innermost(d.x, 1)}) {
    double total = 0;
    std::vector<double> losses = reference(c, d, true, total);
    check_close(cross_entropy(x, d.target, weight, c.ignored, "none", c.smoothing), losses, 64);
    double sum = 0;
    for (double l : losses) sum += l;
    check_close(cross_entropy(x, d.target, weight, c.ignored, "sum", c.smoothing), {sum}, 64);
    check_close(cross_entropy(x, d.target, weight, c.ignored, "mean", c.smoothing), {sum / total},
                64);
    if (c.smoothing == 0)
      check_close(nll_loss(x, d.target, weight, c.ignored, "none"), reference(c, d, false, total),
                  8);
  }
}

const ClassCase kCases[] = {
    {{5, 4}, false, 0, -100},     {{64, 10}, true, 0, 3},        {{3, 100}, false, 0.2, -100},
    {{2, 5, 4, 6}, true, 0.1, 1}, {{4, 21, 9, 17}, false, 0, 2}, {{2, 3, 40}, true, 0.3, -100},
};

TEST_CASE("cross-entropy and nll agree with plain loops") {
  on_every_isa([] {
    for (const ClassCase& c : kCases)
      for (const DType dtype : {DType::kFloat32, DType::kFloat64}) check_class_loss(c, dtype);
  });
}

TEST_CASE("gradients of cross-entropy and nll") {
  on_every_isa([] {
    for (const ClassCase& c : kCases) {
      const ClassData d = make(c, DType::kFloat64);
      const MaybeTensor weight = c.weighted ? MaybeTensor(d.weight) : std::nullopt;
      for (const char* how : {"mean", "none"}) {
        check_gradients(
            [&](const Inputs& in) {
              return cross_entropy(in[0], d.target, weight, c.ignored, how, c.smoothing);
            },
            {d.x});
        check_gradients(
            [&](const Inputs& in) { return nll_loss(in[0], d.target, weight, c.ignored, how); },
            {d.x});
      }
    }
  });
}

TEST_CASE("probabilities as targets are sums over indices") {
  std::mt19937 generator(5);
  const Tensor x = random_tensor(generator, {6, 5});
  const Tensor one_hot = zeros({6, 5}, DType::kFloat64), target = empty({6}, DType::kInt64);
  for (int64_t i = 0; i < 6; ++i) {
    target.data<int64_t>()[i] = i % 5;
    one_hot.data<double>()[i * 5 + i % 5] = 1;
  }
  check_close(cross_entropy(x, one_hot, {}, -100, "mean", 0.1),
              values(cross_entropy(x, target, {}, -100, "mean", 0.1)), 16);
  check_gradients(
      [&](const Inputs& in) { return cross_entropy(in[0], in[1], {}, -100, "none", 0.1); },
      {x, one_hot});
}

TEST_CASE("cross-entropy of uint8 and int32 targets, and of no lines") {
  std::mt19937 generator(6);
  const Tensor x = random_tensor(generator, {4, 3});
  const Tensor target = from_integers({2, 0, 1, 1});
  const std::vector<double> expected = values(cross_entropy(x, target));
  CHECK(values(cross_entropy(x, cast(target, DType::kUInt8))) == expected);
  CHECK(values(cross_entropy(x, cast(target, DType::kInt32))) == expected);
  CHECK(std::isnan(values(cross_entropy(empty({0, 3}, DType::kFloat64), from_integers({})))[0]));
  CHECK(std::isnan(values(cross_entropy(x, from_integers({-100, -100, -100, -100})))[0]));
}

TEST_CASE("cross-entropy has the same bits for any number of threads") {
  std::mt19937 generator(7);
  for (const Shape& shape : {Shape{5000, 10}, {3, 7, 90, 80}}) {
    const ClassData d = make({shape, true, 0.1, 1}, DType::kFloat32);
    for (const Tensor& x : {d.x, with_axis_innermost(d.x, 1)})
      check_threads(
          [&](const Inputs& in) {
            return cross_entropy(in[0], d.target, d.weight, 1, "mean", 0.1);
          },
          {x});
  }
}

TEST_CASE("losses of pairs and their gradients") {
  std::mt19937 generator(8);
  const Tensor x = random_tensor(generator, {3, 37}), t = random_tensor(generator, {3, 37});
  const Tensor w = random_tensor(generator, {37});
  using Pairwise = Tensor (*)(const Tensor&, const Tensor&);
  const Pairwise losses[] = {
      [](const Tensor& a, const Tensor& b) { return mse_loss(a, b); },
      [](const Tensor& a, const Tensor& b) { return l1_loss(a, b, "none"); },
      [](const Tensor& a, const Tensor& b) { return huber_loss(a, b, "sum", 0.7); },
      [](const Tensor& a, const Tensor& b) { return smooth_l1_loss(a, b, "none", 0.6); },
      [](const Tensor& a, const Tensor& b) { return binary_cross_entropy_with_logits(a, b); },
  };
  on_every_isa([&] {
    for (const Pairwise loss : losses)
      check_gradients([&](const Inputs& in) { return loss(in[0], in[1]); }, {x, t});
    check_gradients(
        [&](const Inputs& in) {
          return binary_cross_entropy_with_logits(in[0], in[1], in[2], "none", in[3]);
        },
        {x, t, w, w});
  });
  const Tensor far = full({1}, 1000, DType::kFloat32);
  CHECK(values(binary_cross_entropy_with_logits(far, zeros({1}, DType::kFloat32)))[0] == 1000);
  CHECK(values(binary_cross_entropy_with_logits(far, ones({1}, DType::kFloat32)))[0] == 0);
}

TEST_CASE("losses refuse what does not fit") {
  const Tensor x = zeros({3, 4}, DType::kFloat32);
  CHECK_THROWS_WITH_AS(cross_entropy(x, from_integers({0, 4, 1})),
                       "cross_entropy: target 4 at position [1] is out of bounds for 4 classes "
                       "(input: [3, 4])",
                       IndexError);
  CHECK_THROWS_WITH_AS(cross_entropy(x, from_integers({0, 1, 1}), {}, -100, "max"),
                       "cross_entropy: reduction expects 'mean', 'sum' or 'none', got 'max'",
                       ValueError);
  CHECK_THROWS_AS(nll_loss(x, from_integers({-1, 1, 1})), IndexError);
  CHECK_THROWS_AS(cross_entropy(x, from_integers({0, 1})), ValueError);
  CHECK_THROWS_AS(cross_entropy(x, zeros({3}, DType::kFloat32)), TypeError);
  CHECK_THROWS_AS(mse_loss(x, zeros({3, 1}, DType::kFloat32)), ValueError);
  CHECK_THROWS_AS(huber_loss(x, x, "mean", 0), ValueError);
}

}  // namespace
