// Optimiser steps and gradient clipping against plain loops in double.
// SPDX-License-Identifier: Apache-2.0
#include "ops/optimizer.h"

#include "core/random.h"
#include "gradients.h"
#include "ops/dropout.h"
#include "ops/embedding.h"

namespace {

using namespace lepton;

const Shape kShapes[] = {{3}, {20, 7}, {}, {4, 3, 3, 3}, {40000}, {0, 2}};

std::vector<Tensor> random_list(std::mt19937& generator, DType dtype) {
  std::vector<Tensor> list;
  for (const Shape& shape : kShapes) list.push_back(random_tensor(generator, shape, dtype));
  return list;
}
std::vector<Tensor> zeros_of(const std::vector<Tensor>& like) {
  std::vector<Tensor> list;
  for (const Tensor& x : like) list.push_back(zeros(x.shape(), x.dtype()));
  return list;
}
std::vector<Tensor> clones(const std::vector<Tensor>& xs) {
  std::vector<Tensor> list;
  for (const Tensor& x : xs) list.push_back(clone(x));
  return list;
}

TEST_CASE("sgd_step agrees with plain loops") {
  for (const bool nesterov : {false, true})
    for (const DType dtype : {DType::kFloat32, DType::kFloat64})
      on_every_isa([&] {
        std::mt19937 generator(1);
        std::vector<Tensor> params = random_list(generator, dtype), buffers = zeros_of(params);
        std::vector<std::vector<double>> p, b;
        for (const Tensor& x : params) p.push_back(values(x)), b.push_back(values(zeros_like(x)));
        for (int step = 0; step < 3; ++step) {
          const std::vector<Tensor> grads = random_list(generator, dtype);
          sgd_step(params, {grads.begin(), grads.end()}, buffers, 0.1, 0.9, 0.2, 0.01, nesterov);
          for (size_t k = 0; k < p.size(); ++k)
            for (size_t i = 0; i < p[k].size(); ++i) {
              const double g = values(grads[k])[i] + 0.01 * p[k][i];
              b[k][i] = 0.9 * b[k][i] + 0.8 * g;
              p[k][i] -= 0.1 * (nesterov ? g + 0.9 * b[k][i] : b[k][i]);
              if (k == 4) i += 997;  // a few of the many
            }
        }
        for (size_t k = 0; k < p.size(); ++k)
          if (k != 4) check_close(params[k], p[k], 64);
        CHECK(values(params[4])[0] == doctest::Approx(p[4][0]).epsilon(1e-5));
        CHECK(values(params[4])[39920] == doctest::Approx(p[4][39920]).epsilon(1e-5));
      });
}

TEST_CASE("adam_step agrees with plain loops, decoupled or not") {
  for (const bool decoupled : {false, true})
    for (const DType dtype : {DType::kFloat32, DType::kFloat64})
      on_every_isa([&] {
        std::mt19937 generator(2);
        std::vector<Tensor> params{random_tensor(generator, {37}, dtype)};
        std::vector<Tensor> m = zeros_of(params), v = zeros_of(params);
        std::vector<double> p = values(params[0]), a(37), s(37);
        for (int64_t step = 1; step <= 4; ++step) {
          const Tensor grad = random_tensor(generator, {37}, dtype);
          adam_step(params, {grad}, m, v, step, 0.01, 0.9, 0.99, 1e-8, 0.1, decoupled);
          for (size_t i = 0; i < 37; ++i) {
            const double g = values(grad)[i] + (decoupled ? 0 : 0.1 * p[i]);
            if (decoupled) p[i] *= 1 - 0.01 * 0.1;
            a[i] = 0.9 * a[i] + 0.1 * g;
            s[i] = 0.99 * s[i] + 0.01 * g * g;
            const double power = static_cast<double>(step);
            p[i] -= 0.01 * a[i] / (1 - std::pow(0.9, power)) /
                    (std::sqrt(s[i] / (1 - std::pow(0.99, power))) + 1e-8);
          }
        }
        check_close(params[0], p, 64);
        check_close(m[0], a, 64);
        check_close(v[0], s, 64);
      });
}

TEST_CASE("steps follow parameters of any layout") {
  std::mt19937 generator(3);
  const Tensor start = random_tensor(generator, {4, 3, 5, 5}),
               grad = random_tensor(generator, {4, 3, 5, 5});
  const std::vector<Tensor> plain{clone(start)}, buffers{zeros_like(start)};
  sgd_step(plain, {grad}, buffers, 0.1, 0.9, 0, 0, false);
  const Tensor wide = zeros({4, 6, 5, 5}, DType::kFloat64);
  const Tensor gaps = wide.view({4, 3, 5, 5}, {150, 50, 5, 1}, 0);  // every second channel
  copy_into(gaps, start);
  for (const Tensor& param : {channels_last(start), gaps}) {
    const std::vector<Tensor> again{zeros_like(start)};
    const Tensor p = param.impl() == start.impl() ? clone(start) : param;
    sgd_step({p}, {grad}, again, 0.1, 0.9, 0, 0, false);
    CHECK(same_bits(p, plain[0]));
    CHECK(same_bits(again[0], buffers[0]));
  }
  CHECK(values(wide.view({4, 3, 5, 5}, {150, 50, 5, 1}, 25)) == std::vector<double>(300));
}

TEST_CASE("clip_grad_norm scales to the limit and not below it") {
  on_every_isa([] {
    std::mt19937 generator(4);
    const std::vector<Tensor> grads = random_list(generator, DType::kFloat64);
    double total = 0;
    for (const Tensor& g : grads)
      for (double x : values(g)) total += x * x;
    const double norm = std::sqrt(total);
    const std::vector<Tensor> kept = clones(grads), clipped = clones(grads);
    CHECK(clip_grad_norm({kept.begin(), kept.end()}, INFINITY) ==
          doctest::Approx(norm).epsilon(1e-12));
    CHECK(same_bits(kept[4], grads[4]));
    CHECK(clip_grad_norm({clipped.begin(), clipped.end()}, 2, 0) ==
          doctest::Approx(norm).epsilon(1e-12));
    CHECK(clip_grad_norm({clipped.begin(), clipped.end()}, INFINITY) ==
          doctest::Approx(2).epsilon(1e-12));
  });
}

TEST_CASE("steps and norms have the same bits for any number of threads") {
  on_every_isa([] {
    std::vector<Tensor> results[2];
    double norms[2];
    for (int run = 0; run < 2; ++run) {
      set_num_threads(run == 0 ? 1 : 4);
      std::mt19937 generator(5);
      const std::vector<Tensor> params = random_list(generator, DType::kFloat32);
      const std::vector<Tensor> tensors = random_list(generator, DType::kFloat32);
      const std::vector<Gradient> grads(tensors.begin(), tensors.end());
      norms[run] = clip_grad_norm(grads, 1);
      adam_step(params, grads, zeros_of(params), zeros_of(params), 1, 0.1, 0.9, 0.99, 1e-8, 0,
                false);
      results[run] = params;
    }
    CHECK(norms[0] == norms[1]);
    for (size_t i = 0; i < results[0].size(); ++i) CHECK(same_bits(results[0][i], results[1][i]));
  });
}

TEST_CASE("steps refuse lists that do not fit and mark what they wrote") {
  const Tensor p = ones({3}, DType::kFloat32), g = ones({3}, DType::kFloat32);
  CHECK_THROWS_AS(sgd_step({p}, {}, {}, 0.1, 0, 0, 0, false), ValueError);
  CHECK_THROWS_AS(sgd_step({p}, {ones({4}, DType::kFloat32)}, {}, 0.1, 0, 0, 0, false), ValueError);
  CHECK_THROWS_AS(sgd_step({p}, {ones({3}, DType::kFloat64)}, {}, 0.1, 0, 0, 0, false), TypeError);
  CHECK_THROWS_AS(adam_step({p}, {g}, {g}, {g}, 0, 0.1, 0.9, 0.9, 1e-8, 0, false), ValueError);
  CHECK_THROWS_AS(clip_grad_norm({g}, -1), ValueError);
  const int64_t before = p.storage().version();
  sgd_step({p}, {g}, {}, 0.1, 0, 0, 0, false);
  CHECK(p.storage().version() > before);
}

TEST_CASE("embedding adds up gradients in order and skips the padding row") {
  std::mt19937 generator(6);
  const Tensor table = random_tensor(generator, {70, 20}), indices = empty({30, 10}, DType::kInt64);
  for (int64_t i = 0; i < 300; ++i) indices.data<int64_t>()[i] = i * i % 70;
  on_every_isa([&] {
    check_gradients([&](const Inputs& in) { return embedding(indices, in[0]); }, {table});
  });
  check_threads([&](const Inputs& in) { return embedding(indices, in[0]); }, {clone(table)});
  const Inputs padded =
      run_with_gradients([&](const Inputs& in) { return embedding(indices, in[0], -66); }, {table},
                         ones({30, 10, 20}, DType::kFloat64));
  for (int64_t c = 0; c < 20; ++c) CHECK(padded[1].data<double>()[4 * 20 + c] == 0);
  CHECK_THROWS_WITH_AS(
      embedding(from_integers({1, 70}), table),
      "embedding: index 70 at position [1] is out of bounds for 70 rows (input: [2])", IndexError);
}

TEST_CASE("dropout draws the same mask backward, on any number of threads") {
  on_every_isa([] {
    Tensor first;
    for (const int threads : {1, 4}) {
      set_num_threads(threads);
      manual_seed(3);
      const Inputs r = run_with_gradients([](const Inputs& in) { return dropout(in[0], 0.25); },
                                          {ones({500, 333}, DType::kFloat32)},
                                          ones({500, 333}, DType::kFloat32));
      CHECK(same_bits(r[0], r[1]));
      if (first.defined()) CHECK(same_bits(first, r[0]));
      first = r[0];
    }
    double zeros_seen = 0;
    for (double v : values(first)) zeros_seen += v == 0;
    // Six standard deviations of 166500 draws.
    CHECK(zeros_seen / 166500 == doctest::Approx(0.25).epsilon(0.026));
  });
}

}  // namespace
