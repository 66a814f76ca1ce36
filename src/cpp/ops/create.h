// Tensors from nothing: constants, ranges, random numbers.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

Tensor empty_of(const Shape& shape, std::optional<DType> dtype);
Tensor full_of(const Shape& shape, const Scalar& value, std::optional<DType> dtype);
inline Tensor zeros_of(const Shape& shape, std::optional<DType> dtype) {
  return zeros(shape, dtype.value_or(kDefaultFloat));
}
inline Tensor ones_of(const Shape& shape, std::optional<DType> dtype) {
  return ones(shape, dtype.value_or(kDefaultFloat));
}
/// The same with the shape, the memory order and, unless another is given, the dtype of x.
Tensor empty_as(const Tensor& x, std::optional<DType> dtype);
Tensor full_as(const Tensor& x, const Scalar& value, std::optional<DType> dtype);
Tensor zeros_as(const Tensor& x, std::optional<DType> dtype);
Tensor ones_as(const Tensor& x, std::optional<DType> dtype);
Tensor arange(const Scalar& start, std::optional<Scalar> stop, const Scalar& step, std::optional<DType> dtype);
Tensor linspace(double start, double stop, int64_t num, std::optional<DType> dtype, bool endpoint);
Tensor eye(int64_t rows, std::optional<int64_t> columns, int64_t k, std::optional<DType> dtype);

/// Uniform numbers in [low, high) from the global generator.
Tensor uniform(const Shape& shape, double low, double high, std::optional<DType> dtype);
/// Normal numbers from the global generator.
Tensor normal(const Shape& shape, double mean, double std, std::optional<DType> dtype);
/// Uniform int64 in [low, high) from the global generator.
Tensor integers(int64_t low, int64_t high, const Shape& shape);
/// A random order of 0 .. n-1 from the global generator.
Tensor permutation(int64_t n);

template <class Visit>
void visit_create_ops(Visit&& op) {
  op(OpInfo{.name = "empty", .signature = "shape, *, dtype=None, device=None",
            .doc = "A tensor of uninitialised memory."}, &empty_of);
  op(OpInfo{.name = "empty_like", .signature = "x, /, *, dtype=None, device=None",
            .doc = "Uninitialised memory in the shape of x."}, &empty_as);
  op(OpInfo{.name = "zeros", .signature = "shape, *, dtype=None, device=None",
            .doc = "A tensor filled with zeros."}, &zeros_of);
  op(OpInfo{.name = "zeros_like", .signature = "x, /, *, dtype=None, device=None",
            .doc = "Zeros in the shape of x."}, &zeros_as);
  op(OpInfo{.name = "ones", .signature = "shape, *, dtype=None, device=None",
            .doc = "A tensor filled with ones."}, &ones_of);
  op(OpInfo{.name = "ones_like", .signature = "x, /, *, dtype=None, device=None",
            .doc = "Ones in the shape of x."}, &ones_as);
  op(OpInfo{.name = "full", .signature = "shape, fill_value, *, dtype=None, device=None",
            .doc = "A tensor filled with one value, whose type gives the dtype unless one is named."}, &full_of);
  op(OpInfo{.name = "full_like", .signature = "x, /, fill_value, *, dtype=None, device=None",
            .doc = "One value in the shape and dtype of x."}, &full_as);
  op(OpInfo{.name = "arange", .signature = "start, /, stop=None, step=1, *, dtype=None, device=None",
            .doc = "Evenly spaced values from start (0 when only one bound is given) up to, not including, stop."}, &arange);
  op(OpInfo{.name = "linspace", .signature = "start, stop, /, num, *, dtype=None, device=None, endpoint=True",
            .doc = "num evenly spaced values from start to stop."}, &linspace);
  op(OpInfo{.name = "eye", .signature = "n_rows, n_cols=None, /, *, k=0, dtype=None, device=None",
            .doc = "Ones on diagonal k, zeros elsewhere."}, &eye);
  op(OpInfo{.name = "uniform", .signature = "shape, low=0.0, high=1.0, *, dtype=None",
            .doc = "Uniform random numbers in [low, high)."}, &uniform);
  op(OpInfo{.name = "normal", .signature = "shape, mean=0.0, std=1.0, *, dtype=None",
            .doc = "Normal random numbers."}, &normal);
  op(OpInfo{.name = "randint", .signature = "low, high, shape",
            .doc = "Uniform random int64 in [low, high)."}, &integers);
  op(OpInfo{.name = "randperm", .signature = "n",
            .doc = "A random order of 0 to n - 1."}, &permutation);
}

}  // namespace lepton
