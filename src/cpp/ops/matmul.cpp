// Matrix products of stacks with broadcasting, the linear layer, and their gradients.
// SPDX-License-Identifier: Apache-2.0
#include "ops/matmul.h"

#include <algorithm>
#include <type_traits>

#include "autograd/node.h"
#include "core/parallel.h"
#include "ops/elementwise.h"
#include "ops/packed_matrix.h"
#include "ops/reduce.h"
#include "ops/view.h"

namespace lepton {
namespace {

// Work for one task when many small products share the threads.
constexpr double kTaskFlops = 2e5;
// Products whose weight is kept packed.
constexpr int64_t kMostKeptRows = 512, kKeptElements = 1 << 14;

template <class T>
MatrixView<T> matrix(const Tensor& x, int64_t offset = 0) {
  const size_t n = x.ndim();
  return {x.data<T>() + offset, x.strides()[n - 2], x.strides()[n - 1]};
}

// Integers wrap around as in NumPy, which only unsigned arithmetic may do.
template <class T>
void integer_product(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, T* c) {
  using U = std::make_unsigned_t<T>;
  parallel_for(0, m, std::max<int64_t>(1, 65536 / std::max<int64_t>(1, n * k)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   std::fill(c + i * n, c + (i + 1) * n, T(0));
                   for (int64_t p = 0; p < k; ++p) {
                     const U s = static_cast<U>(a.data[i * a.row + p * a.column]);
                     for (int64_t j = 0; j < n; ++j) {
                       const U t = static_cast<U>(b.data[p * b.row + j * b.column]);
                       c[i * n + j] = static_cast<T>(static_cast<U>(c[i * n + j]) + s * t);
                     }
                   }
                 }
               });
}

template <class T>
void one_product(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, T* c) {
  if constexpr (std::is_floating_point_v<T>)
    gemm_blocked<T>({m, n, k, a, b, c, n});
  else
    integer_product<T>(m, n, k, a, b, c);
}

// Offset of the matrix of x that belongs to a place in the broadcast stack.
int64_t stack_offset(const Tensor& x, const Shape& stack, int64_t place) {
  int64_t offset = 0;
  const size_t axes = x.ndim() - 2;
  for (size_t i = 0; i < stack.size(); ++i) {
    const size_t axis = stack.size() - 1 - i;
    const int64_t at = place % stack[axis];
    place /= stack[axis];
    if (i < axes && x.shape()[axes - 1 - i] != 1) offset += at * x.strides()[axes - 1 - i];
  }
  return offset;
}

// The product of two stacks of matrices of one dtype, row-major. Records nothing.
Tensor product(const Tensor& a, const Tensor& b) {
  const int64_t m = a.length(-2), k = a.length(-1), n = b.length(-1);
  const Shape stack = broadcast_shapes("matmul", Shape(a.shape().begin(), a.shape().end() - 2),
                                       Shape(b.shape().begin(), b.shape().end() - 2));
  Shape shape = stack;
  shape.push_back(m);
  shape.push_back(n);
  const Tensor c = empty(shape, a.dtype());
  const int64_t places = count(stack);
  dispatch(a.dtype(), [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) {
      const auto run = [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          one_product<T>(m, n, k, matrix<T>(a, stack_offset(a, stack, i)),
                         matrix<T>(b, stack_offset(b, stack, i)), c.data<T>() + i * m * n);
      };
      // Few products are cut inside, many are spread over the threads whole.
      if (places < 2 * num_threads())
        run(0, places);
      else
        parallel_for(0, places, std::max<int64_t>(1, kTaskFlops / (2.0 * m * n * k + 1)), run);
    }
  });
  return c;
}

Tensor transposed(const Tensor& x) {
  Shape shape = x.shape();
  Strides strides = x.strides();
  const size_t n = x.ndim();
  std::swap(shape[n - 1], shape[n - 2]);
  std::swap(strides[n - 1], strides[n - 2]);
  return x.view(shape, strides, x.offset());
}

// All axes but the last as one, without moving memory.
bool collapses(const Tensor& x) {
  for (size_t i = 0; i + 2 < x.ndim(); ++i)
    if (x.strides()[i] != x.strides()[i + 1] * x.shape()[i + 1]) return false;
  return true;
}

// x as rows of its last axis, copied only if it must be. Records nothing.
Tensor as_rows(const Tensor& x) {
  const Tensor dense = collapses(x) ? x : contiguous(x);
  const int64_t columns = x.length(-1), column = dense.strides().back();
  if (x.ndim() == 1) return dense.view({1, columns}, {columns, column}, dense.offset());
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < x.ndim(); ++i) rows *= x.shape()[i];
  return dense.view({rows, columns}, {dense.strides()[x.ndim() - 2], column}, dense.offset());
}

// The product with a view of a weight. In prediction, where a weight stands for many calls, its
// packed copy is kept; tall products pack it at little cost, and pack their rows as well.
template <class T>
void multiply_weight(const GemmCall<T>& call, const Tensor& weight, bool keep) {
  if (keep && call.m <= kMostKeptRows && call.k * call.n >= kKeptElements)
    if (const auto b = PackedMatrix<T>::kept(call.k, call.n, call.b, call.m, weight))
      return b->multiply(
          {.m = call.m, .a = call.a, .c = call.c, .c_row = call.c_row, .bias = call.bias});
  gemm_blocked(call);
}

void check_matmul(const Tensor& x1, const Tensor& x2) {
  check<TypeError>(x1.dtype() != DType::kBool && x2.dtype() != DType::kBool,
                   "matmul: expects numbers, got ", x1.dtype(), " and ", x2.dtype());
  check<ValueError>(x1.ndim() > 0 && x2.ndim() > 0,
                    "matmul: expects at least 1 axis in each argument (x1: ", x1.shape(),
                    ", x2: ", x2.shape(), ")");
  const int64_t k = x2.ndim() == 1 ? x2.length(0) : x2.length(-2);
  check<ValueError>(x1.length(-1) == k, "matmul: x1 has ", x1.length(-1), " columns and x2 has ", k,
                    " rows (x1: ", x1.shape(), ", x2: ", x2.shape(), ")");
}

}  // namespace

Tensor matmul(const Tensor& x1, const Tensor& x2) {
  check_matmul(x1, x2);
  // A stack times one matrix is one tall product, and so is the gradient of that matrix.
  if (x1.ndim() > 2 && x2.ndim() == 2 && collapses(x1)) {
    Shape shape = x1.shape();
    shape[x1.ndim() - 1] = x2.length(-1);
    const int64_t rows = count(Shape(shape.begin(), shape.end() - 1));
    return reshape(matmul(reshape(x1, {rows, x1.length(-1)}), x2), shape);
  }
  const DType type = promote(x1.dtype(), x2.dtype());
  const auto as_matrices = [type](const Tensor& x, bool row) {
    const Tensor t = cast(x, type);
    if (t.ndim() > 1) return t;
    const int64_t n = t.length(0), s = t.strides()[0];
    return row ? t.view({1, n}, {n * s, s}, t.offset()) : t.view({n, 1}, {s, n * s}, t.offset());
  };
  const Tensor a = as_matrices(x1, true), b = as_matrices(x2, false);
  const Tensor c = product(a, b);
  Tensor y = c;
  if (x1.ndim() == 1 || x2.ndim() == 1) {
    Shape shape = c.shape();
    if (x2.ndim() == 1) shape.erase(shape.size() - 1);
    if (x1.ndim() == 1) shape.erase(shape.size() - (x2.ndim() == 1 ? 1 : 2));
    y = c.view(shape, contiguous_strides(shape), 0);
  }
  Recorder tape("matmul", {&x1, &x2});
  if (tape.needs(0))
    tape.vjp(0, [as_matrices, x2 = tape.save(x2), from = x1.shape(), of = a.shape(), to = c.shape(),
                 dtype = x1.dtype()](const Tensor& dy) {
      const Tensor dx = product(reshape(dy, to), transposed(as_matrices(*x2, false)));
      return reshape(sum_to(dx, of, dtype), from);
    });
  if (tape.needs(1))
    tape.vjp(1, [as_matrices, x1 = tape.save(x1), from = x2.shape(), of = b.shape(), to = c.shape(),
                 dtype = x2.dtype()](const Tensor& dy) {
      const Tensor dx = product(transposed(as_matrices(*x1, true)), reshape(dy, to));
      return reshape(sum_to(dx, of, dtype), from);
    });
  return tape.output(y);
}

Tensor linear(const Tensor& input, const Tensor& weight, const std::optional<Tensor>& bias) {
  check<ValueError>(weight.ndim() == 2 && input.ndim() > 0 && input.length(-1) == weight.length(1),
                    "linear: expects input [..., in] and weight [out, in] (input: ", input.shape(),
                    ", weight: ", weight.shape(), ")");
  check<TypeError>(input.dtype() == weight.dtype() && (!bias || bias->dtype() == weight.dtype()),
                   "linear: expects one dtype (input: ", input.dtype(),
                   ", weight: ", weight.dtype(), ", bias: ", bias ? name(bias->dtype()) : "none",
                   ")");
  const int64_t out = weight.length(0);
  check<ValueError>(!bias || (bias->ndim() == 1 && bias->length(0) == out),
                    "linear: bias expects [", out, "], got ", bias ? bias->shape() : Shape());
  Shape shape = input.shape();
  shape[input.ndim() - 1] = out;
  const Tensor y = empty(shape, input.dtype()), x = as_rows(input);
  const Tensor b = bias ? contiguous(*bias) : Tensor();
  const Tensor none;
  Recorder tape("linear", {&input, &weight, bias ? &*bias : &none});
  dispatch_floating("linear", input.dtype(), [&]<class T>() {
    multiply_weight<T>({x.length(0), out, x.length(1), matrix<T>(x), matrix<T>(weight).transposed(),
                        y.data<T>(), out, bias ? b.data<T>() : nullptr},
                       weight, !tape);
  });
  if (tape.needs(0))
    tape.vjp(0, [weight = tape.save(weight), from = input.shape()](const Tensor& dy) {
      return reshape(product(as_rows(dy), *weight), from);
    });
  if (tape.needs(1))
    tape.vjp(1, [input = tape.save(input)](const Tensor& dy) {
      return product(transposed(as_rows(dy)), as_rows(*input));
    });
  if (tape.needs(2)) tape.vjp(2, [](const Tensor& dy) { return sum(as_rows(dy), Dims{0}); });
  return tape.output(y);
}

}  // namespace lepton
