// Constants, ranges and random numbers.
// SPDX-License-Identifier: Apache-2.0
#include "ops/create.h"

#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "core/random.h"
#include "kernels/dispatch.h"

namespace lepton {
namespace {

DType default_type(const Scalar& s) {
  if (s.kind == Scalar::Kind::kBool) return DType::kBool;
  return s.kind == Scalar::Kind::kInteger ? DType::kInt64 : kDefaultFloat;
}
double as_double(const Scalar& s) {
  return s.kind == Scalar::Kind::kFloat ? s.value : static_cast<double>(s.integer);
}

DType floating(const char* op, std::optional<DType> dtype) {
  const DType type = dtype.value_or(kDefaultFloat);
  check<TypeError>(is_floating(type), op, ": dtype expects float32 or float64, got ", type);
  return type;
}

}  // namespace

Tensor empty_of(const Shape& shape, std::optional<DType> dtype) {
  return empty(shape, dtype.value_or(kDefaultFloat));
}

namespace {

// Writes one value everywhere; op names who asked.
Tensor fill(const char* op, const Tensor& y, const Scalar& value) {
  const DType type = y.dtype();
  check<TypeError>(value.kind != Scalar::Kind::kFloat || is_floating(type), op,
                   ": a float does not fit into ", type);
  if (value.kind == Scalar::Kind::kInteger && is_integral(type)) {
    dispatch(type, [&]<class T>() {
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        check<ValueError>(std::in_range<T>(value.integer), op, ": ", value.integer,
                          " does not fit into ", type);
        std::fill_n(y.data<T>(), y.numel(), static_cast<T>(value.integer));
      }
    });
    return y;
  }
  copy_into(y, scalar(as_double(value), type));
  return y;
}

}  // namespace

Tensor full_of(const Shape& shape, const Scalar& value, std::optional<DType> dtype) {
  count("full", shape);
  return fill("full", empty(shape, dtype.value_or(default_type(value))), value);
}
Tensor empty_as(const Tensor& x, std::optional<DType> dtype) {
  return empty_like(x, dtype.value_or(x.dtype()));
}
Tensor full_as(const Tensor& x, const Scalar& value, std::optional<DType> dtype) {
  return fill("full_like", empty_as(x, dtype), value);
}
Tensor zeros_as(const Tensor& x, std::optional<DType> dtype) {
  return fill("zeros_like", empty_as(x, dtype), {Scalar::Kind::kInteger, 0, 0});
}
Tensor ones_as(const Tensor& x, std::optional<DType> dtype) {
  return fill("ones_like", empty_as(x, dtype), {Scalar::Kind::kInteger, 0, 1});
}

namespace {

// Integers are counted exactly: a double holds them only up to 2^53.
Tensor arange_integers(int64_t start, int64_t stop, int64_t step, DType type) {
  using Wide = __int128;
  const Wide span = step > 0 ? Wide(stop) - start : Wide(start) - stop;
  const Wide stride = step > 0 ? Wide(step) : -Wide(step);
  const Wide n = span > 0 ? (span + stride - 1) / stride : 0;
  check<ValueError>(n < Wide(1) << 50, "arange: from ", start, " to ", stop, " in steps of ", step,
                    " has too many elements");
  Tensor y = empty({static_cast<int64_t>(n)}, type);
  dispatch(type, [&]<class T>() {
    const auto at = [&](Wide i) { return static_cast<int64_t>(start + i * step); };
    if constexpr (std::is_integral_v<T>) {
      using Range = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
      check<ValueError>(n == 0 || (std::in_range<Range>(at(0)) && std::in_range<Range>(at(n - 1))),
                        "arange: values from ", start, " to ", stop, " do not fit into ", type);
    }
    T* p = y.data<T>();
    for (int64_t i = 0; i < y.numel(); ++i) p[i] = static_cast<T>(at(i));
  });
  return y;
}

}  // namespace

Tensor arange(const Scalar& first, std::optional<Scalar> last, const Scalar& step,
              std::optional<DType> dtype) {
  const Scalar zero{Scalar::Kind::kInteger, 0, 0};
  const Scalar start = last ? first : zero, stop = last ? *last : first;
  const double a = as_double(start), b = as_double(stop), s = as_double(step);
  check<ValueError>(s != 0 && std::isfinite(s) && std::isfinite(a) && std::isfinite(b),
                    "arange: expects finite bounds and a step that is not zero, got ", a, ", ", b,
                    ", ", s);
  const bool integral = start.kind != Scalar::Kind::kFloat && stop.kind != Scalar::Kind::kFloat &&
                        step.kind != Scalar::Kind::kFloat;
  const DType type = dtype.value_or(integral ? DType::kInt64 : kDefaultFloat);
  check<TypeError>(type != DType::kBool, "arange: dtype expects a number type, got bool");
  if (integral) return arange_integers(start.integer, stop.integer, step.integer, type);
  check<TypeError>(is_floating(type), "arange: float bounds or steps do not fit into ", type);
  const double n = std::ceil((b - a) / s);
  check<ValueError>(n < 1e15, "arange: ", n, " elements are too many");
  Tensor y = empty({std::max<int64_t>(0, static_cast<int64_t>(n))}, type);
  dispatch_floating("arange", type, [&]<class T>() {
    T* p = y.data<T>();
    for (int64_t i = 0; i < y.numel(); ++i) p[i] = static_cast<T>(a + static_cast<double>(i) * s);
  });
  return y;
}

Tensor linspace(double start, double stop, int64_t num, std::optional<DType> dtype, bool endpoint) {
  check<ValueError>(num >= 0, "linspace: num expects at least 0, got ", num);
  const DType type = dtype.value_or(kDefaultFloat);
  check<TypeError>(is_floating(type), "linspace: dtype expects float32 or float64, got ", type);
  Tensor y = empty({num}, type);
  const double steps = static_cast<double>(endpoint ? num - 1 : num);
  dispatch_floating("linspace", type, [&]<class T>() {
    T* p = y.data<T>();
    for (int64_t i = 0; i < num; ++i) {
      const double t = steps > 0 ? static_cast<double>(i) / steps : 0;
      p[i] = static_cast<T>(t == 1 ? stop : start + t * (stop - start));
    }
  });
  return y;
}

Tensor eye(int64_t rows, std::optional<int64_t> columns, Diagonal diagonal,
           std::optional<DType> dtype) {
  const int64_t cols = columns.value_or(rows), k = diagonal.k;
  check<ValueError>(rows >= 0 && cols >= 0, "eye: expects lengths of at least 0, got ", rows,
                    " and ", cols);
  Tensor y = zeros({rows, cols}, dtype.value_or(kDefaultFloat));
  if (k >= cols || k <= -rows) return y;
  dispatch(y.dtype(), [&]<class T>() {
    for (int64_t i = std::max<int64_t>(0, -k); i < rows && i + k < cols; ++i)
      y.data<T>()[i * cols + i + k] = T(1);
  });
  return y;
}

Tensor uniform(const Shape& shape, double low, double high, std::optional<DType> dtype) {
  check<ValueError>(low <= high, "uniform: expects low <= high, got ", low, " and ", high);
  const Tensor y = empty(shape, floating("uniform", dtype));
  const RandomState state = take_random(y.numel());
  const auto kernel = kernels().random->uniform[y.dtype() == DType::kFloat64];
  parallel_for(0, y.numel(), kTaskElements, [&](int64_t b, int64_t e) {
    kernel(e - b, state.seed, state.counter + b, y.bytes() + b * y.item_size(), low, high);
  });
  return y;
}

Tensor normal(const Shape& shape, double mean, double std, std::optional<DType> dtype) {
  check<ValueError>(std >= 0, "normal: std expects at least 0, got ", std);
  const Tensor y = empty(shape, floating("normal", dtype));
  const RandomState state = take_random(y.numel());
  const auto kernel = kernels().random->normal[y.dtype() == DType::kFloat64];
  parallel_for(0, y.numel(), kTaskElements, [&](int64_t b, int64_t e) {
    kernel(e - b, state.seed, state.counter + b, y.bytes() + b * y.item_size(), mean, std);
  });
  return y;
}

Tensor integers(int64_t low, int64_t high, const Shape& shape) {
  check<ValueError>(low < high, "randint: expects low < high, got ", low, " and ", high);
  const Tensor y = empty(shape, DType::kInt64);
  const RandomState state = take_random(y.numel());
  parallel_for(0, y.numel(), kTaskElements, [&](int64_t b, int64_t e) {
    kernels().random->integers(e - b, state.seed, state.counter + b, y.data<int64_t>() + b, low,
                               high);
  });
  return y;
}

Tensor permutation(int64_t n) {
  check<ValueError>(n >= 0, "randperm: n expects at least 0, got ", n);
  const Tensor y = empty({n}, DType::kInt64);
  int64_t* p = y.data<int64_t>();
  std::iota(p, p + n, 0);
  const RandomState state = take_random(n);
  for (int64_t i = n - 1; i > 0; --i) {
    int64_t j;
    kernels().random->integers(1, state.seed, state.counter + i, &j, 0, i + 1);
    std::swap(p[i], p[j]);
  }
  return y;
}

}  // namespace lepton
