// Running sums and products along an axis.
// SPDX-License-Identifier: Apache-2.0
#include "autograd/node.h"
#include "core/strided_loop.h"
#include "kernels/dispatch.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {
namespace {

int64_t scan_axis(const char* op, const Tensor& x, std::optional<int64_t> axis) {
  check<ValueError>(axis || x.ndim() == 1, op, ": expects an axis for a tensor of shape ",
                    x.shape());
  check<ValueError>(x.ndim() > 0, op, ": expects at least one axis");
  return axis ? normalize_axis(op, *axis, x.ndim()) : 0;
}

Tensor without_axis(const Tensor& x, int64_t axis) {
  Shape shape = x.shape();
  Strides strides = x.strides();
  shape.erase(axis);
  strides.erase(axis);
  return x.view(shape, strides, x.offset());
}

// y = running op of x; with an initial element, y is one longer and starts with it.
Tensor scan(const ScanKernels& kernel, const Tensor& x, int64_t axis, bool include_initial,
            double initial) {
  Shape shape = x.shape();
  shape[axis] += include_initial;
  Tensor y = empty(shape, x.dtype());
  if (include_initial) copy_into(narrow(y, axis, 0, 1), scalar(initial, x.dtype()));
  if (x.numel() == 0) return y;
  const Tensor to = narrow(y, axis, include_initial, x.shape()[axis]);
  const Tensor rows = without_axis(x, axis), targets = without_axis(to, axis);
  const StridedLoop loop(rows.shape(), {&targets.strides(), &rows.strides()});
  const auto row = kernel.row[index(x.dtype())];
  const int64_t n = x.shape()[axis], size = x.item_size();
  loop.parallel_run(
      std::max<int64_t>(1, (1 << 15) / n), [&](const StridedLoop::Offsets& at, int64_t m) {
        for (int64_t i = 0; i < m; ++i)
          row(n, rows.bytes() + (at[1] + i * loop.inner_stride(1)) * size, x.strides()[axis],
              targets.bytes() + (at[0] + i * loop.inner_stride(0)) * size, to.strides()[axis]);
      });
  return y;
}

DType scan_type(const Tensor& x, std::optional<DType> dtype) {
  if (dtype) return *dtype;
  return is_floating(x.dtype()) ? x.dtype() : DType::kInt64;
}

// dx of one row of a running product: y_i contains x_k for every i >= k.
template <class T>
void product_gradient_row(int64_t n, const T* x, const T* y, const T* dy, T* dx) {
  int64_t zero = 0;
  while (zero < n && x[zero] != 0) ++zero;
  T tail = 0;
  for (int64_t k = zero; k-- > 0;) {
    tail += dy[k] * y[k];
    dx[k] = tail / x[k];
  }
  if (zero == n) return;
  // Past the first zero every product is zero; only that element itself still has a gradient.
  T product = zero > 0 ? y[zero - 1] : T(1), total = 0;
  for (int64_t i = zero; i < n; ++i) {
    if (i > zero) product *= x[i];
    total += dy[i] * product;
  }
  dx[zero] = total;
  for (int64_t k = zero + 1; k < n; ++k) dx[k] = 0;
}

Tensor product_gradient(const Tensor& x, const Tensor& y, const Tensor& dy, int64_t axis) {
  Dims order;
  for (size_t i = 0; i < x.ndim(); ++i)
    if (static_cast<int64_t>(i) != axis) order.push_back(static_cast<int64_t>(i));
  order.push_back(axis);
  const auto last = [&](const Tensor& t) { return contiguous(permute_dims(t.detach(), order)); };
  const Tensor xs = last(x), ys = last(y), dys = last(dy), dxs = empty(xs.shape(), x.dtype());
  const int64_t n = x.shape()[axis], rows = n ? x.numel() / n : 0;
  dispatch_floating("cumulative_prod", x.dtype(), [&]<class T>() {
    parallel_for(0, rows, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(n, 1)),
                 [&](int64_t b, int64_t e) {
                   for (int64_t r = b; r < e; ++r)
                     product_gradient_row(n, xs.data<T>() + r * n, ys.data<T>() + r * n,
                                          dys.data<T>() + r * n, dxs.data<T>() + r * n);
                 });
  });
  Dims back(order.size());
  for (size_t i = 0; i < order.size(); ++i) back[order[i]] = static_cast<int64_t>(i);
  return permute_dims(dxs, back);
}

}  // namespace

Tensor cumulative_sum(const Tensor& x, std::optional<int64_t> axis, std::optional<DType> dtype,
                      bool include_initial) {
  const int64_t a = scan_axis("cumulative_sum", x, axis);
  const DType type = scan_type(x, dtype);
  check<TypeError>(type != DType::kBool, "cumulative_sum: dtype expects a number type, got bool");
  const Tensor y = scan(kernels().reduce->cumulative_sum, cast(x, type), a, include_initial, 0);
  Recorder tape("cumulative_sum", {&x});
  if (!is_floating(type)) return y;
  if (tape)
    tape.vjp(0, [a, include_initial, n = x.shape()[a], from = x.dtype()](const Tensor& dy) {
      const Dims axis{a};
      return cast(flip(cumulative_sum(flip(narrow(dy, a, include_initial, n), axis), a), axis),
                  from);
    });
  return tape.output(y);
}

Tensor cumulative_prod(const Tensor& x, std::optional<int64_t> axis, std::optional<DType> dtype,
                       bool include_initial) {
  const int64_t a = scan_axis("cumulative_prod", x, axis);
  const DType type = scan_type(x, dtype);
  check<TypeError>(type != DType::kBool, "cumulative_prod: dtype expects a number type, got bool");
  const Tensor y = scan(kernels().reduce->cumulative_prod, cast(x, type), a, include_initial, 1);
  Recorder tape("cumulative_prod", {&x});
  if (!is_floating(type)) return y;
  if (tape)
    tape.vjp(0, [a, include_initial, type, x = tape.save(x), y = tape.save(y)](const Tensor& dy) {
      const int64_t n = x->shape()[a];
      return cast(product_gradient(cast(*x, type), narrow(*y, a, include_initial, n),
                                   narrow(dy, a, include_initial, n), a),
                  x->dtype());
    });
  return tape.output(y);
}

}  // namespace lepton
