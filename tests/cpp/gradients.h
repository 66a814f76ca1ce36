// What tests of ops with gradients share: central differences, equal bits on all threads, layouts.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "support.h"

namespace lepton {

using Inputs = std::vector<Tensor>;
using Function = std::function<Tensor(const Inputs&)>;

/// The values of x in row-major order, as double.
inline std::vector<double> values(const Tensor& x) {
  const Tensor wide = contiguous(cast(x, DType::kFloat64));
  return {wide.data<double>(), wide.data<double>() + wide.numel()};
}

/// A copy of x whose memory has one axis innermost and the others in their order.
inline Tensor with_axis_innermost(const Tensor& x, int64_t axis) {
  Dims order;
  for (size_t i = 0; i < x.ndim(); ++i)
    if (static_cast<int64_t>(i) != axis) order.push_back(static_cast<int64_t>(i));
  order.push_back(axis);
  const Tensor y = empty_strided(x.shape(), strides_in_order(x.shape(), order), x.dtype());
  copy_into(y, x);
  return y;
}

/// sum(f(inputs) * dy) without history.
inline double weighted_sum(const Function& f, const Inputs& inputs, const std::vector<double>& dy) {
  const GradMode off(false);
  const std::vector<double> y = values(f(inputs));
  double total = 0;
  for (size_t i = 0; i < y.size(); ++i) total += y[i] * dy[i];
  return total;
}

/// The result and the gradients of all inputs.
inline Inputs run_with_gradients(const Function& f, const Inputs& inputs, const Tensor& dy) {
  Inputs leaves;
  for (const Tensor& x : inputs) {
    leaves.push_back(clone(x));
    set_requires_grad(leaves.back(), true);
  }
  const Tensor y = f(leaves);
  backward(y, dy);
  Inputs results{y.detach()};
  for (const Tensor& x : leaves) results.push_back(*x.impl()->grad);
  return results;
}

/// Gradients of f at float64 inputs against central differences; f must be smooth there.
inline void check_gradients(const Function& f, const Inputs& inputs) {
  std::mt19937 generator(7);
  Tensor y;
  {
    const GradMode off(false);
    y = f(inputs);
  }
  const Tensor dy = random_tensor(generator, y.shape());
  const std::vector<double> weights = values(dy);
  const Inputs results = run_with_gradients(f, inputs, dy);
  for (size_t k = 0; k < inputs.size(); ++k) {
    const std::vector<double> gradient = values(results[k + 1]);
    const int64_t n = inputs[k].numel(), step = std::max<int64_t>(1, n / 40);
    for (int64_t i = 0; i < n; i += step) {
      Inputs moved = inputs;
      // Rounding 1e-16 / h and truncation h^2 balance near 1e-5.
      constexpr double kStep = 1e-5;
      double side[2];
      for (int s = 0; s < 2; ++s) {
        moved[k] = clone(contiguous(inputs[k]));
        moved[k].data<double>()[i] += s == 0 ? kStep : -kStep;
        side[s] = weighted_sum(f, moved, weights);
      }
      const double expected = (side[0] - side[1]) / (2 * kStep);
      INFO("input ", k, " element ", i);
      CHECK(gradient[static_cast<size_t>(i)] == doctest::Approx(expected).epsilon(1e-6).scale(1));
    }
  }
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  const Tensor x = contiguous(a), y = contiguous(b);
  return x.shape() == y.shape() && x.dtype() == y.dtype() &&
         (x.numel() == 0 ||
          std::memcmp(x.bytes(), y.bytes(), static_cast<size_t>(x.numel() * x.item_size())) == 0);
}

/// Runs check() on every instruction set.
inline void on_every_isa(const std::function<void()>& check) {
  const Machine machine;
  for (const std::string& isa : available_isas()) {
    use_isa(isa);
    INFO("isa ", isa);
    check();
  }
}

/// Result and gradients have the same bits on 1 and on 4 threads, on every instruction set.
inline void check_threads(const Function& f, const Inputs& inputs) {
  on_every_isa([&] {
    std::mt19937 generator(8);
    set_num_threads(1);
    Tensor y;
    {
      const GradMode off(false);
      y = f(inputs);
    }
    const Tensor dy = random_tensor(generator, y.shape(), y.dtype());
    const Inputs one = run_with_gradients(f, inputs, dy);
    set_num_threads(4);
    const Inputs four = run_with_gradients(f, inputs, dy);
    for (size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], four[i]));
  });
}

/// The first or the second half of x along its first axis.
inline Tensor half(const Tensor& x, int64_t which) {
  Shape shape = x.shape();
  shape[0] /= 2;
  return x.view(shape, x.strides(), x.offset() + which * shape[0] * x.strides()[0]);
}

/// Of a function that treats each sample alone: result and gradient have the bits of the two
/// halves'. For results so large that they are stored in another way.
inline void check_halves(const std::function<Tensor(const Tensor&)>& f, const Tensor& x) {
  const Function of_first = [&](const Inputs& in) { return f(in[0]); };
  on_every_isa([&] {
    std::mt19937 generator(9);
    const Tensor dy = empty_like(f(x));
    copy_into(dy, random_tensor(generator, dy.shape(), dy.dtype()));
    const Inputs whole = run_with_gradients(of_first, {x}, dy);
    for (const int64_t which : {0, 1}) {
      const Inputs part = run_with_gradients(of_first, {half(x, which)}, half(dy, which));
      for (size_t i = 0; i < 2; ++i) CHECK(same_bits(half(whole[i], which), part[i]));
    }
  });
}

/// Every element of y equals `expected`, but for `epsilons` units of y's precision times its
/// magnitude (or 1, where that is larger).
inline void check_close(const Tensor& y, const std::vector<double>& expected, double epsilons) {
  const double unit = y.dtype() == DType::kFloat32 ? 0x1p-24 : 0x1p-53;
  const std::vector<double> got = values(y);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("element ", i, " is ", got[i], ", expected ", expected[i]);
    REQUIRE(std::abs(got[i] - expected[i]) <=
            epsilons * unit * std::max(1.0, std::abs(expected[i])));
  }
}

}  // namespace lepton
