// Methods of Tensor that are not ops, and the functions that make tensors from other objects.
// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

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

// Ties y to inputs by a Python function dy -> tuple of gradients (None where there is none).
Tensor record_function(const std::string& op, const std::vector<Tensor>& inputs, const Tensor& y,
                       const py::function& vjp) {
  // The name outlives every node that points to it.
  static py::dict names;
  const py::str key(op);
  if (!names.contains(key)) names[key] = py::capsule(strdup(op.c_str()));
  const char* name = py::reinterpret_borrow<py::capsule>(names[key]).get_pointer<char>();
  Recorder tape(name, inputs);
  if (!tape) return y;
  const std::shared_ptr<py::function> function(new py::function(vjp), [](py::function* f) {
    const py::gil_scoped_acquire lock;
    delete f;
  });
  tape.joint([function, name](const Tensor& dy, Gradients& dx) {
    const py::gil_scoped_acquire lock;
    const py::tuple results = (*function)(dy);
    for (size_t i = 0; i < results.size(); ++i)
      if (!results[i].is_none() && dx.needs(i))
        dx[i] = Argument<Tensor>::from(name, "gradient", py::object(results[i]).ptr()).detach();
  });
  return tape.output(y.detach());
}

template <class Function, class... Extra>
void method(const char* name, Function&& function, const Extra&... extra) {
  const py::handle type(reinterpret_cast<PyObject*>(tensor_type()));
  type.attr(name) = py::cpp_function(std::forward<Function>(function), py::name(name), py::is_method(type), extra...);
}

void bind_values() {
  method("item", [](const Tensor& x) { return py::reinterpret_steal<py::object>(to_number(x)); },
         "The only element as a Python number.");
  method("_array", [](const Tensor& x) { return to_numpy(x); }, "A NumPy array on the same memory.");
  method("is_contiguous", [](const Tensor& x) { return x.is_contiguous(); }, "Whether memory is row-major without gaps.");
  method("is_channels_last", [](const Tensor& x) { return x.is_channels_last(); },
         "Whether a tensor with 4 axes lies in memory as N, H, W, C.");
  method("contiguous", [](const Tensor& x) {
    if (x.is_contiguous()) return x;
    Recorder tape("contiguous", {&x});
    if (tape) tape.vjp(0, [](const Tensor& dy) { return dy; });
    return tape.output(contiguous(x));
  }, "The tensor itself if it is row-major, else a row-major copy.");
  method("clone", [](const Tensor& x) { return copy(x); }, "A copy, through which gradients flow.");
  method("copy_", [](const py::object& self, const py::object& source) {
    const Tensor& x = unwrap(self.ptr());
    assign("copy_", x, to_tensor("copy_", source.ptr(), std::nullopt, std::nullopt));
    return self;
  }, py::arg("source"), "Writes source, broadcast and converted, into this tensor.");
  method("fill_", [](const py::object& self, double value) {
    const Tensor& x = unwrap(self.ptr());
    assign("fill_", x, scalar(value, x.dtype()));
    return self;
  }, py::arg("value"), "Writes one value everywhere.");
}

void bind_gradients() {
  method("backward", backward_from, py::arg("gradient") = py::none(), py::arg("retain_graph") = false,
         "Adds the gradient of this tensor to the grad of every leaf it was computed from.");
  method("detach", [](const Tensor& x) { return x.detach(); }, "The same memory without gradient history.");
  method("requires_grad_", [](const py::object& self, bool on) {
    set_requires_grad(unwrap(self.ptr()), on);
    return self;
  }, py::arg("requires_grad") = true, "Sets requires_grad and returns the tensor.");
}

}  // namespace

void bind_tensor(py::module_& module) {
  make_tensor_type(module);
  bind_values();
  bind_gradients();
  module.def("asarray", [](const py::object& object, const py::object& dtype, std::optional<bool> copy) {
    return to_tensor("asarray", object.ptr(), optional_dtype("asarray", dtype), copy);
  }, py::arg("obj"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("copy") = py::none());
  module.def("astype", [](const Tensor& x, const py::object& dtype, bool copy) {
    return astype(x, to_dtype("astype", dtype.ptr()), copy);
  });
  module.def("empty", [](const py::object& shape, const py::object& dtype) {
    const Shape lengths = Argument<Dims>::from("empty", "shape", shape.ptr());
    return empty(lengths, optional_dtype("empty", dtype).value_or(kDefaultFloat));
  });
  module.def("promote_types", [](const py::object& a, const py::object& b) {
    return py::reinterpret_borrow<py::object>(
        dtype_object(promote(to_dtype("result_type", a.ptr()), to_dtype("result_type", b.ptr()))));
  });
  module.def("record", record_function, py::arg("op"), py::arg("inputs"), py::arg("output"), py::arg("vjp"));
}

}  // namespace lepton::python
