// Tensors from nothing: constants, ranges, random numbers.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

Tensor empty_of(const Shape& shape, std::optional<DType> dtype);
Tensor full_of(const Shape& shape, const Scalar& value, std::optional<DType> dtype);
inline Tensor zeros_of(const Shape& shape, std::optional<DType> dtype) {
  count("zeros", shape);
  return zeros(shape, dtype.value_or(kDefaultFloat));
}
inline Tensor ones_of(const Shape& shape, std::optional<DType> dtype) {
  count("ones", shape);
  return ones(shape, dtype.value_or(kDefaultFloat));
}
/// The same with the shape, the memory order and, unless another is given, the dtype of x.
Tensor empty_as(const Tensor& x, std::optional<DType> dtype);
Tensor full_as(const Tensor& x, const Scalar& value, std::optional<DType> dtype);
Tensor zeros_as(const Tensor& x, std::optional<DType> dtype);
Tensor ones_as(const Tensor& x, std::optional<DType> dtype);
Tensor arange(const Scalar& start, std::optional<Scalar> stop, const Scalar& step,
              std::optional<DType> dtype);
Tensor linspace(double start, double stop, int64_t num, std::optional<DType> dtype, bool endpoint);
Tensor eye(int64_t rows, std::optional<int64_t> columns, Diagonal diagonal,
           std::optional<DType> dtype);

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
  op(OpInfo{.name = "empty",
            .signature = "shape, *, dtype=None, device=None",
            .doc = "A tensor of uninitialised memory.",
            .formula = "anything(shape)",
            .samples = "(2, 3); 5; (0, 4)"},
     &empty_of);
  op(OpInfo{.name = "empty_like",
            .signature = "x, /, *, dtype=None, device=None",
            .doc = "Uninitialised memory in the shape of x.",
            .formula = "anything(x.shape)",
            .samples = "randn(2, 3)"},
     &empty_as);
  op(OpInfo{.name = "zeros",
            .signature = "shape, *, dtype=None, device=None",
            .doc = "A tensor filled with zeros.",
            .formula = "zeros(shape)",
            .samples = "(2, 3); 5; ()"},
     &zeros_of);
  op(OpInfo{.name = "zeros_like",
            .signature = "x, /, *, dtype=None, device=None",
            .doc = "Zeros in the shape of x.",
            .formula = "zeros_like(x)",
            .samples = "randn(2, 3)"},
     &zeros_as);
  op(OpInfo{.name = "ones",
            .signature = "shape, *, dtype=None, device=None",
            .doc = "A tensor filled with ones.",
            .formula = "ones(shape)",
            .samples = "(2, 3); 5; ()"},
     &ones_of);
  op(OpInfo{.name = "ones_like",
            .signature = "x, /, *, dtype=None, device=None",
            .doc = "Ones in the shape of x.",
            .formula = "ones_like(x)",
            .samples = "randn(2, 3)"},
     &ones_as);
  op(OpInfo{.name = "full",
            .signature = "shape, fill_value, *, dtype=None, device=None",
            .doc =
                "A tensor filled with one value, whose type gives the dtype unless one is named.",
            .formula = "full(shape, fill_value)",
            .samples = "(2, 3), 2.5; 5, 7; (), True"},
     &full_of);
  op(OpInfo{.name = "full_like",
            .signature = "x, /, fill_value, *, dtype=None, device=None",
            .doc = "One value in the shape and dtype of x.",
            .formula = "full_like(x, fill_value)",
            .samples = "randn(2, 3), 2"},
     &full_as);
  op(OpInfo{.name = "arange",
            .signature = "start, /, stop=None, step=1, *, dtype=None, device=None",
            .doc = "Evenly spaced values from start (0 when only one bound is given) up to, not "
                   "including, stop.",
            .formula = "arange(0, start, step) if stop is None else arange(start, stop, step)",
            .samples = "7; 2, 9; 9, 2, -2; 0.5, 3.0, 0.25"},
     &arange);
  op(OpInfo{.name = "linspace",
            .signature = "start, stop, /, num, *, dtype=None, device=None, endpoint=True",
            .doc = "num evenly spaced values from start to stop.",
            .formula = "linspace(start, stop, num, endpoint=endpoint)",
            .samples = "0.0, 1.0, 7; 2.0, -1.0, 6, endpoint=False; 3.0, 4.0, 1"},
     &linspace);
  op(OpInfo{.name = "eye",
            .signature = "n_rows, n_cols=None, /, *, k=0, dtype=None, device=None",
            .doc = "Ones on diagonal k, zeros elsewhere.",
            .formula = "eye(n_rows, n_cols, k=k)",
            .samples = "4; 3, 5, k=1; 3, 5, k=-2"},
     &eye);
  op(OpInfo{.name = "uniform",
            .signature = "shape, low=0.0, high=1.0, *, dtype=None",
            .doc = "Uniform random numbers in [low, high).",
            .samples = "(3, 4); 37, -1.0, 2.0",
            .random = true},
     &uniform);
  op(OpInfo{.name = "normal",
            .signature = "shape, mean=0.0, std=1.0, *, dtype=None",
            .doc = "Normal random numbers.",
            .samples = "(3, 4); 37, -1.0, 2.0",
            .random = true},
     &normal);
  op(OpInfo{.name = "randint",
            .signature = "low, high, shape",
            .doc = "Uniform random int64 in [low, high).",
            .samples = "-3, 9, (3, 4); 0, 2, 37",
            .random = true},
     &integers);
  op(OpInfo{.name = "randperm",
            .signature = "n",
            .doc = "A random order of 0 to n - 1.",
            .samples = "37",
            .random = true},
     &permutation);
}

}  // namespace lepton
