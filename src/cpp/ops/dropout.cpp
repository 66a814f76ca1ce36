// Dropout: the mask is a function of the random state, so backward draws it again.
// SPDX-License-Identifier: Apache-2.0
#include "ops/dropout.h"

#include "autograd/node.h"
#include "core/parallel.h"
#include "core/random.h"
#include "kernels/dispatch.h"
#include "ops/layout.h"

namespace lepton {
namespace {

constexpr const char* kDropout = "dropout";

// The masked x, element by element of memory.
Tensor masked(const Tensor& x, RandomState state, double p) {
  const Tensor y = empty_strided(x.shape(), x.strides(), x.dtype());
  const auto kernel = kernels().random->dropout[x.dtype() == DType::kFloat64];
  const int64_t size = x.item_size();
  parallel_for(0, x.numel(), kTaskElements, [&](int64_t begin, int64_t end) {
    kernel(end - begin, state.seed, state.counter + static_cast<uint64_t>(begin),
           x.bytes() + begin * size, y.bytes() + begin * size, p);
  });
  return y;
}

}  // namespace

Tensor dropout(const Tensor& input, double p, bool training) {
  check<ValueError>(p >= 0 && p <= 1, kDropout, ": p expects a probability from 0 to 1, got ", p);
  check<TypeError>(is_floating(input.dtype()), kDropout, ": input expects float32 or float64, got ",
                   input.dtype());
  if (!training || p == 0) return input;
  const Tensor x = dense(input);
  const RandomState state = take_random(x.numel());
  Recorder tape(kDropout, {&input});
  if (tape)
    tape.vjp(0, [state, p, strides = x.strides()](const Tensor& dy) {
      return masked(laid_out(dy, strides), state, p);
    });
  return tape.output(masked(x, state, p));
}

}  // namespace lepton
