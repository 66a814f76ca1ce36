// The Python object around a tensor, and conversions between Python values and C++ arguments.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <pybind11/pybind11.h>

#include "core/sparse_rows.h"
#include "core/tensor.h"
#include "ops/op.h"

PYBIND11_DECLARE_HOLDER_TYPE(T, lepton::Ref<T>, true)

namespace lepton::python {

namespace py = pybind11;

struct TensorObject {
  PyObject_HEAD Tensor tensor;
  PyObject* weak_references;
};

/// The type lepton.Tensor, once make_tensor_type has run.
PyTypeObject* tensor_type();
void make_tensor_type(py::module_& module);

inline bool is_tensor(PyObject* object) { return PyObject_TypeCheck(object, tensor_type()); }
inline const Tensor& unwrap(PyObject* object) {
  return reinterpret_cast<TensorObject*>(object)->tensor;
}
/// A new reference to a new Python object.
PyObject* wrap(Tensor tensor);

/// The NumPy dtype object of d, borrowed; dtypes of Lepton are NumPy's own.
PyObject* dtype_object(DType d);
/// The dtype that a NumPy dtype, scalar type or name stands for; TypeError naming op otherwise.
DType to_dtype(const char* op, PyObject* object);

/// A tensor from a tensor, array, buffer, number or nested sequence. Shares memory where copy is
/// false or none and it can; ValueError when copy is false and it cannot.
Tensor to_tensor(const char* op, PyObject* object, std::optional<DType> dtype,
                 std::optional<bool> copy);
/// A NumPy array on the same memory.
py::object to_numpy(const Tensor& x);
/// The Python number (or nested lists of numbers) a tensor holds.
PyObject* to_number(const Tensor& x);

/// Index expressions as NumPy reads them.
PyObject* get_item(PyObject* self, PyObject* key);
int set_item(PyObject* self, PyObject* key, PyObject* value);

/// Turns the exception in flight into a Python error; call inside catch (...).
void set_python_error() noexcept;

}  // namespace lepton::python

namespace pybind11::detail {
template <>
struct type_caster<lepton::Tensor> {
  PYBIND11_TYPE_CASTER(lepton::Tensor, const_name("Tensor"));
  bool load(handle source, bool) {
    if (!lepton::python::is_tensor(source.ptr())) return false;
    value = lepton::python::unwrap(source.ptr());
    return true;
  }
  static handle cast(lepton::Tensor t, return_value_policy, handle) {
    return t.defined() ? lepton::python::wrap(std::move(t)) : none().release().ptr();
  }
};
}  // namespace pybind11::detail
