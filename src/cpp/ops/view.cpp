// Views and joins; a gradient of a view is the inverse view of the gradient.
// SPDX-License-Identifier: Apache-2.0
#include "ops/view.h"

#include <array>
#include <numeric>

#include "autograd/node.h"
#include "core/parallel.h"

namespace lepton {
namespace {

// Strides of x in another shape without moving memory, if there are any.
std::optional<Strides> view_strides(const Tensor& x, const Shape& shape) {
  if (x.numel() == 0) return contiguous_strides(shape);
  Strides strides(shape.size(), 1);
  // Blocks of axes that cover the same elements in both shapes are matched from the last axis on.
  size_t i = x.ndim(), j = shape.size();
  while (i > 0) {
    int64_t base = x.strides()[i - 1], have = x.shape()[i - 1];
    if (have == 1) {
      --i;
      continue;
    }
    size_t first = i - 1;
    while (first > 0 && (x.shape()[first - 1] == 1 || x.strides()[first - 1] == base * have)) {
      have *= x.shape()[--first];
    }
    int64_t step = base, covered = 1;
    while (j > 0 && (covered < have || shape[j - 1] == 1)) {
      strides[--j] = step;
      step *= shape[j];
      covered *= shape[j];
    }
    if (covered != have) return std::nullopt;
    i = first;
  }
  return strides;
}

Shape resolve_shape(const Tensor& x, const Shape& shape) {
  Shape result = shape;
  int64_t known = 1, unknown = -1;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1) {
      check<ValueError>(unknown < 0, "reshape: only one length may be -1, got ", shape);
      unknown = static_cast<int64_t>(i);
    } else {
      check<ValueError>(shape[i] >= 0, "reshape: expects lengths of at least 0, got ", shape);
      check<ValueError>(!__builtin_mul_overflow(known, shape[i], &known), "reshape: shape ", shape,
                        " is too large");
    }
  }
  if (unknown >= 0) {
    check<ValueError>(known > 0 && x.numel() % known == 0, "reshape: cannot fit ", x.numel(),
                      " elements of shape ", x.shape(), " into ", shape);
    result[unknown] = x.numel() / known;
  }
  check<ValueError>(count("reshape", result) == x.numel(), "reshape: cannot fit ", x.numel(),
                    " elements of shape ", x.shape(), " into ", shape);
  return result;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& wanted, std::optional<bool> copy) {
  const Shape shape = resolve_shape(x, wanted);
  const auto strides = view_strides(x, shape);
  check<ValueError>(strides || copy != false, "reshape: a tensor of shape ", x.shape(),
                    " and strides ", x.strides(), " cannot become ", shape, " without a copy");
  Tensor y;
  if (strides && copy != true) {
    y = x.view(shape, *strides, x.offset());
  } else {
    Tensor flat = empty(x.shape(), x.dtype());
    copy_into(flat, x);
    y = flat.view(shape, contiguous_strides(shape), 0);
  }
  Recorder tape("reshape", {&x});
  if (tape) tape.vjp(0, [from = x.shape()](const Tensor& dy) { return reshape(dy, from); });
  return tape.output(y);
}

Tensor permute_dims(const Tensor& x, const Dims& axes) {
  check<ValueError>(axes.size() == x.ndim(), "permute_dims: expects ", x.ndim(), " axes for shape ",
                    x.shape(), ", got ", axes);
  const Dims order = normalize_axes("permute_dims", axes, x.ndim());
  Shape shape(order.size());
  Strides strides(order.size());
  Dims back(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    shape[i] = x.shape()[order[i]];
    strides[i] = x.strides()[order[i]];
    back[order[i]] = static_cast<int64_t>(i);
  }
  const Tensor y = x.view(shape, strides, x.offset());
  Recorder tape("permute_dims", {&x});
  if (tape) tape.vjp(0, [back](const Tensor& dy) { return permute_dims(dy, back); });
  return tape.output(y);
}

Tensor matrix_transpose(const Tensor& x) {
  check<ValueError>(x.ndim() >= 2, "matrix_transpose: expects at least 2 axes, got shape ",
                    x.shape());
  Dims axes(x.ndim());
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[x.ndim() - 1], axes[x.ndim() - 2]);
  return permute_dims(x, axes);
}

Tensor sum_to(const Tensor& dx, const Shape& shape, DType dtype);

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  count("broadcast_to", shape);
  check<ValueError>(
      x.ndim() <= shape.size() && broadcast_shapes("broadcast_to", x.shape(), shape) == shape,
      "broadcast_to: shape ", x.shape(), " does not broadcast to ", shape);
  Strides strides(shape.size(), 0);
  const size_t lead = shape.size() - x.ndim();
  for (size_t i = 0; i < x.ndim(); ++i)
    if (x.shape()[i] == shape[lead + i]) strides[lead + i] = x.strides()[i];
  const Tensor y = x.view(shape, strides, x.offset());
  Recorder tape("broadcast_to", {&x});
  if (tape)
    tape.vjp(0, [from = x.shape(), dtype = x.dtype()](const Tensor& dy) {
      return sum_to(dy, from, dtype);
    });
  return tape.output(y);
}

Tensor squeeze(const Tensor& x, const Dims& axis) {
  const Dims axes = normalize_axes("squeeze", axis, x.ndim());
  Shape shape;
  for (size_t i = 0; i < x.ndim(); ++i) {
    const bool named = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    check<ValueError>(!named || x.shape()[i] == 1, "squeeze: axis ", i,
                      " expects length 1, got shape ", x.shape());
    if (!named) shape.push_back(x.shape()[i]);
  }
  return reshape(x, shape);
}

Tensor expand_dims(const Tensor& x, const Dims& axis) {
  const size_t n = x.ndim() + axis.size();
  const Dims axes = normalize_axes("expand_dims", axis, n);
  Shape shape;
  for (size_t i = 0, k = 0; i < n; ++i) {
    const bool named = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    shape.push_back(named ? 1 : x.shape()[k++]);
  }
  return reshape(x, shape);
}

Tensor flip(const Tensor& x, const std::optional<Dims>& axis) {
  const Dims axes = normalize_axes("flip", axis, x.ndim());
  Strides strides = x.strides();
  int64_t offset = x.offset();
  for (int64_t a : axes) {
    offset += strides[a] * std::max<int64_t>(x.shape()[a] - 1, 0);
    strides[a] = -strides[a];
  }
  const Tensor y = x.view(x.shape(), strides, offset);
  Recorder tape("flip", {&x});
  if (tape) tape.vjp(0, [axes](const Tensor& dy) { return flip(dy, axes); });
  return tape.output(y);
}

Tensor slice(const Tensor& x, int64_t axis, int64_t start, int64_t length, int64_t step) {
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape[axis] = length;
  strides[axis] *= step;
  const int64_t offset = x.offset() + (length > 0 ? start * x.strides()[axis] : 0);
  const Tensor y = x.view(shape, strides, offset);
  Recorder tape("slice", {&x});
  if (tape)
    tape.vjp(0, [axis, start, length, step, from = x.shape(),
                 layout = strides_in_order(x.shape(), memory_order(x.shape(), x.strides()))](
                    const Tensor& dy) {
      const Tensor dx = zeros_strided(from, layout, dy.dtype());
      copy_into(slice(dx, axis, start, length, step), dy);
      return dx;
    });
  return tape.output(y);
}

Tensor flatten(const Tensor& x, int64_t start_axis, int64_t end_axis) {
  if (x.ndim() == 0) return reshape(x, {1});
  const int64_t first = normalize_axis("flatten", start_axis, x.ndim());
  const int64_t last = normalize_axis("flatten", end_axis, x.ndim());
  check<ValueError>(first <= last, "flatten: start_dim must not come after end_dim, got ",
                    start_axis, " and ", end_axis);
  Shape shape;
  int64_t product = 1;
  for (int64_t i = 0; i < static_cast<int64_t>(x.ndim()); ++i) {
    if (i < first || i > last)
      shape.push_back(x.shape()[i]);
    else
      product *= x.shape()[i];
    if (i == last) shape.push_back(product);
  }
  return reshape(x, shape);
}

Tensor astype(const Tensor& x, DType dtype, bool copy) {
  if (x.dtype() == dtype) return copy ? lepton::copy(x) : x;
  const Tensor y = cast(x, dtype);
  Recorder tape("astype", {&x});
  if (!is_floating(dtype)) return y;
  if (tape) tape.vjp(0, [from = x.dtype()](const Tensor& dy) { return cast(dy, from); });
  return tape.output(y);
}

Tensor copy(const Tensor& x) {
  Recorder tape("copy", {&x});
  if (tape) tape.vjp(0, [](const Tensor& dy) { return dy; });
  return tape.output(clone(x));
}

namespace {

Tensor concat_along(const std::vector<Tensor>& arrays, int64_t axis) {
  Shape shape = arrays[0].shape();
  DType dtype = arrays[0].dtype();
  for (size_t k = 1; k < arrays.size(); ++k) {
    const Shape& other = arrays[k].shape();
    bool fits = other.size() == shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i)
      fits = static_cast<int64_t>(i) == axis || other[i] == shape[i];
    check<ValueError>(fits, "concat: array ", k, " does not fit along axis ", axis, " (",
                      arrays[0].shape(), " and ", other, ")");
    shape[axis] += other[axis];
    dtype = promote(dtype, arrays[k].dtype());
  }
  const Tensor y = empty(shape, dtype);
  int64_t start = 0;
  for (const Tensor& x : arrays) {
    copy_into(narrow(y, axis, start, x.shape()[axis]), x);
    start += x.shape()[axis];
  }
  return y;
}

}  // namespace

Tensor concat(const std::vector<Tensor>& arrays, std::optional<int64_t> axis) {
  check<ValueError>(!arrays.empty(), "concat: expects at least one array");
  std::vector<Tensor> parts = arrays;
  if (!axis)
    for (Tensor& x : parts) x = reshape(x, {x.numel()});
  const int64_t a = normalize_axis("concat", axis.value_or(0), parts[0].ndim());
  const Tensor y = concat_along(parts, a);
  Recorder tape("concat", parts);
  if (!tape || !is_floating(y.dtype())) return y;
  int64_t start = 0;
  for (size_t k = 0; k < parts.size(); ++k) {
    const int64_t n = parts[k].shape()[a];
    if (tape.needs(k))
      tape.vjp(k, [a, start, n, from = parts[k].dtype()](const Tensor& dy) {
        return cast(narrow(dy, a, start, n), from);
      });
    start += n;
  }
  return tape.output(y);
}

Tensor stack(const std::vector<Tensor>& arrays, int64_t axis) {
  check<ValueError>(!arrays.empty(), "stack: expects at least one array");
  std::vector<Tensor> parts;
  for (const Tensor& x : arrays) {
    check<ValueError>(x.shape() == arrays[0].shape(), "stack: expects arrays of one shape, got ",
                      arrays[0].shape(), " and ", x.shape());
    parts.push_back(expand_dims(x, axis));
  }
  return concat(parts, normalize_axis("stack", axis, arrays[0].ndim() + 1));
}

}  // namespace lepton
