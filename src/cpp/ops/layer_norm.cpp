// Layer normalisation of rows with its gradient.
// SPDX-License-Identifier: Apache-2.0
#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/kernel_part.h"
#include "ops/layout.h"
#include "ops/norm.h"

namespace lepton {
namespace {

constexpr const char* kLayerNorm = "layer_norm";
constexpr int64_t kMaxParts = 64;  // of the sums over rows

struct Rows {
  int64_t count, n;
  // Sums over rows are cut into parts by shape alone.
  int64_t part() const {
    const int64_t least = std::max<int64_t>(1, kTaskElements / std::max<int64_t>(n, 1));
    return std::max(least, (count + kMaxParts - 1) / kMaxParts);
  }
  int64_t parts() const { return (count + part() - 1) / part(); }
};

template <class T>
T* data_or_null(const Tensor& x) {
  return x.defined() ? x.data<T>() : nullptr;
}

template <class T>
void forward(const Rows& rows, const Tensor& x, const Tensor& weight, const Tensor& bias,
             double eps, const Tensor& y, const Tensor& mean, const Tensor& inverse_std) {
  const auto& part = part_of<T>(kernels().norm);
  const int64_t grain = std::max<int64_t>(1, kTaskElements / rows.n);
  const FlushDenormals flush;
  parallel_for(0, rows.count, grain, [&](int64_t begin, int64_t end) {
    const LayerNormRows<T> block{end - begin,
                                 rows.n,
                                 is_streamed(y),
                                 x.data<T>() + begin * rows.n,
                                 data_or_null<T>(weight),
                                 mean.data<T>() + begin,
                                 inverse_std.data<T>() + begin};
    part.layer_norm(block, data_or_null<T>(bias), eps, y.data<T>() + begin * rows.n);
  });
}

// The sum of the rows of parts, added in their order.
Tensor sum_parts(const Tensor& parts, const Tensor& like) {
  Tensor total = zeros(like.shape(), like.dtype());
  if (parts.length(0) > 0)
    kernels().reduce->sum.columns[index(like.dtype())](
        parts.length(0), parts.length(1), parts.bytes(), parts.length(1), total.bytes());
  return total;
}

template <class T>
void backward(const Rows& rows, const Tensor& x, const Tensor& weight, const Tensor& mean,
              const Tensor& inverse_std, const Tensor& bias, const IncomingGradient& incoming,
              Gradients& dx) {
  const auto& part = part_of<T>(kernels().norm);
  const Tensor& dy = incoming.dy;
  const Tensor of_x = incoming.reusable ? dy : empty(x.shape(), x.dtype());
  const Shape sums{rows.parts(), rows.n};
  const bool need_sums = dx.needs(1) || dx.needs(2);
  const Tensor of_weight = need_sums ? zeros(sums, x.dtype()) : Tensor();
  const Tensor of_bias = need_sums ? zeros(sums, x.dtype()) : Tensor();
  const int64_t n = rows.n, length = rows.part();
  const FlushDenormals flush;
  parallel_for(0, rows.parts(), 1, [&](int64_t first, int64_t last) {
    for (int64_t p = first; p < last; ++p) {
      const int64_t begin = p * length, count = std::min(length, rows.count - begin);
      const LayerNormRows<T> block{count,
                                   n,
                                   false,  // two rows at a time past the caches took twice as long
                                   x.data<T>() + begin * n,
                                   data_or_null<T>(weight),
                                   mean.data<T>() + begin,
                                   inverse_std.data<T>() + begin};
      part.layer_norm_gradient(block, dy.data<T>() + begin * n, of_x.data<T>() + begin * n,
                               need_sums ? of_weight.data<T>() + p * n : nullptr,
                               need_sums ? of_bias.data<T>() + p * n : nullptr);
    }
  });
  if (dx.needs(0)) dx[0] = of_x;
  if (dx.needs(1)) dx[1] = sum_parts(of_weight, weight);
  if (dx.needs(2)) dx[2] = sum_parts(of_bias, bias);
}

void check_parameter(const char* name, const Tensor& p, const Tensor& input, const Dims& shape) {
  if (!p.defined()) return;
  check<ValueError>(p.shape() == shape, kLayerNorm, ": ", name, " expects shape ", shape, ", got ",
                    p.shape(), " (input: ", input.shape(), ")");
  check<TypeError>(p.dtype() == input.dtype(), kLayerNorm, ": ", name, " expects ", input.dtype(),
                   ", got ", p.dtype());
}

}  // namespace

Tensor layer_norm(const Tensor& input, const Dims& normalized_shape,
                  const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                  double eps) {
  const size_t axes = normalized_shape.size();
  const bool fits = axes > 0 && axes <= input.ndim() &&
                    Shape(input.shape().end() - axes, input.shape().end()) == normalized_shape;
  check<ValueError>(fits, kLayerNorm, ": input expects last axes of normalized_shape ",
                    normalized_shape, ", got shape ", input.shape());
  check<ValueError>(eps >= 0, kLayerNorm, ": eps expects a number of at least 0, got ", eps);
  const Tensor w = weight.value_or(Tensor()), b = bias.value_or(Tensor());
  check_parameter("weight", w, input, normalized_shape);
  check_parameter("bias", b, input, normalized_shape);
  const Tensor x = contiguous(input), rw = w.defined() ? contiguous(w) : w;
  const int64_t n = count(normalized_shape);
  const Rows rows{n == 0 ? 0 : x.numel() / n, n};
  Tensor y = empty(x.shape(), x.dtype());
  const Tensor mean = empty({rows.count}, x.dtype()), inverse_std = empty({rows.count}, x.dtype());
  dispatch_floating(kLayerNorm, x.dtype(), [&]<class T>() {
    if (rows.count > 0)
      forward<T>(rows, x, rw, b.defined() ? contiguous(b) : b, eps, y, mean, inverse_std);
  });
  Recorder tape(kLayerNorm, {&input, &w, &b});
  if (tape)
    tape.joint([rows, x = tape.save(x), w = tape.save(rw), b = b.defined() ? b.detach() : b, mean,
                inverse_std](const Tensor& upstream, Gradients& dx) {
      dispatch_floating(kLayerNorm, x->dtype(), [&]<class T>() {
        backward<T>(rows, *x, *w, mean, inverse_std, b, IncomingGradient(upstream, *x), dx);
      });
    });
  return tape.output(y);
}

}  // namespace lepton
