// Index expressions of Python as the core's Index.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "ops/index.h"
#include "python/arguments.h"

namespace lepton::python {
namespace {

// Bounds beyond any length mean "to the end", as in Python.
std::optional<int64_t> to_bound(const char* part, PyObject* object) {
  if (object == Py_None) return std::nullopt;
  constexpr int64_t kFar = int64_t{1} << 60;
  if (PyLong_Check(object)) {
    int overflow = 0;
    const int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
    return overflow ? overflow * kFar : std::clamp(value, -kFar, kFar);
  }
  return std::clamp(Argument<int64_t>::from("getitem", part, object), -kFar, kFar);
}

Slice to_slice(PyObject* object) {
  const auto* s = reinterpret_cast<PySliceObject*>(object);
  return {to_bound("slice start", s->start), to_bound("slice stop", s->stop),
          to_bound("slice step", s->step).value_or(1)};
}

Tensor to_array(PyObject* object) {
  Tensor t;
  try {
    t = to_tensor("getitem", object, std::nullopt, std::nullopt);
  } catch (const TypeError& e) {
    raise<IndexError>(e.what());
  }
  // An empty list has no type of its own: it selects nothing.
  return t.numel() == 0 && PyList_Check(object) ? cast(t, DType::kInt64) : t;
}

IndexItem to_item(PyObject* object) {
  if (object == Py_None) return NewAxis{};
  if (object == Py_Ellipsis) return Ellipsis{};
  if (PySlice_Check(object)) return to_slice(object);
  if (PyBool_Check(object)) return scalar(object == Py_True, DType::kBool);
  if (is_tensor(object)) {
    const Tensor& t = unwrap(object);
    if (t.ndim() == 0 && is_integral(t.dtype())) return t.item<int64_t>();
    return t.detach();
  }
  // Arrays and NumPy's numbers have __index__ too.
  if (PyList_Check(object) || PyTuple_Check(object) ||
      (!PyLong_Check(object) && PyObject_HasAttrString(object, "__array_interface__"))) {
    const Tensor t = to_array(object);
    if (t.ndim() == 0 && is_integral(t.dtype())) return t.item<int64_t>();
    return t;
  }
  if (PyIndex_Check(object)) return Argument<int64_t>::from("getitem", "index", object);
  raise<IndexError>(
      "getitem: expects integers, slices, ..., None, or integer and bool arrays, got ",
      Py_TYPE(object)->tp_name);
}

Index to_index(PyObject* key) {
  if (!PyTuple_Check(key)) return {to_item(key)};
  Index index;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(key); ++i)
    index.push_back(to_item(PyTuple_GET_ITEM(key, i)));
  return index;
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
  try {
    return wrap(get_index(unwrap(self), to_index(key)));
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  try {
    check<TypeError>(value, "setitem: elements of a tensor cannot be deleted");
    const Tensor& x = unwrap(self);
    const bool number = PyFloat_Check(value) || PyLong_Check(value);
    if (number && !is_floating(x.dtype()))
      check<TypeError>(!PyFloat_Check(value), "setitem: a float cannot be written into ",
                       x.dtype());
    const Tensor source = number ? to_tensor("setitem", value, x.dtype(), std::nullopt)
                                 : to_tensor("setitem", value, std::nullopt, std::nullopt);
    check<TypeError>(is_floating(x.dtype()) || !is_floating(source.dtype()),
                     "setitem: ", source.dtype(), " values cannot be written into ", x.dtype(),
                     "; convert them with astype");
    set_index(x, to_index(key), source);
    return 0;
  } catch (...) {
    set_python_error();
    return -1;
  }
}

}  // namespace lepton::python
