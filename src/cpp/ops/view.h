// Views: other shapes and orders of the same memory, each with its gradient.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "ops/op.h"

namespace lepton {

/// One length may be -1. A view where the strides allow it, else a copy; copy=false insists on a
/// view.
Tensor reshape(const Tensor& x, const Shape& shape, std::optional<bool> copy = {});
Tensor permute_dims(const Tensor& x, const Dims& axes);
Tensor matrix_transpose(const Tensor& x);
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor squeeze(const Tensor& x, const Dims& axis);
Tensor expand_dims(const Tensor& x, const Dims& axis);
inline Tensor expand_dims(const Tensor& x, int64_t axis) { return expand_dims(x, Dims{axis}); }
Tensor flip(const Tensor& x, const std::optional<Dims>& axis = {});
/// Elements start, start + step, ... (length of them) of one axis; step may be negative.
Tensor slice(const Tensor& x, int64_t axis, int64_t start, int64_t length, int64_t step);
/// length elements of one axis from start.
inline Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t length) {
  return slice(x, axis, start, length, 1);
}
Tensor flatten(const Tensor& x, int64_t start_axis = 0, int64_t end_axis = -1);
/// A converted copy; the tensor itself where nothing changes and copy is false.
Tensor astype(const Tensor& x, DType dtype, bool copy = true);
/// A copy in the same memory order, with gradient.
Tensor copy(const Tensor& x);
Tensor concat(const std::vector<Tensor>& arrays, std::optional<int64_t> axis = 0);
Tensor stack(const std::vector<Tensor>& arrays, int64_t axis = 0);

template <class Visit>
void visit_view_ops(Visit&& op) {
  op(OpInfo{.name = "reshape",
            .signature = "x, /, shape, *, copy=None",
            .doc = "The same elements in another shape; one length may be -1. A view where the "
                   "memory allows it.",
            .formula = "reshape(x, shape)",
            .samples = "randn(2, 3, 4), shape=(4, -1); randn(6), shape=(2, 3)",
            .onnx = "Reshape"},
     &reshape);
  op(OpInfo{.name = "permute_dims",
            .signature = "x, /, axes",
            .doc = "Axes in another order; a view.",
            .formula = "permute_dims(x, axes)",
            .samples = "randn(2, 3, 4), axes=(2, 0, 1)",
            .onnx = "Transpose"},
     &permute_dims);
  op(OpInfo{.name = "matrix_transpose",
            .signature = "x, /",
            .doc = "The last two axes exchanged; a view.",
            .formula = "matrix_transpose(x)",
            .samples = "randn(2, 3, 4)"},
     &matrix_transpose);
  op(OpInfo{.name = "broadcast_to",
            .signature = "x, /, shape",
            .doc = "Stretched to a shape by the broadcasting rules; a view.",
            .formula = "broadcast_to(x, shape)",
            .samples = "randn(3, 1), shape=(2, 3, 4)",
            .onnx = "Expand"},
     &broadcast_to);
  op(OpInfo{.name = "squeeze",
            .signature = "x, /, axis",
            .doc = "Without the named axes, which must have length 1; a view.",
            .formula = "squeeze(x, axis=axis)",
            .samples = "randn(2, 1, 3, 1), axis=(1, -1)",
            .onnx = "Squeeze"},
     &squeeze);
  op(OpInfo{.name = "expand_dims",
            .signature = "x, /, axis",
            .doc = "With new axes of length 1 at these positions of the result; a view.",
            .formula = "expand_dims(x, axis=axis)",
            .samples = "randn(2, 3), axis=-1; randn(2, 3), axis=(0, 2)",
            .onnx = "Unsqueeze"},
     static_cast<Tensor (*)(const Tensor&, const Dims&)>(&expand_dims));
  op(OpInfo{.name = "astype",
            .signature = "x, dtype, /, *, copy=True, device=None",
            .doc = "Converted to another dtype; with copy=False x itself where it has that dtype "
                   "already.",
            .formula = "x.astype(dtype)",
            .samples = "randn(3, 4), 'float64'; randn(3, 4), 'float32'; randn(3, 4), 'int64'; "
                       "randn(5), 'bool'; "
                       "randint(0, 9, (5,)), 'float32'; randint(0, 9, (5,)), 'uint8', copy=False"},
     &astype);
  op(OpInfo{.name = "flip",
            .signature = "x, /, *, axis=None",
            .doc = "Elements in reverse order along axes (all for None); a view.",
            .formula = "flip(x, axis=axis)",
            .samples = "randn(2, 3); randn(2, 3), axis=(1,)"},
     &flip);
  op(OpInfo{.name = "flatten",
            .signature = "x, start_dim=0, end_dim=-1",
            .doc = "Axes start_dim to end_dim as one; a view where the memory allows it.",
            .formula = "x.reshape(x.shape[:start_dim] + (-1,) + x.shape[end_dim:][1:])",
            .samples = "randn(2, 3, 4), start_dim=1",
            .onnx = "Flatten"},
     &flatten);
  op(OpInfo{.name = "concat",
            .signature = "arrays, /, *, axis=0",
            .doc = "Arrays joined along an axis they have (None: flattened first).",
            .formula = "concatenate(arrays, axis=axis)",
            .samples = "[randn(2, 3), randn(4, 3)]; [randn(2, 3), randn(2, 1)], axis=-1; "
                       "[randn(2), randn(3, 2)], axis=None",
            .onnx = "Concat"},
     &concat);
  op(OpInfo{.name = "stack",
            .signature = "arrays, /, *, axis=0",
            .doc = "Arrays of one shape joined along a new axis.",
            .formula = "stack(arrays, axis=axis)",
            .samples = "[randn(2, 3), randn(2, 3)]; [randn(2, 3), randn(2, 3)], axis=-1"},
     &stack);
}

}  // namespace lepton
