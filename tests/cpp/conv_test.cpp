// Convolution and its gradients against plain loops in double: geometry, layouts, groups, threads.
// SPDX-License-Identifier: Apache-2.0
#include "ops/conv.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "ops/view.h"
#include "support.h"

namespace {

using namespace lepton;

struct Case {
  int64_t images, in, out, groups;
  int64_t in_h, in_w, kernel_h, kernel_w;
  Pair stride, padding, dilation;
};

// Values, and the sums of |terms| that bound the rounding of each.
struct Reference {
  std::vector<double> value, magnitude;
  explicit Reference(int64_t n)
      : value(static_cast<size_t>(n)), magnitude(static_cast<size_t>(n)) {}
  void add(int64_t i, double term) {
    value[static_cast<size_t>(i)] += term;
    magnitude[static_cast<size_t>(i)] += std::abs(term);
  }
};

template <class T>
void compare(const char* what, const Tensor& result, const Reference& expected) {
  const Tensor r = contiguous(result);
  for (int64_t i = 0; i < r.numel(); ++i) {
    const size_t at = static_cast<size_t>(i);
    // No sum here has more than 2000 terms. Winograd's products of 32 to 70 channels stay below
    // that too: their error is at most 16 (channels + 14) eps / 2 times the largest |x| and the sum
    // of |w|, and the sum of |x||w| over uniform numbers is above a ninth of that even in a corner.
    const double bound = 2000 * std::numeric_limits<T>::epsilon() * expected.magnitude[at];
    INFO(what, " at ", i);
    REQUIRE(std::abs(r.data<T>()[i] - expected.value[at]) <= bound);
  }
}

template <class T>
void check_against_loops(const Case& c, const Tensor& x, const Tensor& w, const Tensor& b,
                         const Tensor& y, const Tensor& dy, const Tensor& dx, const Tensor& dw) {
  Reference ry(y.numel()), rx(x.numel()), rw(w.numel());
  const Tensor px = contiguous(x), pdy = contiguous(dy);
  const int64_t out_h = y.length(2), out_w = y.length(3), group_in = c.in / c.groups;
  for (int64_t i = 0; i < y.numel(); ++i) {
    const int64_t v = i % out_w, h = i / out_w % out_h, k = i / (out_w * out_h) % c.out,
                  n = i / (out_w * out_h * c.out);
    ry.add(i, b.data<T>()[k]);
    for (int64_t q = 0; q < group_in * c.kernel_h * c.kernel_w; ++q) {
      const int64_t s = q % c.kernel_w, r = q / c.kernel_w % c.kernel_h,
                    p = q / (c.kernel_w * c.kernel_h);
      const int64_t ih = h * c.stride.first + r * c.dilation.first - c.padding.first;
      const int64_t iw = v * c.stride.second + s * c.dilation.second - c.padding.second;
      if (ih < 0 || iw < 0 || ih >= c.in_h || iw >= c.in_w) continue;
      const int64_t channel = k / (c.out / c.groups) * group_in + p;
      const int64_t xi = ((n * c.in + channel) * c.in_h + ih) * c.in_w + iw;
      const int64_t wi = ((k * group_in + p) * c.kernel_h + r) * c.kernel_w + s;
      const double xv = px.data<T>()[xi], wv = w.data<T>()[wi], g = pdy.data<T>()[i];
      ry.add(i, xv * wv);
      rx.add(xi, g * wv);
      rw.add(wi, g * xv);
    }
  }
  compare<T>("y", y, ry);
  compare<T>("dx", dx, rx);
  compare<T>("dw", dw, rw);
}

struct Results {
  Tensor y, dx, dw, db;
};

Results run(const Case& c, const Tensor& x, const Tensor& w, const Tensor& b, const Tensor* dy) {
  const Tensor leaf[] = {x.detach(), w.detach(), b.detach()};
  for (const Tensor& t : leaf) set_requires_grad(t, true);
  const Tensor y =
      conv2d(leaf[0], leaf[1], leaf[2], c.stride, {c.padding, ""}, c.dilation, c.groups);
  if (!dy) return {y, {}, {}, {}};
  backward(y, *dy);
  return {y, *leaf[0].impl()->grad, *leaf[1].impl()->grad, *leaf[2].impl()->grad};
}

bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor p = contiguous(a), q = contiguous(b);
  return p.shape() == q.shape() &&
         std::memcmp(p.bytes(), q.bytes(), static_cast<size_t>(p.numel() * p.item_size())) == 0;
}

template <class T>
void check_case(std::mt19937& generator, const Case& c) {
  INFO("n ", c.images, " in ", c.in, " out ", c.out, " groups ", c.groups, " image ", c.in_h, "x",
       c.in_w, " kernel ", c.kernel_h, "x", c.kernel_w, " stride ", c.stride.first, ",",
       c.stride.second, " padding ", c.padding.first, ",", c.padding.second, " dilation ",
       c.dilation.first, ",", c.dilation.second, " on ", kernels().isa);
  const DType dtype = dtype_of<T>();
  Tensor x = random_tensor(generator, {c.images, c.in, c.in_h, c.in_w}, dtype);
  if (generator() % 2) x = channels_last(x);
  const Tensor w =
      random_tensor(generator, {c.out, c.in / c.groups, c.kernel_h, c.kernel_w}, dtype);
  const Tensor b = random_tensor(generator, {c.out}, dtype);
  set_num_threads(1);
  const Tensor y = run(c, x, w, b, nullptr).y;
  CHECK(y.is_channels_last());
  Tensor dy = random_tensor(generator, y.shape(), dtype);
  if (generator() % 2) dy = channels_last(dy);
  const Results one = run(c, x, w, b, &dy);
  check_against_loops<T>(c, x, w, b, one.y, dy, one.dx, one.dw);
  set_num_threads(4);
  const Results four = run(c, x, w, b, &dy);
  CHECK(same_bits(one.y, four.y));
  CHECK(same_bits(one.dx, four.dx));
  CHECK(same_bits(one.dw, four.dw));
  CHECK(same_bits(one.db, four.db));
}

Case random_case(std::mt19937& generator) {
  const auto pick = [&](std::initializer_list<int64_t> from) {
    return from.begin()[generator() % from.size()];
  };
  Case c;
  c.groups = pick({1, 1, 1, 2, 3, 16, 33});
  const bool many = c.groups > 3;
  c.in = c.groups * (many ? pick({1, 1, 2}) : pick({1, 2, 3, 8, 17, 33}));
  c.out = c.groups * (many ? pick({1, 1, 3}) : pick({1, 3, 8, 16, 17, 40, 70}));
  c.images = pick({1, 2, 3, 5});
  c.kernel_h = pick({1, 1, 2, 3, 5});
  c.kernel_w = pick({1, 1, 2, 3, 4});
  c.stride = {pick({1, 1, 2, 3}), pick({1, 1, 2, 3})};
  c.dilation = {pick({1, 1, 2}), pick({1, 1, 2})};
  c.padding = {pick({0, 1, 2}), pick({0, 1, 2, 5})};
  c.in_h = std::max(pick({1, 2, 5, 8, 13}),
                    (c.kernel_h - 1) * c.dilation.first + 1 - 2 * c.padding.first);
  c.in_w = std::max(pick({1, 2, 5, 9, 17}),
                    (c.kernel_w - 1) * c.dilation.second + 1 - 2 * c.padding.second);
  return c;
}

}  // namespace

TEST_CASE("conv2d and its gradients equal plain loops on every instruction set") {
  const Machine machine;
  std::mt19937 generator(1);
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    for (int i = 0; i < 100; ++i) {
      const Case c = random_case(generator);
      if (i % 2)
        check_case<float>(generator, c);
      else
        check_case<double>(generator, c);
    }
  }
}

TEST_CASE("conv2d covers many strips, wide panels and owned weight gradients") {
  const Machine machine;
  std::mt19937 generator(2);
  check_case<float>(generator, {1, 160, 300, 1, 9, 9, 3, 3, {1, 1}, {1, 1}, {1, 1}});
  check_case<float>(generator, {2, 20, 40, 1, 40, 40, 3, 3, {2, 2}, {1, 1}, {1, 1}});
  check_case<float>(generator, {3, 24, 40, 1, 12, 12, 1, 1, {1, 1}, {0, 0}, {1, 1}});
}

TEST_CASE("conv2d by 3 x 3 filters of many channels: odd sizes, paddings, layouts") {
  const Machine machine;
  std::mt19937 generator(4);
  for (const std::string& isa : available_isas()) {
    REQUIRE(use_isa(isa));
    check_case<float>(generator, {2, 32, 32, 1, 7, 7, 3, 3, {1, 1}, {1, 1}, {1, 1}});
    check_case<double>(generator, {3, 33, 50, 1, 9, 6, 3, 3, {1, 1}, {0, 1}, {1, 1}});
    check_case<float>(generator, {5, 70, 33, 1, 5, 8, 3, 3, {1, 1}, {1, 2}, {1, 1}});
    check_case<float>(generator, {1, 40, 35, 1, 17, 20, 3, 3, {1, 1}, {2, 0}, {1, 1}});
    check_case<double>(generator, {40, 32, 40, 1, 1, 4, 3, 3, {1, 1}, {1, 1}, {1, 1}});
  }
}

TEST_CASE("conv2d computes only the gradients that are asked for") {
  std::mt19937 generator(3);
  const Tensor x = random_tensor(generator, {2, 3, 5, 5}, DType::kFloat32);
  const Tensor w = random_tensor(generator, {4, 3, 3, 3}, DType::kFloat32);
  set_requires_grad(w, true);
  const Tensor y = conv2d(x, w);
  backward(y, ones(y.shape(), DType::kFloat32));
  CHECK(w.impl()->grad);
  CHECK_FALSE(x.impl()->grad);
  // The input was all the gradient needed: the weight may be written to in between.
  const Tensor again = conv2d(x, w);
  written(w);
  CHECK_NOTHROW(backward(again, ones(y.shape(), DType::kFloat32)));
}

TEST_CASE("conv2d with padding same keeps the size, an odd zero after the image") {
  const Tensor x = ones({1, 1, 1, 3}, DType::kFloat64), w = ones({1, 1, 1, 2}, DType::kFloat64);
  const Tensor y = contiguous(conv2d(x, w, {}, {1, 1}, {{0, 0}, "same"}));
  REQUIRE(y.shape() == x.shape());
  CHECK(y.data<double>()[0] == 2);
  CHECK(y.data<double>()[2] == 1);
  CHECK(conv2d(x, w, {}, {1, 1}, {{0, 0}, "valid"}).shape() == Shape{1, 1, 1, 2});
}

TEST_CASE("conv2d takes an empty batch, one image without a batch and expanded input") {
  const Tensor w = ones({2, 3, 3, 3}, DType::kFloat32);
  set_requires_grad(w, true);
  const Tensor none = zeros({0, 3, 4, 4}, DType::kFloat32);
  const Tensor y = conv2d(none, w);
  CHECK(y.shape() == Shape{0, 2, 2, 2});
  backward(y, zeros(y.shape(), DType::kFloat32));
  CHECK(contiguous(*w.impl()->grad).data<float>()[0] == 0);
  CHECK(conv2d(zeros({3, 4, 5}, DType::kFloat32), w).shape() == Shape{2, 2, 3});
  const Tensor wide = conv2d(broadcast_to(ones({1, 3, 1, 1}, DType::kFloat32), {2, 3, 4, 4}), w);
  CHECK(contiguous(wide).data<float>()[5] == 27);
}

TEST_CASE("conv2d names what does not fit") {
  const Tensor x = zeros({8, 4, 32, 32}, DType::kFloat32),
               w = zeros({16, 3, 3, 3}, DType::kFloat32);
  CHECK_THROWS_WITH_AS(conv2d(x, w),
                       "conv2d: weight expects 3 input channels, got 4 "
                       "(input: [8, 4, 32, 32], weight: [16, 3, 3, 3], groups: 1)",
                       ValueError);
  const Tensor fits = zeros({8, 3, 2, 2}, DType::kFloat32);
  CHECK_THROWS_WITH_AS(conv2d(fits, w),
                       "conv2d: the kernel reaches over 3 pixels, the padded input has 2 "
                       "(input: [8, 3, 2, 2], weight: [16, 3, 3, 3])",
                       ValueError);
  CHECK_THROWS_AS(conv2d(fits, w, {}, {0, 1}, {{1, 1}, ""}), ValueError);
  CHECK_THROWS_AS(conv2d(fits, w, {}, {1, 1}, {{-1, 1}, ""}), ValueError);
  CHECK_THROWS_AS(conv2d(fits, w, {}, {2, 2}, {{0, 0}, "same"}), ValueError);
  CHECK_THROWS_AS(conv2d(fits, w, {}, {1, 1}, {{0, 0}, "reflect"}), ValueError);
  CHECK_THROWS_AS(conv2d(fits, w, {}, {1, 1}, {{1, 1}, ""}, {1, 1}, 3), ValueError);
  CHECK_THROWS_AS(conv2d(fits, w, zeros({3}, DType::kFloat32), {1, 1}, {{1, 1}, ""}), ValueError);
  CHECK_THROWS_AS(conv2d(fits, zeros({16, 3, 3, 3}, DType::kFloat64)), TypeError);
}
