// The Python type Tensor: life cycle, attributes and methods that are not ops.
// SPDX-License-Identifier: Apache-2.0
#include "python/tensor_object.h"

#include <structmember.h>

#include "autograd/engine.h"
#include "autograd/node.h"
#include "ops/view.h"
#include "python/arguments.h"
#include "python/operators.h"

namespace lepton::python {
namespace {

PyTypeObject* type = nullptr;

template <class Body>
PyObject* guarded(Body&& body) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

PyObject* create(PyTypeObject* cls, Tensor tensor) {
  PyObject* self = cls->tp_alloc(cls, 0);
  if (!self) return nullptr;
  new (&reinterpret_cast<TensorObject*>(self)->tensor) Tensor(std::move(tensor));
  return self;
}

PyObject* construct(PyTypeObject* cls, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"data", "dtype", "requires_grad", nullptr};
  PyObject *data = nullptr, *dtype = Py_None;
  int requires_grad = 0;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|Op:Tensor", const_cast<char**>(names), &data,
                                   &dtype, &requires_grad))
    return nullptr;
  return guarded([&] {
    const auto wanted = Argument<std::optional<DType>>::from("Tensor", "dtype", dtype);
    const Tensor x =
        to_tensor("Tensor", data, wanted, is_tensor(data) ? std::nullopt : std::optional(true));
    const Tensor own = x.detach();
    set_requires_grad(own, requires_grad);
    return create(cls, own);
  });
}

void destroy(PyObject* self) {
  PyTypeObject* cls = Py_TYPE(self);
  auto* object = reinterpret_cast<TensorObject*>(self);
  if (object->weak_references) PyObject_ClearWeakRefs(self);
  object->tensor.~Tensor();
  cls->tp_free(self);
  Py_DECREF(cls);
}

PyObject* get_shape(PyObject* self, void*) { return to_python(unwrap(self).shape()); }
PyObject* get_strides(PyObject* self, void*) {
  Dims bytes = unwrap(self).strides();
  for (int64_t& s : bytes) s *= unwrap(self).item_size();
  return to_python(bytes);
}
PyObject* get_dtype(PyObject* self, void*) { return Py_NewRef(dtype_object(unwrap(self).dtype())); }
PyObject* get_ndim(PyObject* self, void*) { return PyLong_FromSize_t(unwrap(self).ndim()); }
PyObject* get_size(PyObject* self, void*) { return PyLong_FromLongLong(unwrap(self).numel()); }
PyObject* get_nbytes(PyObject* self, void*) {
  return PyLong_FromLongLong(unwrap(self).numel() * unwrap(self).item_size());
}
PyObject* get_transpose(PyObject* self, void*) {
  return guarded([&] {
    check<ValueError>(unwrap(self).ndim() == 2, "T: expects 2 axes, got shape ",
                      unwrap(self).shape(), "; use mT or permute_dims");
    return wrap(matrix_transpose(unwrap(self)));
  });
}
PyObject* get_matrix_transpose(PyObject* self, void*) {
  return guarded([&] { return wrap(matrix_transpose(unwrap(self))); });
}
PyObject* get_requires_grad(PyObject* self, void*) {
  return PyBool_FromLong(unwrap(self).requires_grad());
}
int put_requires_grad(PyObject* self, PyObject* value, void*) {
  try {
    set_requires_grad(unwrap(self),
                      Argument<bool>::from("requires_grad", "value", value ? value : Py_None));
    return 0;
  } catch (...) {
    set_python_error();
    return -1;
  }
}
PyObject* get_is_leaf(PyObject* self, void*) { return PyBool_FromLong(unwrap(self).is_leaf()); }
PyObject* get_operation(PyObject* self, void*) {
  const Tensor& x = unwrap(self);
  if (x.is_leaf()) Py_RETURN_NONE;
  return PyUnicode_FromString(static_cast<Node*>(x.impl()->history.get())->op);
}
PyObject* get_grad(PyObject* self, void*) {
  const TensorImpl& x = *unwrap(self).impl();
  if (x.grad) return wrap(*x.grad);
  return guarded([&] { return py::cast(x.grad_rows).release().ptr(); });
}
int put_grad(PyObject* self, PyObject* value, void*) {
  try {
    const Tensor& x = unwrap(self);
    Gradient g;
    if (value && value != Py_None) {
      if (py::isinstance<SparseRows>(value))
        g.rows = py::handle(value).cast<Ref<SparseRows>>();
      else
        g.dense = Argument<Tensor>::from("grad", "value", value);
      check<ValueError>(g.shape() == x.shape(), "grad: expects shape ", x.shape(), ", got ",
                        g.shape());
      check<TypeError>(g.stored().dtype() == x.dtype(), "grad: expects dtype ", x.dtype(), ", got ",
                       g.stored().dtype());
    }
    x.impl()->grad = g.dense.defined() ? std::make_unique<Tensor>(g.dense) : nullptr;
    x.impl()->grad_rows = g.rows;
    return 0;
  } catch (...) {
    set_python_error();
    return -1;
  }
}

PyGetSetDef attributes[] = {
    {"shape", get_shape, nullptr, "Lengths of the axes.", nullptr},
    {"strides", get_strides, nullptr, "Bytes to step along each axis.", nullptr},
    {"dtype", get_dtype, nullptr, "Element type, a NumPy dtype.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of axes.", nullptr},
    {"size", get_size, nullptr, "Number of elements.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"T", get_transpose, nullptr, "The transpose of a matrix; a view.", nullptr},
    {"mT", get_matrix_transpose, nullptr, "The last two axes exchanged; a view.", nullptr},
    {"requires_grad", get_requires_grad, put_requires_grad, "Whether gradients are recorded.",
     nullptr},
    {"is_leaf", get_is_leaf, nullptr, "Whether no recorded op made it.", nullptr},
    {"operation", get_operation, nullptr, "Name of the recorded op that made it, or None.",
     nullptr},
    {"grad", get_grad, put_grad, "Gradient of a leaf after backward, or None.", nullptr},
    {}};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak_references), READONLY, nullptr},
    {}};

Py_hash_t hash(PyObject* self) {
  return static_cast<Py_hash_t>(reinterpret_cast<uintptr_t>(unwrap(self).impl()) >> 4);
}

}  // namespace

PyTypeObject* tensor_type() { return type; }
PyObject* wrap(Tensor tensor) { return create(type, std::move(tensor)); }

void make_tensor_type(py::module_& module) {
  std::vector<PyType_Slot> slots = operator_slots();
  slots.push_back(
      {Py_tp_doc, const_cast<char*>("An n-dimensional array that can record gradients.")});
  slots.push_back({Py_tp_new, reinterpret_cast<void*>(construct)});
  slots.push_back({Py_tp_dealloc, reinterpret_cast<void*>(destroy)});
  slots.push_back({Py_tp_getset, attributes});
  slots.push_back({Py_tp_members, members});
  slots.push_back({Py_tp_hash, reinterpret_cast<void*>(hash)});
  slots.push_back({0, nullptr});
  PyType_Spec spec = {"lepton.Tensor", sizeof(TensorObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots.data()};
  type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  module.attr("Tensor") = py::handle(reinterpret_cast<PyObject*>(type));
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const TypeError& e) {
    PyErr_SetString(PyExc_TypeError, e.what());
  } catch (const IndexError& e) {
    PyErr_SetString(PyExc_IndexError, e.what());
  } catch (const ValueError& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "out of memory");
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
}

}  // namespace lepton::python
