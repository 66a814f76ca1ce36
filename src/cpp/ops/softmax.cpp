// Softmax along any axis of any dense layout, with its gradient.
// SPDX-License-Identifier: Apache-2.0
#include "ops/softmax.h"

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"
#include "ops/lines.h"

namespace lepton {
namespace {

// The two functions differ in their kernels only.
struct Kind {
  const char* name;
  bool log;
};

template <class T>
void run_forward(const Kind& kind, const Tensor& x, int64_t axis, const Tensor& y) {
  const auto& part = part_of<T>(kernels().softmax);
  const auto kernel = kind.log ? part.log_softmax : part.softmax;
  const FlushDenormals flush;
  lines_in_memory(x, axis).parallel([&](const Lines& at, int64_t offset, int64_t) {
    kernel(at, x.data<T>() + offset, y.data<T>() + offset);
  });
}

template <class T>
void run_gradient(const Kind& kind, const Tensor& y, const Tensor& dy, int64_t axis,
                  const Tensor& dx) {
  const auto& part = part_of<T>(kernels().softmax);
  const auto kernel = kind.log ? part.log_softmax_gradient : part.softmax_gradient;
  const FlushDenormals flush;
  lines_in_memory(y, axis).parallel([&](const Lines& at, int64_t offset, int64_t) {
    kernel(at, y.data<T>() + offset, dy.data<T>() + offset, dx.data<T>() + offset);
  });
}

Tensor softmax_along(const Kind& kind, const Tensor& input, int64_t dim) {
  const int64_t axis = normalize_axis(kind.name, dim, std::max<size_t>(input.ndim(), 1));
  const Tensor x = dense(input);
  const Tensor y = empty_like(x);
  dispatch_floating(kind.name, x.dtype(), [&]<class T>() {
    if (x.numel() > 0) run_forward<T>(kind, x, axis, y);
  });
  Recorder tape(kind.name, {&input});
  if (tape)
    tape.vjp(0, [kind, axis, y = tape.save(y)](const Tensor& upstream) {
      const Tensor dy = laid_out_as(upstream, *y), dx = empty_like(*y);
      dispatch_floating(kind.name, y->dtype(), [&]<class T>() {
        if (dx.numel() > 0) run_gradient<T>(kind, *y, dy, axis, dx);
      });
      return dx;
    });
  return tape.output(y);
}

}  // namespace

Tensor softmax(const Tensor& input, int64_t dim) {
  return softmax_along({"softmax", false}, input, dim);
}
Tensor log_softmax(const Tensor& input, int64_t dim) {
  return softmax_along({"log_softmax", true}, input, dim);
}

}  // namespace lepton
