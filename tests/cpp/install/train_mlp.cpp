// Trains a small network on the two halves of a ring, in C++ alone.
// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <cstdio>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "core/random.h"
#include "ops/create.h"
#include "ops/elementwise.h"
#include "ops/loss.h"
#include "ops/matmul.h"
#include "ops/optimizer.h"

using namespace lepton;

int main() {
  manual_seed(1);
  const Tensor x = normal({256, 2}, 0, 1, DType::kFloat32), target = zeros({256}, DType::kInt64);
  for (int64_t i = 0; i < 256; ++i)
    target.data<int64_t>()[i] = std::hypot(x.data<float>()[2 * i], x.data<float>()[2 * i + 1]) > 1;
  const std::vector<Tensor> params = {
      normal({32, 2}, 0, 0.7, DType::kFloat32), zeros({32}, DType::kFloat32),
      normal({2, 32}, 0, 0.2, DType::kFloat32), zeros({2}, DType::kFloat32)};
  for (const Tensor& p : params) set_requires_grad(p, true);
  double loss = 0;
  for (int step = 0; step < 300; ++step) {
    const Tensor hidden = relu(linear(x, params[0], params[1]));
    const Tensor error = cross_entropy(linear(hidden, params[2], params[3]), target);
    backward(error);
    loss = error.item<double>();
    std::vector<Gradient> grads;
    for (const Tensor& p : params) grads.push_back(*p.impl()->grad);
    const GradMode off(false);
    sgd_step(params, grads, {}, 0.5, 0, 0, 0, false);
    for (const Tensor& p : params) p.impl()->grad = nullptr;
  }
  std::printf("loss %.3f\n", loss);
  return loss < 0.1 ? 0 : 1;
}
