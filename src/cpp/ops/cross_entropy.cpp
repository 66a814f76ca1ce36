// Cross-entropy and negative log-likelihood: one pass over the scores forward, one backward.
// SPDX-License-Identifier: Apache-2.0
#include "autograd/node.h"
#include "ops/class_loss.h"
#include "ops/elementwise.h"
#include "ops/kernel_part.h"
#include "ops/loss.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/view.h"

namespace lepton {
namespace {

constexpr const char* kCrossEntropy = "cross_entropy";
constexpr const char* kNll = "nll_loss";

// What mean divides by, 1 for the other reductions.
double divisor(Reduction reduction, const Tensor& targets, const Tensor& weight) {
  return reduction == Reduction::kMean ? total_weight(targets, weight) : 1.0;
}

// The losses of all lines as one tensor, reduced. Records nothing.
Tensor finish(const Tensor& losses, Reduction reduction, double total) {
  if (reduction == Reduction::kNone) return losses;
  const GradMode off(false);
  const Tensor y = sum(losses);
  return reduction == Reduction::kSum ? y : divide(y, total);
}

// dy of each line, whatever the reduction was, over what the mean divided by.
template <class T>
Tensor line_scales(const Tensor& dy, const Shape& lines, double total) {
  Tensor scale = empty(lines, dy.dtype());
  copy_into(scale, dy);
  if (total != 1) {
    T* s = scale.data<T>();
    for (int64_t i = 0; i < scale.numel(); ++i) s[i] /= static_cast<T>(total);
  }
  return scale;
}

// Label smoothing as the share of each class, for every line alike; undefined without smoothing.
template <class T>
Tensor smooth_shares(double smoothing, const Tensor& weight, int64_t classes, DType dtype) {
  if (smoothing == 0) return {};
  Tensor shares = full({classes}, smoothing / static_cast<double>(classes), dtype);
  if (weight.defined())
    for (int64_t c = 0; c < classes; ++c) shares.data<T>()[c] *= weight.data<T>()[c];
  return shares;
}

// One call with class indices: everything that forward and backward need.
struct IndexLoss {
  LineGrid grid;
  Shape line_shape;
  Tensor targets, weight, smooth;
  double hard;   // share of the label itself: 1 - label_smoothing
  double total;  // divisor of the mean, else 1
  Reduction reduction;

  template <class T>
  T label_share(int64_t line) const {
    const T w = weight.defined() ? weight.data<T>()[targets.data<int64_t>()[line]] : T{1};
    return static_cast<T>(hard) * w;
  }
  template <class T>
  const T* smooth_data() const {
    return smooth.defined() ? smooth.data<T>() : nullptr;
  }
};

template <class T>
Tensor index_losses(const IndexLoss& loss, const Tensor& x, const Tensor& log_sums) {
  Tensor losses = empty(loss.line_shape, x.dtype());
  const auto& part = part_of<T>(kernels().softmax);
  const int64_t* target = loss.targets.data<int64_t>();
  const FlushDenormals flush;
  loss.grid.parallel([&](const Lines& at, int64_t offset, int64_t first) {
    T* log_sum = log_sums.data<T>() + first;
    T* out = losses.data<T>() + first;
    part.log_sum_exp(at, x.data<T>() + offset, loss.smooth_data<T>(), log_sum, out);
    const int64_t next = at.step == 1 ? at.n : 1;
    for (int64_t l = 0; l < at.count; ++l) {
      const int64_t t = target[first + l];
      if (t < 0) {
        out[l] = 0;
        continue;
      }
      const T score = x.data<T>()[offset + l * next + t * at.step];
      const T smoothed = loss.smooth.defined() ? out[l] : T{0};
      out[l] = loss.label_share<T>(first + l) * (log_sum[l] - score) + smoothed;
    }
  });
  return losses;
}

template <class T>
Tensor index_gradient(const IndexLoss& loss, const Tensor& x, const Tensor& log_sums,
                      const Tensor& dy) {
  const Tensor scale = line_scales<T>(dy, loss.line_shape, loss.total);
  const Tensor share = empty(loss.line_shape, x.dtype()), hit = empty(loss.line_shape, x.dtype());
  T spread = 0;
  if (loss.smooth.defined())
    for (int64_t c = 0; c < loss.grid.n; ++c) spread += loss.smooth.data<T>()[c];
  const int64_t* target = loss.targets.data<int64_t>();
  for (int64_t l = 0; l < loss.targets.numel(); ++l) {
    T& s = scale.data<T>()[l];
    if (target[l] < 0) s = 0;
    hit.data<T>()[l] = target[l] < 0 ? T{0} : s * loss.label_share<T>(l);
    share.data<T>()[l] = hit.data<T>()[l] + s * spread;
  }
  const Tensor dx = empty_strided(x.shape(), x.strides(), x.dtype());
  const auto& part = part_of<T>(kernels().softmax);
  const FlushDenormals flush;
  loss.grid.parallel([&](const Lines& at, int64_t offset, int64_t first) {
    const CrossEntropyLines<T> lines{log_sums.data<T>() + first, share.data<T>() + first,
                                     hit.data<T>() + first,      scale.data<T>() + first,
                                     loss.smooth_data<T>(),      target + first};
    part.cross_entropy_gradient(at, x.data<T>() + offset, lines, dx.data<T>() + offset);
  });
  return dx;
}

// The loss of probabilities as targets: sums of -target * log_softmax(input), by composition.
Tensor probability_loss(const Tensor& input, const Tensor& target, const Tensor& weight,
                        Reduction reduction, double smoothing) {
  const int64_t axis = input.ndim() == 1 ? 0 : 1, classes = input.shape()[axis];
  Tensor q = target;
  if (smoothing > 0) q = add(multiply(q, 1 - smoothing), smoothing / static_cast<double>(classes));
  if (weight.defined()) {
    Shape shape(input.ndim(), 1);
    shape[axis] = classes;
    q = multiply(q, reshape(weight, shape));
  }
  const Tensor losses = negative(sum(multiply(q, log_softmax(input, axis)), Dims{axis}));
  return reduce_losses(losses, reduction);
}

template <class T>
Tensor nll_values(const IndexLoss& loss, const Tensor& x) {
  const Tensor losses = empty(loss.line_shape, x.dtype());
  const int64_t* target = loss.targets.data<int64_t>();
  const auto [outer, n, inner, stream] = loss.grid;
  for (int64_t l = 0; l < outer * inner; ++l) {
    const int64_t at = l / inner * n * inner + l % inner + target[l] * inner;
    losses.data<T>()[l] = target[l] < 0 ? T{0} : -loss.label_share<T>(l) * x.data<T>()[at];
  }
  return losses;
}

template <class T>
Tensor nll_gradient(const IndexLoss& loss, const Tensor& dy, Shape shape, Strides strides) {
  const Tensor scale = line_scales<T>(dy, loss.line_shape, loss.total);
  Tensor dx = zeros_strided(std::move(shape), std::move(strides), dy.dtype());
  const int64_t* target = loss.targets.data<int64_t>();
  const auto [outer, n, inner, stream] = loss.grid;
  for (int64_t l = 0; l < outer * inner; ++l)
    if (target[l] >= 0)
      dx.data<T>()[l / inner * n * inner + l % inner + target[l] * inner] =
          -loss.label_share<T>(l) * scale.data<T>()[l];
  return dx;
}

IndexLoss index_loss(const char* op, const ClassScores& scores, const Tensor& input,
                     const Tensor& target, const MaybeTensor& weight, int64_t ignore_index,
                     Reduction reduction) {
  IndexLoss loss;
  loss.grid = scores.grid;
  loss.line_shape = scores.line_shape;
  loss.targets = class_targets(op, scores, input, target, ignore_index);
  loss.weight = class_weights(op, weight, input, scores.grid.n);
  loss.hard = 1;
  loss.total = divisor(reduction, loss.targets, loss.weight);
  loss.reduction = reduction;
  return loss;
}

}  // namespace

Tensor cross_entropy(const Tensor& input, const Tensor& target, const MaybeTensor& weight,
                     int64_t ignore_index, const std::string& reduction, double label_smoothing) {
  const Reduction how = parse_reduction(kCrossEntropy, reduction);
  check<ValueError>(label_smoothing >= 0 && label_smoothing <= 1, kCrossEntropy,
                    ": label_smoothing expects a number from 0 to 1, got ", label_smoothing);
  if (is_floating(target.dtype()) && target.shape() == input.shape() &&
      is_floating(input.dtype()) && input.ndim() > 0)
    return probability_loss(
        input, target, class_weights(kCrossEntropy, weight, input, input.shape()[input.ndim() > 1]),
        how, label_smoothing);
  const ClassScores scores = class_scores(kCrossEntropy, input);
  IndexLoss loss = index_loss(kCrossEntropy, scores, input, target, weight, ignore_index, how);
  loss.hard = 1 - label_smoothing;
  return dispatch_floating(kCrossEntropy, input.dtype(), [&]<class T>() {
    loss.smooth = smooth_shares<T>(label_smoothing, loss.weight, loss.grid.n, input.dtype());
    const Tensor log_sums = empty(loss.line_shape, input.dtype());
    const Tensor y = finish(index_losses<T>(loss, scores.x, log_sums), how, loss.total);
    Recorder tape(kCrossEntropy, {&input});
    if (tape)
      tape.vjp(0, [loss, log_sums, x = tape.save(scores.x)](const Tensor& dy) {
        return index_gradient<T>(loss, *x, log_sums, dy);
      });
    return tape.output(y);
  });
}

Tensor nll_loss(const Tensor& input, const Tensor& target, const MaybeTensor& weight,
                int64_t ignore_index, const std::string& reduction) {
  const Reduction how = parse_reduction(kNll, reduction);
  const ClassScores scores = class_scores(kNll, input);
  const IndexLoss loss = index_loss(kNll, scores, input, target, weight, ignore_index, how);
  return dispatch_floating(kNll, input.dtype(), [&]<class T>() {
    const Tensor y = finish(nll_values<T>(loss, scores.x), how, loss.total);
    Recorder tape(kNll, {&input});
    if (tape)
      tape.vjp(0, [loss, shape = scores.x.shape(), strides = scores.x.strides()](const Tensor& dy) {
        return nll_gradient<T>(loss, dy, shape, strides);
      });
    return tape.output(y);
  });
}

}  // namespace lepton
