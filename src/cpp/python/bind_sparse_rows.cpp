// The Python type SparseRows: gradients of tables, with what optimisers and users need of them.
// SPDX-License-Identifier: Apache-2.0
#include <sstream>

#include "ops/elementwise.h"
#include "python/arguments.h"
#include "python/bind.h"

namespace lepton::python {
namespace {

constexpr const char* kDoc =
    R"(Matrix of which few rows are not zero: row ``indices[k]`` is ``values[k]``.

The gradient of an embedding with ``sparse=True``: rows that were read several times stand there
once, with the sum.

Parameters
----------
indices : Tensor
    int64, ascending, without repetition.
values : Tensor
    The rows, of shape ``(len(indices), shape[1])``.
shape : (int, int)
    Of the whole matrix.

Raises
------
ValueError
    Indices that repeat, do not ascend or lie outside of the matrix; shapes that do not fit.

Examples
--------
>>> import lepton
>>> x = lepton.SparseRows(lepton.tensor([0, 2]), lepton.tensor([[1.0], [5.0]]), (4, 1))
>>> x.to_dense().tolist()
[[1.0], [0.0], [5.0], [0.0]]
)";

Ref<SparseRows> make(const Tensor& indices, const Tensor& values, const py::object& shape) {
  Ref<SparseRows> x(new SparseRows(contiguous(indices.detach()), contiguous(values.detach()),
                                   Argument<Dims>::from("SparseRows", "shape", shape.ptr())));
  check_rows("SparseRows", *x);
  return x;
}

Ref<SparseRows> copy_of(const SparseRows& x, const Tensor& values) {
  return Ref<SparseRows>(new SparseRows(clone(x.indices), values, x.shape));
}

std::string text(const SparseRows& x) {
  std::ostringstream out;
  out << "SparseRows(" << x.indices.numel() << " of " << x.shape[0] << " rows, shape=" << x.shape
      << ", dtype=" << x.values.dtype() << ")";
  return out.str();
}

}  // namespace

void bind_sparse_rows(py::module_& module) {
  py::class_<SparseRows, Ref<SparseRows>> type(module, "SparseRows", kDoc);
  type.attr("__module__") = "lepton";
  type.def(py::init(&make), py::arg("indices"), py::arg("values"), py::arg("shape"));
  type.def_property_readonly("indices", [](const SparseRows& x) { return x.indices; });
  type.def_property_readonly("values", [](const SparseRows& x) { return x.values; });
  type.def_property_readonly("shape", [](const SparseRows& x) {
    return py::reinterpret_steal<py::object>(to_python(x.shape));
  });
  type.def_property_readonly("dtype", [](const SparseRows& x) {
    return py::reinterpret_borrow<py::object>(dtype_object(x.values.dtype()));
  });
  type.def("to_dense", &to_dense, "All rows, as a Tensor.");
  type.def("detach", [](const Ref<SparseRows>& x) { return x; }, "Itself: it has no history.");
  type.def("clone", [](const SparseRows& x) { return copy_of(x, clone(x.values)); }, "A copy.");
  type.def("__neg__", [](const SparseRows& x) { return copy_of(x, negative(x.values)); });
  type.def(
      "zero_",
      [](const Ref<SparseRows>& x) {
        const Shape none{0, x->shape[1]};
        x->become({empty({0}, DType::kInt64), empty(none, x->values.dtype()), x->shape});
        return x;
      },
      "Drops all rows.");
  type.def("__repr__", &text);
}

}  // namespace lepton::python
