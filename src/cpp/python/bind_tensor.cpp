// Methods of Tensor that are not ops, and the functions that make tensors from other objects.
// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include <unordered_set>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/view.h"
#include "python/arguments.h"
#include "python/bind.h"

namespace lepton::python {
namespace {

std::optional<DType> optional_dtype(const char* op, py::handle object) {
  return Argument<std::optional<DType>>::from(op, "dtype", object.ptr());
}

void backward_from(const Tensor& y, const std::optional<Tensor>& gradient, bool retain_graph) {
  const py::gil_scoped_release released;
  backward(y, gradient.value_or(Tensor()), retain_graph);
}

// The gradient a Python function returned for one input, checked: the engine adds it up unseen.
Tensor check_gradient(const char* op, size_t i, const py::handle& value, const Shape& shape,
                      DType dtype) {
  const Tensor dx = Argument<Tensor>::from(op, "gradient", value.ptr()).detach();
  check<ValueError>(dx.shape() == shape, op, ": the gradient of input ", i, " expects shape ",
                    shape, ", got ", dx.shape());
  return cast(dx, dtype);
}

// Ties y to inputs by a Python function dy -> tuple of gradients (None where there is none). The
// function may rely on `saved` being as they are now.
Tensor record_function(const std::string& op, const std::vector<Tensor>& inputs, const Tensor& y,
                       const py::function& vjp, const std::vector<Tensor>& saved) {
  // The name outlives every node that points to it.
  static auto* names = new std::unordered_set<std::string>;
  const char* name = names->insert(op).first->c_str();
  Recorder tape(name, inputs);
  if (!tape || !is_floating(y.dtype())) return y;
  const std::shared_ptr<py::function> function(new py::function(vjp), [](py::function* f) {
    const py::gil_scoped_acquire lock;
    delete f;
  });
  std::vector<std::pair<Shape, DType>> kinds;
  for (const Tensor& x : inputs) kinds.emplace_back(x.shape(), x.dtype());
  auto kept = std::make_shared<std::vector<Saved>>();
  for (const Tensor& x : saved) kept->push_back(tape.save(x));
  tape.joint([function, name, kinds, kept](const Tensor& dy, Gradients& dx) {
    for (const Saved& x : *kept) x.get();
    const py::gil_scoped_acquire lock;
    const py::object result = (*function)(dy);
    check<TypeError>(py::isinstance<py::tuple>(result), name,
                     ": vjp expects to return a tuple of gradients, got ",
                     Py_TYPE(result.ptr())->tp_name);
    const auto results = py::reinterpret_borrow<py::tuple>(result);
    check<ValueError>(results.size() == kinds.size(), name, ": vjp expects to return ",
                      kinds.size(), " gradients, got ", results.size());
    for (size_t i = 0; i < kinds.size(); ++i)
      if (!py::object(results[i]).is_none() && dx.needs(i))
        dx[i] = check_gradient(name, i, py::object(results[i]), kinds[i].first, kinds[i].second);
  });
  return tape.output(y.detach());
}

template <class Function, class... Extra>
void method(const char* name, Function&& function, const Extra&... extra) {
  const py::handle type(reinterpret_cast<PyObject*>(tensor_type()));
  type.attr(name) = py::cpp_function(std::forward<Function>(function), py::name(name),
                                     py::is_method(type), extra...);
}

void bind_values() {
  method(
      "item", [](const Tensor& x) { return py::reinterpret_steal<py::object>(to_number(x)); },
      "The only element as a Python number.");
  method(
      "_array", [](const Tensor& x) { return to_numpy(x); }, "A NumPy array on the same memory.");
  method(
      "is_contiguous", [](const Tensor& x) { return x.is_contiguous(); },
      "Whether memory is row-major without gaps.");
  method(
      "is_channels_last", [](const Tensor& x) { return x.is_channels_last(); },
      "Whether a tensor with 4 axes lies in memory as N, H, W, C.");
  method(
      "contiguous",
      [](const Tensor& x) {
        if (x.is_contiguous()) return x;
        Recorder tape("contiguous", {&x});
        if (tape) tape.vjp(0, [](const Tensor& dy) { return dy; });
        return tape.output(contiguous(x));
      },
      "The tensor itself if it is row-major, else a row-major copy.");
  method("clone", [](const Tensor& x) { return copy(x); }, "A copy, through which gradients flow.");
  method(
      "copy_",
      [](const py::object& self, const py::object& source) {
        const Tensor& x = unwrap(self.ptr());
        assign("copy_", x, to_tensor("copy_", source.ptr(), std::nullopt, std::nullopt));
        return self;
      },
      py::arg("source"), "Writes source, broadcast and converted, into this tensor.");
  method(
      "fill_",
      [](const py::object& self, double value) {
        const Tensor& x = unwrap(self.ptr());
        assign("fill_", x, scalar(value, x.dtype()));
        return self;
      },
      py::arg("value"), "Writes one value everywhere.");
}

void bind_gradients() {
  method("backward", backward_from, py::arg("gradient") = py::none(),
         py::arg("retain_graph") = false,
         "Adds the gradient of this tensor to the grad of every leaf it was computed from.");
  method(
      "detach", [](const Tensor& x) { return x.detach(); },
      "The same memory without gradient history.");
  method(
      "requires_grad_",
      [](const py::object& self, bool on) {
        set_requires_grad(unwrap(self.ptr()), on);
        return self;
      },
      py::arg("requires_grad") = true, "Sets requires_grad and returns the tensor.");
}

}  // namespace

void bind_tensor(py::module_& module) {
  make_tensor_type(module);
  bind_values();
  bind_gradients();
  module.def(
      "asarray",
      [](const py::object& object, const py::object& dtype, std::optional<bool> copy) {
        return to_tensor("asarray", object.ptr(), optional_dtype("asarray", dtype), copy);
      },
      py::arg("obj"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  module.def(
      "promote_types",
      [](const py::object& a, const py::object& b, const std::string& op) {
        return py::reinterpret_borrow<py::object>(
            dtype_object(promote(to_dtype(op.c_str(), a.ptr()), to_dtype(op.c_str(), b.ptr()))));
      },
      py::arg("a"), py::arg("b"), py::arg("op") = "promote_types");
  module.def("record", record_function, py::arg("op"), py::arg("inputs"), py::arg("output"),
             py::arg("vjp"), py::arg("saved") = std::vector<Tensor>());
}

}  // namespace lepton::python
