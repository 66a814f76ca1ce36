// What the C++ tests share: random tensors, and a machine put back as it was.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <random>
#include <string>

#include "core/parallel.h"
#include "core/tensor.h"
#include "kernels/dispatch.h"

namespace lepton {

/// Restores the instruction set and the number of threads at the end of a test.
struct Machine {
  std::string isa = kernels().isa;
  int threads = num_threads();
  ~Machine() {
    use_isa(isa);
    set_num_threads(threads);
  }
};

/// A row-major tensor of standard normal numbers.
inline Tensor random_tensor(std::mt19937& generator, const Shape& shape,
                            DType dtype = DType::kFloat64) {
  const Tensor x = empty(shape, dtype);
  std::normal_distribution<double> normal;
  dispatch_floating("random_tensor", dtype, [&]<class T>() {
    for (int64_t i = 0; i < x.numel(); ++i) x.data<T>()[i] = static_cast<T>(normal(generator));
  });
  return x;
}

}  // namespace lepton
