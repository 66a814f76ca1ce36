// Reductions, scans and searches along axes.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

using Axes = std::optional<Dims>;

Tensor sum(const Tensor& x, const Axes& axis = {}, std::optional<DType> dtype = {},
           bool keepdims = false);
Tensor prod(const Tensor& x, const Axes& axis = {}, std::optional<DType> dtype = {},
            bool keepdims = false);
Tensor max(const Tensor& x, const Axes& axis = {}, bool keepdims = false);
Tensor min(const Tensor& x, const Axes& axis = {}, bool keepdims = false);
Tensor mean(const Tensor& x, const Axes& axis = {}, bool keepdims = false);
Tensor var(const Tensor& x, const Axes& axis = {}, double correction = 0, bool keepdims = false);
Tensor std_(const Tensor& x, const Axes& axis = {}, double correction = 0, bool keepdims = false);
Tensor any(const Tensor& x, const Axes& axis = {}, bool keepdims = false);
Tensor all(const Tensor& x, const Axes& axis = {}, bool keepdims = false);
Tensor count_nonzero(const Tensor& x, const Axes& axis = {}, bool keepdims = false);
Tensor argmax(const Tensor& x, std::optional<int64_t> axis = {}, bool keepdims = false);
Tensor argmin(const Tensor& x, std::optional<int64_t> axis = {}, bool keepdims = false);
Tensor cumulative_sum(const Tensor& x, std::optional<int64_t> axis = {},
                      std::optional<DType> dtype = {}, bool include_initial = false);
Tensor cumulative_prod(const Tensor& x, std::optional<int64_t> axis = {},
                       std::optional<DType> dtype = {}, bool include_initial = false);

/// shape with length 1 along axes.
Shape keep_axes(const Shape& shape, const Dims& axes);

template <class Visit>
void visit_reduce_ops(Visit&& op) {
  constexpr const char* kSamples =
      "randn(3, 4, 5); randn(3, 4, 5), axis=1; randn(3, 4, 5), axis=(0, -1), keepdims=True; "
      "randn(), axis=()";
  op(OpInfo{.name = "sum",
            .signature = "x, /, *, axis=None, dtype=None, keepdims=False",
            .doc = "Sum along axes; bool and small integers are summed as int64.",
            .formula = "sum(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples,
            .onnx = "ReduceSum"},
     &sum);
  op(OpInfo{.name = "prod",
            .signature = "x, /, *, axis=None, dtype=None, keepdims=False",
            .doc = "Product along axes; bool and small integers are multiplied as int64.",
            .formula = "prod(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples,
            .onnx = "ReduceProd"},
     &prod);
  op(OpInfo{.name = "max",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Largest element along axes; NaN if there is one. ValueError where there is no "
                   "element.",
            .formula = "max(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples,
            .onnx = "ReduceMax"},
     &max);
  op(OpInfo{.name = "min",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Smallest element along axes; NaN if there is one. ValueError where there is no "
                   "element.",
            .formula = "min(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples,
            .onnx = "ReduceMin"},
     &min);
  op(OpInfo{.name = "mean",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Arithmetic mean along axes; NaN where there is no element.",
            .formula = "mean(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples,
            .onnx = "ReduceMean"},
     &mean);
  op(OpInfo{.name = "var",
            .signature = "x, /, *, axis=None, correction=0.0, keepdims=False",
            .doc = "Variance along axes: the sum of squared distances from the mean over n - "
                   "correction.",
            .formula = "var(x, axis=axis, ddof=correction, keepdims=keepdims)",
            .samples = "randn(3, 4, 5); randn(3, 4, 5), axis=1, correction=1.0; randn(3, 4), "
                       "axis=(0, -1), keepdims=True"},
     &var);
  op(OpInfo{.name = "std",
            .signature = "x, /, *, axis=None, correction=0.0, keepdims=False",
            .doc = "Standard deviation along axes: the square root of var.",
            .formula = "std(x, axis=axis, ddof=correction, keepdims=keepdims)",
            .samples = "randn(3, 4, 5); randn(3, 4, 5), axis=1, correction=1.0; randn(3, 4), "
                       "axis=(0, -1), keepdims=True"},
     &std_);
  op(OpInfo{.name = "any",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Whether any element along axes is true (not zero).",
            .formula = "any(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples},
     &any);
  op(OpInfo{.name = "all",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Whether all elements along axes are true (not zero).",
            .formula = "all(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples},
     &all);
  op(OpInfo{.name = "count_nonzero",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Number of elements along axes that are not zero, as int64.",
            .formula = "count_nonzero(x, axis=axis, keepdims=keepdims)",
            .samples = kSamples},
     &count_nonzero);
  op(OpInfo{.name = "argmax",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Index of the first largest element along an axis (of the flattened tensor for "
                   "None).",
            .formula = "argmax(x, axis=axis, keepdims=keepdims)",
            .samples =
                "randn(3, 4, 5); randn(3, 4, 5), axis=1; randn(3, 4), axis=-1, keepdims=True",
            .onnx = "ArgMax"},
     &argmax);
  op(OpInfo{.name = "argmin",
            .signature = "x, /, *, axis=None, keepdims=False",
            .doc = "Index of the first smallest element along an axis (of the flattened tensor for "
                   "None).",
            .formula = "argmin(x, axis=axis, keepdims=keepdims)",
            .samples =
                "randn(3, 4, 5); randn(3, 4, 5), axis=1; randn(3, 4), axis=-1, keepdims=True",
            .onnx = "ArgMin"},
     &argmin);
  op(OpInfo{.name = "cumulative_sum",
            .signature = "x, /, *, axis=None, dtype=None, include_initial=False",
            .doc = "Running sum along an axis; include_initial puts a zero in front.",
            .formula = "cumulative_sum(x, axis=axis, include_initial=include_initial)",
            .samples =
                "randn(5); randn(3, 4, 5), axis=1; randn(3, 4), axis=-1, include_initial=True",
            .onnx = "CumSum"},
     &cumulative_sum);
  op(OpInfo{.name = "cumulative_prod",
            .signature = "x, /, *, axis=None, dtype=None, include_initial=False",
            .doc = "Running product along an axis; include_initial puts a one in front.",
            .formula = "cumulative_prod(x, axis=axis, include_initial=include_initial)",
            .samples =
                "randn(5); randn(3, 4, 5), axis=1; randn(3, 4), axis=-1, include_initial=True"},
     &cumulative_prod);
}

}  // namespace lepton
