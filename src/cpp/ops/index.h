// Reading and writing by index: slices, integer arrays, boolean masks, take.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <variant>

#include "ops/op.h"

namespace lepton {

/// One entry of an index expression.
struct Ellipsis {};
struct NewAxis {};
struct Slice {
  std::optional<int64_t> start, stop;
  int64_t step = 1;
};
using IndexItem = std::variant<int64_t, Slice, Ellipsis, NewAxis, Tensor>;
using Index = std::vector<IndexItem>;

/// x[index] as NumPy reads it: a view for integers and slices, a copy where an array takes part.
Tensor get_index(const Tensor& x, const Index& index);
/// x[index] = value, broadcast and converted; recorded where x or value takes gradients.
void set_index(const Tensor& x, const Index& index, const Tensor& value);
/// target's memory = value, broadcast and converted; recorded where one of them takes gradients.
void assign(const char* op, const Tensor& target, const Tensor& value);

Tensor take(const Tensor& x, const Tensor& indices, std::optional<int64_t> axis = {});
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis = -1);
/// The indices of non-zero elements, one int64 tensor per axis.
std::vector<Tensor> nonzero(const Tensor& x);

template <class Visit>
void visit_index_ops(Visit&& op) {
  op(OpInfo{.name = "take",
            .signature = "x, indices, /, *, axis=None",
            .doc = "Elements of x at one-dimensional indices along an axis (needed unless x has "
                   "one axis). "
                   "IndexError names an index out of bounds.",
            .formula = "take(x, indices, axis=axis)",
            .samples = "randn(5), randint(0, 5, (3,)); randn(4, 5, 2), randint(-5, 5, (7,)), "
                       "axis=1; randn(4, 3), randint(0, 4, (6,)), axis=0",
            .onnx = "Gather"},
     &take);
  op(OpInfo{.name = "take_along_axis",
            .signature = "x, indices, /, *, axis=-1",
            .doc = "Elements of x at indices along an axis; indices has x's other axes or "
                   "broadcasts to them.",
            .formula = "take_along_axis(x, indices, axis=axis)",
            .samples =
                "randn(4, 5), randint(0, 5, (4, 3)); randn(4, 5), randint(-4, 4, (2, 5)), axis=0",
            .onnx = "GatherElements"},
     &take_along_axis);
  op(OpInfo{.name = "nonzero",
            .signature = "x, /",
            .doc = "Indices of the elements that are not zero: one int64 tensor per axis, in "
                   "row-major order.",
            .formula = "nonzero(x)",
            .samples = "randbool(3, 4); randint(0, 2, (5,))"},
     &nonzero);
}

}  // namespace lepton
