// Reductions: one driver over row and column kernels, cut by shape alone.
// SPDX-License-Identifier: Apache-2.0
#include "ops/reduce.h"

#include "autograd/node.h"
#include "core/strided_loop.h"
#include "kernels/dispatch.h"
#include "ops/elementwise.h"
#include "ops/view.h"

namespace lepton {
namespace {

// Reduced elements that one kernel call may add up: bounds the error of sums and gives threads
// work.
constexpr int64_t kReducePart = 4096, kReduceRows = 512;
constexpr int64_t kReduceElements = 1 << 15;
// From so many elements on, a task has this many columns, and more in proportion up to
// kMostColumns: shorter stretches of memory are slow.
constexpr int64_t kLarge = 1 << 20, kTaskColumns = 1024, kMostColumns = 4096;
// Elements of a row and columns that one task searches for an extremum.
constexpr int64_t kArgPart = 1 << 16, kArgColumns = 256;

struct SplitAxes {
  Shape kept, reduced;
  Strides kept_strides, reduced_strides;
};

SplitAxes split_axes(const Tensor& x, const Dims& axes) {
  SplitAxes split;
  for (size_t i = 0; i < x.ndim(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    (reduced ? split.reduced : split.kept).push_back(x.shape()[i]);
    (reduced ? split.reduced_strides : split.kept_strides).push_back(x.strides()[i]);
  }
  return split;
}

// One part of the reduction of one range of outputs.
class PartReducer {
 public:
  PartReducer(const ReduceKernels& op, const Tensor& x, DType result, const StridedLoop& kept,
              const StridedLoop& reduced)
      : row_(op.row[index(x.dtype())]),
        columns_(op.columns[index(x.dtype())]),
        combine_(op.columns[index(result)]),
        x_(x),
        size_(x.item_size()),
        result_size_(item_size(result)),
        kept_(kept),
        reduced_(reduced) {
    row_(0, x.bytes(), 1, identity_);
  }

  // acc[k] = op over reduced elements [begin, end) for outputs [first, last).
  void run(int64_t begin, int64_t end, int64_t first, int64_t last, bool by_columns,
           std::byte* acc) const {
    kept_.run(first, last, [&](const StridedLoop::Offsets& at, int64_t n) {
      const std::byte* x = x_.bytes() + at[1] * size_;
      if (by_columns)
        columns(begin, end, n, x, acc);
      else
        rows(begin, end, n, x, acc);
      acc += n * result_size_;
    });
  }

 private:
  void columns(int64_t begin, int64_t end, int64_t n, const std::byte* x, std::byte* acc) const {
    for (int64_t i = 0; i < n; ++i) std::memcpy(acc + i * result_size_, identity_, result_size_);
    reduced_.run(begin, end, [&](const StridedLoop::Offsets& at, int64_t rows) {
      columns_(rows, n, x + at[0] * size_, reduced_.inner_stride(0), acc);
    });
  }
  void rows(int64_t begin, int64_t end, int64_t n, const std::byte* x, std::byte* acc) const {
    const int64_t step = kept_.inner_stride(1) * size_, stride = reduced_.inner_stride(0);
    const bool single = reduced_.lengths().size() == 1;
    for (int64_t i = 0; i < n; ++i, x += step, acc += result_size_) {
      if (single) {
        row_(end - begin, x + begin * stride * size_, stride, acc);
        continue;
      }
      std::memcpy(acc, identity_, result_size_);
      reduced_.run(begin, end, [&](const StridedLoop::Offsets& at, int64_t m) {
        alignas(8) std::byte part[8];
        row_(m, x + at[0] * size_, stride, part);
        combine_(1, 1, part, 1, acc);
      });
    }
  }

  void (*row_)(int64_t, const void*, int64_t, void*);
  void (*columns_)(int64_t, int64_t, const void*, int64_t, void*);
  void (*combine_)(int64_t, int64_t, const void*, int64_t, void*);
  const Tensor& x_;
  int64_t size_, result_size_;
  const StridedLoop& kept_;
  const StridedLoop& reduced_;
  alignas(8) std::byte identity_[8];
};

// The reduction of x over axes without history; the shape of the result lacks the axes.
Tensor reduce(const ReduceKernels& op, const Tensor& x, const Dims& axes, DType result) {
  const SplitAxes split = split_axes(x, axes);
  const int64_t outputs = count(split.kept), length = count(split.reduced);
  Tensor y = empty(split.kept, result);
  if (outputs == 0) return y;
  const StridedLoop kept(split.kept, {&y.strides(), &split.kept_strides});
  const StridedLoop reduced(split.reduced, {&split.reduced_strides});
  const bool by_columns = kept.inner_stride(1) == 1 && kept.inner_length() > 1 &&
                          !(reduced.inner_stride(0) == 1 && reduced.inner_length() > 1);
  const int64_t part = by_columns ? kReduceRows : kReducePart;
  const int64_t parts = std::max<int64_t>(1, (length + part - 1) / part);
  const PartReducer reducer(op, x, result, kept, reduced);
  const int64_t used = std::max<int64_t>(1, std::min(part, length));
  int64_t chunk = std::max<int64_t>(1, kReduceElements / used);
  if (by_columns)
    chunk = std::max(chunk, std::min(outputs * length / kLarge * kTaskColumns, kMostColumns));
  const int64_t chunks = (outputs + chunk - 1) / chunk, size = item_size(result);
  const int64_t grain = std::max<int64_t>(1, kReduceElements / (used * std::min(chunk, outputs)));
  const Tensor partial = parts == 1 ? y : empty({parts, outputs}, result);
  parallel_for(0, parts * chunks, grain, [&](int64_t b, int64_t e) {
    for (int64_t task = b; task < e; ++task) {
      const int64_t p = task / chunks, first = task % chunks * chunk;
      reducer.run(p * part, std::min(length, (p + 1) * part), first,
                  std::min(outputs, first + chunk), by_columns,
                  partial.bytes() + (p * outputs + first) * size);
    }
  });
  if (parts == 1) return y;
  return reshape(reduce(op, partial, {0}, result), split.kept);
}

Tensor shaped(const Tensor& y, const Tensor& x, const Dims& axes, bool keepdims) {
  return keepdims ? reshape(y, keep_axes(x.shape(), axes)) : y;
}

// dy of a reduction, stretched over what was reduced.
Tensor stretch(const Tensor& dy, const Shape& shape, const Dims& axes) {
  return broadcast_to(reshape(dy, keep_axes(shape, axes)), shape);
}

DType accumulation_type(const Tensor& x, std::optional<DType> dtype) {
  if (dtype) return *dtype;
  return is_floating(x.dtype()) ? x.dtype() : DType::kInt64;
}

Tensor extremum(const char* op, const ReduceKernels& kernel, const Tensor& x, const Axes& axis,
                bool keepdims) {
  check<TypeError>(x.dtype() != DType::kBool, op, ": does not take bool");
  const Dims axes = normalize_axes(op, axis, x.ndim());
  for (int64_t a : axes)
    check<ValueError>(x.shape()[a] > 0, op, ": axis ", a, " has no elements (x: ", x.shape(), ")");
  const Tensor y = shaped(reduce(kernel, x, axes, x.dtype()), x, axes, keepdims);
  Recorder tape(op, {&x});
  if (tape)
    tape.vjp(0, [x = tape.save(x), y = tape.save(y), axes](const Tensor& dy) {
      // Ties share the gradient equally.
      const Tensor hit =
          cast(apply<LEPTON_ISA::Equal>({*x, stretch(*y, x->shape(), axes)}), dy.dtype());
      return multiply(hit,
                      stretch(divide(dy, reshape(sum(hit, axes), dy.shape())), x->shape(), axes));
    });
  return tape.output(y);
}

Tensor truth(const char* op, const ReduceKernels& kernel, const Tensor& x, const Axes& axis,
             bool keepdims) {
  const Dims axes = normalize_axes(op, axis, x.ndim());
  return shaped(reduce(kernel, x, axes, DType::kBool), x, axes, keepdims);
}

// Where the extremum of a row is: of its parts first, then of what they found.
void arg_of_row(void (*kernel)(int64_t, const void*, int64_t, int64_t*), int64_t n,
                const std::byte* x, int64_t stride, int64_t size, int64_t* index) {
  if (n <= kArgPart) return kernel(n, x, stride, index);
  const int64_t parts = (n + kArgPart - 1) / kArgPart;
  std::vector<int64_t> found(static_cast<size_t>(parts));
  const Scratch values(static_cast<size_t>(parts * size));
  parallel_for(0, parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t& at = found[static_cast<size_t>(p)];
      const int64_t first = p * kArgPart;
      kernel(std::min(kArgPart, n - first), x + first * stride * size, stride, &at);
      at += first;
      std::memcpy(values.as<std::byte>() + p * size, x + at * stride * size,
                  static_cast<size_t>(size));
    }
  });
  int64_t best = 0;
  kernel(parts, values.as<std::byte>(), 1, &best);
  *index = found[static_cast<size_t>(best)];
}

Tensor arg_extremum(const char* op, const ArgKernels& kernel, const Tensor& x,
                    std::optional<int64_t> axis, bool keepdims) {
  check<TypeError>(x.dtype() != DType::kBool, op, ": does not take bool");
  const Tensor flat = axis ? x : reshape(x.detach(), {x.numel()});
  const int64_t a = axis ? normalize_axis(op, *axis, x.ndim()) : 0;
  check<ValueError>(flat.shape()[a] > 0, op, ": axis ", a, " has no elements (x: ", x.shape(), ")");
  const SplitAxes split = split_axes(flat, {a});
  Tensor y = empty(split.kept, DType::kInt64);
  const StridedLoop kept(split.kept, {&y.strides(), &split.kept_strides});
  const int64_t length = flat.shape()[a], stride = split.reduced_strides[0];
  const bool by_columns = stride != 1 && kept.inner_stride(1) == 1 && kept.inner_length() > 1;
  const auto row = kernel.row[index(x.dtype())];
  const auto columns = kernel.columns[index(x.dtype())];
  const int64_t outputs = std::max<int64_t>(by_columns ? kArgColumns : 1, kReduceElements / length);
  kept.parallel_run(outputs, [&](const StridedLoop::Offsets& at, int64_t n) {
    const std::byte* from = flat.bytes() + at[1] * flat.item_size();
    int64_t* to = y.data<int64_t>() + at[0];
    if (by_columns) return columns(length, n, from, stride, to);
    for (int64_t i = 0; i < n; ++i)
      arg_of_row(row, length, from + i * kept.inner_stride(1) * flat.item_size(), stride,
                 flat.item_size(), to + i);
  });
  if (!keepdims) return y;
  return reshape(y, axis ? keep_axes(x.shape(), {a}) : Shape(x.ndim(), 1));
}

}  // namespace

Shape keep_axes(const Shape& shape, const Dims& axes) {
  Shape kept = shape;
  for (int64_t a : axes) kept[a] = 1;
  return kept;
}

Tensor sum(const Tensor& x, const Axes& axis, std::optional<DType> dtype, bool keepdims) {
  const Dims axes = normalize_axes("sum", axis, x.ndim());
  const DType type = accumulation_type(x, dtype);
  if (type == DType::kBool) return cast(any(x, axis, keepdims), type);
  const Tensor y =
      shaped(reduce(kernels().reduce->sum, cast(x, type), axes, type), x, axes, keepdims);
  Recorder tape("sum", {&x});
  if (tape && is_floating(type))
    tape.vjp(0, [axes, shape = x.shape(), from = x.dtype()](const Tensor& dy) {
      return cast(stretch(dy, shape, axes), from);
    });
  return is_floating(type) ? tape.output(y) : y;
}

Tensor prod(const Tensor& x, const Axes& axis, std::optional<DType> dtype, bool keepdims) {
  const Dims axes = normalize_axes("prod", axis, x.ndim());
  const DType type = accumulation_type(x, dtype);
  if (type == DType::kBool) return cast(all(x, axis, keepdims), type);
  const Tensor y =
      shaped(reduce(kernels().reduce->prod, cast(x, type), axes, type), x, axes, keepdims);
  Recorder tape("prod", {&x});
  if (!tape || !is_floating(type)) return y;
  tape.vjp(0, [x = tape.save(x), axes, type](const Tensor& dy) {
    // The product of all other elements, from the left and from the right: right also where x is 0.
    Dims order;
    for (size_t i = 0; i < x->ndim(); ++i)
      if (std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) == axes.end())
        order.push_back(static_cast<int64_t>(i));
    const size_t kept = order.size();
    for (int64_t a : axes) order.push_back(a);
    const Tensor moved = permute_dims(cast(*x, type), order);
    int64_t length = 1, outputs = 1;
    for (size_t i = 0; i < order.size(); ++i) (i < kept ? outputs : length) *= moved.shape()[i];
    const Tensor flat = reshape(moved, {outputs, length});
    const auto before = [&](const Tensor& t) {
      return narrow(cumulative_prod(t, 1, {}, true), 1, 0, length);
    };
    const Tensor others = multiply(before(flat), flip(before(flip(flat, Dims{1})), Dims{1}));
    Dims back(order.size());
    for (size_t i = 0; i < order.size(); ++i) back[order[i]] = static_cast<int64_t>(i);
    const Tensor share = permute_dims(reshape(others, moved.shape()), back);
    return cast(multiply(share, stretch(dy, x->shape(), axes)), x->dtype());
  });
  return tape.output(y);
}

Tensor max(const Tensor& x, const Axes& axis, bool keepdims) {
  return extremum("max", kernels().reduce->max, x, axis, keepdims);
}
Tensor min(const Tensor& x, const Axes& axis, bool keepdims) {
  return extremum("min", kernels().reduce->min, x, axis, keepdims);
}

Tensor mean(const Tensor& x, const Axes& axis, bool keepdims) {
  const Dims axes = normalize_axes("mean", axis, x.ndim());
  const DType type = is_floating(x.dtype()) ? x.dtype() : kDefaultFloat;
  double n = 1;
  for (int64_t a : axes) n *= static_cast<double>(x.shape()[a]);
  return divide(sum(x, axes, type, keepdims), n);
}

Tensor any(const Tensor& x, const Axes& axis, bool keepdims) {
  return truth("any", kernels().reduce->any, x, axis, keepdims);
}
Tensor all(const Tensor& x, const Axes& axis, bool keepdims) {
  return truth("all", kernels().reduce->all, x, axis, keepdims);
}
Tensor count_nonzero(const Tensor& x, const Axes& axis, bool keepdims) {
  return sum(cast(cast(x, DType::kBool), DType::kInt64), axis, {}, keepdims);
}

Tensor argmax(const Tensor& x, std::optional<int64_t> axis, bool keepdims) {
  return arg_extremum("argmax", kernels().reduce->arg_max, x, axis, keepdims);
}
Tensor argmin(const Tensor& x, std::optional<int64_t> axis, bool keepdims) {
  return arg_extremum("argmin", kernels().reduce->arg_min, x, axis, keepdims);
}

}  // namespace lepton
