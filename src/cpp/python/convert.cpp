// Exchange of memory with NumPy, DLPack, buffers and Python numbers.
// SPDX-License-Identifier: Apache-2.0
#include <pybind11/numpy.h>

#include <array>

#include "ops/view.h"
#include "python/tensor_object.h"

namespace lepton::python {
namespace {

const std::array<PyObject*, kDTypes>& dtype_objects() {
  static const std::array<PyObject*, kDTypes> objects = [] {
    std::array<PyObject*, kDTypes> result{};
    for (int i = 0; i < kDTypes; ++i)
      result[i] = py::dtype(name(static_cast<DType>(i))).release().ptr();
    return result;
  }();
  return objects;
}

// The dtype of these elements, whatever their byte order.
std::optional<DType> match_dtype(const py::dtype& dtype) {
  const char kind = dtype.kind();
  const auto size = dtype.itemsize();
  if (kind == 'b') return DType::kBool;
  if (kind == 'u' && size == 1) return DType::kUInt8;
  if (kind == 'i' && size == 4) return DType::kInt32;
  if (kind == 'i' && size == 8) return DType::kInt64;
  if (kind == 'f' && size == 4) return DType::kFloat32;
  if (kind == 'f' && size == 8) return DType::kFloat64;
  return std::nullopt;
}

// Python numbers have no size of their own: floats become the default float32. The first number of
// nested sequences decides: an array or a NumPy number there keeps its dtype.
bool is_python_number(PyObject* object) {
  return PyFloat_CheckExact(object) || PyLong_Check(object);
}
bool has_python_numbers(PyObject* object, int depth = 0) {
  if (depth > static_cast<int>(kMaxAxes) || !(PyList_Check(object) || PyTuple_Check(object)))
    return is_python_number(object);
  if (PySequence_Fast_GET_SIZE(object) == 0) return true;
  return has_python_numbers(PySequence_Fast_GET_ITEM(object, 0), depth + 1);
}
bool is_python_data(PyObject* object) {
  return is_python_number(object) || PyList_Check(object) || PyTuple_Check(object);
}

Tensor from_array(const char* op, const py::array& array) {
  const auto dtype = match_dtype(array.dtype());
  if (!dtype)
    raise<TypeError>(op, ": no dtype of Lepton holds NumPy's ",
                     std::string(py::str(array.dtype())));
  Shape shape(array.shape(), array.shape() + array.ndim());
  Strides strides(static_cast<size_t>(array.ndim()));
  const int64_t size = item_size(*dtype);
  for (py::ssize_t i = 0; i < array.ndim(); ++i) strides[i] = array.strides(i) / size;
  PyObject* owner = array.inc_ref().ptr();
  return from_memory(const_cast<void*>(array.data()), shape, strides, *dtype, array.writeable(),
                     [owner] {
                       if (!Py_IsInitialized()) return;
                       const py::gil_scoped_acquire lock;
                       Py_DECREF(owner);
                     });
}

// Whether the elements can be read where they lie.
bool shareable(const py::array& array) {
  if (array.dtype().byteorder() == '>') return false;
  const auto size = array.itemsize();
  if (reinterpret_cast<uintptr_t>(array.data()) % static_cast<uintptr_t>(size)) return false;
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    if (array.strides(i) % size) return false;
  return true;
}

}  // namespace

PyObject* dtype_object(DType d) { return dtype_objects()[index(d)]; }

DType to_dtype(const char* op, PyObject* object) {
  for (int i = 0; i < kDTypes; ++i)
    if (object == dtype_objects()[i]) return static_cast<DType>(i);
  try {
    // NumPy reads None as float64.
    if (object == Py_None) raise<TypeError>(op, ": dtype expects a dtype, got None");
    if (const auto dtype =
            match_dtype(py::dtype::from_args(py::reinterpret_borrow<py::object>(object))))
      return *dtype;
  } catch (py::error_already_set&) {
  }
  raise<TypeError>(op, ": dtype expects bool, uint8, int32, int64, float32 or float64, got ",
                   std::string(py::str(py::handle(object))));
}

namespace {

Tensor convert_tensor(const char* op, const Tensor& x, std::optional<DType> dtype,
                      std::optional<bool> copy) {
  const DType type = dtype.value_or(x.dtype());
  if (x.dtype() == type && copy != true) return x;
  check<ValueError>(copy != false, op, ": converting ", x.dtype(), " to ", type, " needs a copy");
  return astype(x, type);
}

// NumPy's view of object; TypeError with the cause where it has none.
py::array to_array(const char* op, PyObject* object) {
  try {
    static const auto* asarray = new py::object(py::module_::import("numpy").attr("asarray"));
    return (*asarray)(py::reinterpret_borrow<py::object>(object)).cast<py::array>();
  } catch (py::error_already_set& e) {
    if (!e.matches(PyExc_Exception)) throw;  // Ctrl-C is no statement about the object
    const std::string cause = py::str(e.value());
    raise<TypeError>(op, ": cannot make a tensor from ", Py_TYPE(object)->tp_name, ": ", cause);
  }
}

DType choose_dtype(const char* op, PyObject* object, const py::array& array,
                   std::optional<DType> dtype) {
  const py::dtype given = array.dtype();
  const char kind = given.kind();
  if (kind != 'b' && kind != 'i' && kind != 'u' && kind != 'f')
    raise<TypeError>(op, ": cannot make a tensor from ", Py_TYPE(object)->tp_name,
                     " with elements of NumPy's dtype ", std::string(py::str(given)));
  if (dtype) return *dtype;
  const bool numbers = is_python_data(object) && has_python_numbers(object);
  if (numbers && kind == 'f') return kDefaultFloat;
  if (numbers && kind == 'i') return DType::kInt64;
  if (kind == 'f' && array.itemsize() == 2) return DType::kFloat32;
  if (const auto type = match_dtype(given)) return *type;
  raise<TypeError>(op, ": no dtype of Lepton holds NumPy's ", std::string(py::str(given)),
                   "; name one as dtype");
}

}  // namespace

Tensor to_tensor(const char* op, PyObject* object, std::optional<DType> dtype,
                 std::optional<bool> copy) {
  if (is_tensor(object)) return convert_tensor(op, unwrap(object), dtype, copy);
  py::array array = to_array(op, object);
  const DType type = choose_dtype(op, object, array, dtype);
  const bool fresh = is_python_data(object);
  const bool same = match_dtype(array.dtype()) == type && shareable(array);
  check<ValueError>(copy != false || (same && !fresh), op, ": a tensor of ", type, " from ",
                    Py_TYPE(object)->tp_name, " needs a copy");
  check<TypeError>(array.dtype().kind() != 'f' || array.size() == 0 || is_floating(type) ||
                       type == DType::kBool || !fresh,
                   op, ": floats do not fit into ", type);
  // NumPy would warn of the numbers that become infinite.
  if (match_dtype(array.dtype()) == DType::kFloat64 && type == DType::kFloat32 && shareable(array))
    return cast(from_array(op, array), type);
  if (!same) array = array.attr("astype")(py::reinterpret_borrow<py::object>(dtype_object(type)));
  const Tensor shared = from_array(op, array);
  return same && !fresh && copy == true ? clone(shared) : shared;
}

py::object to_numpy(const Tensor& x) {
  std::vector<py::ssize_t> shape(x.shape().begin(), x.shape().end()), strides;
  for (int64_t s : x.strides()) strides.push_back(s * x.item_size());
  auto* storage = new Ref<Storage>(x.impl()->storage);
  (*storage)->add_outside_writer();
  const py::capsule owner(storage, [](void* p) {
    auto* exported = static_cast<Ref<Storage>*>(p);
    (*exported)->remove_outside_writer();
    delete exported;
  });
  py::array array(py::reinterpret_borrow<py::dtype>(dtype_object(x.dtype())), shape, strides,
                  x.bytes(), owner);
  bool broadcast = false;
  for (size_t i = 0; i < x.ndim(); ++i) broadcast |= x.strides()[i] == 0 && x.shape()[i] > 1;
  if (!x.storage().writable() || broadcast) array.attr("setflags")(py::arg("write") = false);
  return array;
}

PyObject* to_number(const Tensor& x) {
  check<ValueError>(x.numel() == 1, "item: expects a tensor with exactly one element, got shape ",
                    x.shape());
  if (x.dtype() == DType::kBool) return PyBool_FromLong(x.item<bool>());
  if (is_integral(x.dtype())) return PyLong_FromLongLong(x.item<int64_t>());
  return PyFloat_FromDouble(x.item<double>());
}

}  // namespace lepton::python
