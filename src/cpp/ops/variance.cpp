// Variance and standard deviation, in one pass over memory.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <limits>

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/kernel_part.h"
#include "ops/moments.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {
namespace {

// Elements of a row, and rows and columns of a block, whose moments one kernel call finds: it may
// read them twice, out of a cache.
constexpr int64_t kPart = 4096, kPartRows = 256, kPartColumns = 256;
constexpr int64_t kVarianceElements = 1 << 15;  // elements a thread takes at a time

// Memory as `count` rows of `length` elements, or as so many columns.
struct Outputs {
  Tensor x;
  int64_t count, length;
  bool columns;

  Outputs(const Tensor& input, Dims reduced) {
    const auto strides_fall = [&](int64_t a, int64_t b) {
      return input.strides()[a] > input.strides()[b];
    };
    std::stable_sort(reduced.begin(), reduced.end(), strides_fall);
    Dims kept;
    for (int64_t a = 0; a < static_cast<int64_t>(input.ndim()); ++a)
      if (std::find(reduced.begin(), reduced.end(), a) == reduced.end()) kept.push_back(a);
    const auto joined = [](Dims a, const Dims& b) {
      for (int64_t axis : b) a.push_back(axis);
      return a;
    };
    count = length = 1;
    for (int64_t a : kept) count *= input.shape()[a];
    for (int64_t a : reduced) length *= input.shape()[a];
    x = permute_dims(input.detach(), joined(reduced, kept));
    columns = count > 1 && length > 1 && x.is_contiguous();
    if (!columns) x = contiguous(permute_dims(input.detach(), joined(kept, reduced)));
  }
};

// The moments of each output, merged from those of its parts in their order.
template <class T>
void find_moments(const Outputs& at, const std::function<void(int64_t, const Moments&)>& use) {
  const auto kernel = part_of<T>(kernels().norm).moments;
  const int64_t rows = at.columns ? kPartRows : kPart;
  const int64_t parts = (at.length + rows - 1) / rows;
  const Tensor means = empty({parts, at.count}, at.x.dtype()),
               squares = empty({parts, at.count}, at.x.dtype());
  const int64_t width = at.columns   ? kPartColumns
                        : parts == 1 ? std::max<int64_t>(1, kVarianceElements / at.length)
                                     : 1;
  const int64_t strips = (at.count + width - 1) / width;
  const int64_t part_size = std::min(rows, at.length) * std::min(width, at.count);
  const int64_t grain = std::max<int64_t>(1, kVarianceElements / part_size);
  parallel_for(0, parts * strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t p = task % parts, first = task / parts * width;
      const int64_t length = std::min(rows, at.length - p * rows);
      const int64_t outputs = std::min(width, at.count - first);
      const ChannelBlock block = at.columns ? ChannelBlock{length, outputs, 1, at.count}
                                            : ChannelBlock{1, outputs, length, outputs};
      const int64_t offset =
          at.columns ? p * rows * at.count + first : first * at.length + p * rows;
      const int64_t to = p * at.count + first;
      kernel(block, at.x.data<T>() + offset, means.data<T>() + to, squares.data<T>() + to);
    }
  });
  for (int64_t o = 0; o < at.count; ++o) {
    Moments all;
    for (int64_t p = 0; p < parts; ++p)
      all.merge(static_cast<double>(std::min(rows, at.length - p * rows)),
                static_cast<double>(means.data<T>()[p * at.count + o]),
                static_cast<double>(squares.data<T>()[p * at.count + o]));
    use(o, all);
  }
}

}  // namespace

Tensor var(const Tensor& x, const Axes& axis, double correction, bool keepdims) {
  check<TypeError>(is_floating(x.dtype()), "var: expects a floating dtype, got ", x.dtype());
  const Dims axes = normalize_axes("var", axis, x.ndim());
  const Shape kept = keep_axes(x.shape(), axes);
  double n = 1;
  for (int64_t a : axes) n *= static_cast<double>(x.shape()[a]);
  const double divisor = std::max(n - correction, 0.0);
  const Tensor y = empty(kept, x.dtype()), mean = empty(kept, x.dtype());
  dispatch_floating("var", x.dtype(), [&]<class T>() {
    if (n == 0) std::fill_n(y.data<T>(), y.numel(), std::numeric_limits<T>::quiet_NaN());
    if (x.numel() == 0) return;
    find_moments<T>(Outputs(x, axes), [&](int64_t o, const Moments& m) {
      mean.data<T>()[o] = static_cast<T>(m.mean);
      y.data<T>()[o] = static_cast<T>(m.squares / divisor);
    });
  });
  Shape lacking;
  for (size_t i = 0; i < kept.size(); ++i)
    if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) == axes.end())
      lacking.push_back(kept[i]);
  Recorder tape("var", {&x});
  if (tape)
    tape.vjp(0, [x = tape.save(x), kept, mean, divisor](const Tensor& dy) {
      return multiply(subtract(*x, mean), multiply(reshape(dy, kept), 2 / divisor));
    });
  return tape.output(keepdims ? y : reshape(y, lacking));
}

Tensor std_(const Tensor& x, const Axes& axis, double correction, bool keepdims) {
  return apply<LEPTON_ISA::Sqrt>({var(x, axis, correction, keepdims)});
}

}  // namespace lepton
