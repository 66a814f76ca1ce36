// Binding of call arguments to signatures, and conversion of each to C++.
// SPDX-License-Identifier: Apache-2.0
#include "python/arguments.h"

#include <pybind11/eval.h>

#include <algorithm>
#include <array>
#include <sstream>

namespace lepton::python {
namespace {

constexpr size_t kMaxParameters = 16;

// Two words for one idea: PyTorch's beside NumPy's.
constexpr std::array<std::array<const char*, 2>, 5> kAliases = {{{"dim", "axis"},
                                                                 {"keepdim", "keepdims"},
                                                                 {"input", "x"},
                                                                 {"other", "x2"},
                                                                 {"ddof", "correction"}}};

std::string strip(const std::string& text) {
  const size_t a = text.find_first_not_of(' '), b = text.find_last_not_of(' ');
  return a == std::string::npos ? "" : text.substr(a, b - a + 1);
}

// Splits at commas outside brackets.
std::vector<std::string> split(const char* text) {
  std::vector<std::string> parts;
  std::string current;
  int depth = 0;
  for (const char* p = text; *p; ++p) {
    depth += (*p == '(' || *p == '[') - (*p == ')' || *p == ']');
    if (*p == ',' && depth == 0) {
      parts.push_back(strip(current));
      current.clear();
    } else {
      current += *p;
    }
  }
  if (!strip(current).empty()) parts.push_back(strip(current));
  return parts;
}

}  // namespace

Signature::Signature(const char* op, const char* text) : op_(op) {
  bool keyword_only = false;
  const py::dict scope;
  for (const std::string& part : split(text)) {
    if (part == "/") {
      positional_only_ = names_.size();
      continue;
    }
    if (part == "*") {
      keyword_only = true;
      continue;
    }
    const size_t equals = part.find('=');
    const std::string name = part.substr(0, equals);
    names_.push_back(name);
    interned_.push_back(PyUnicode_InternFromString(name.c_str()));
    fallback_texts_.push_back(equals == std::string::npos ? "" : part.substr(equals + 1));
    fallbacks_.push_back(equals == std::string::npos
                             ? nullptr
                             : py::eval(fallback_texts_.back(), scope).release().ptr());
    if (!keyword_only) positional_ = names_.size();
  }
  device_ = static_cast<size_t>(std::find(names_.begin(), names_.end(), "device") - names_.begin());
  if (size() > kMaxParameters) throw std::logic_error(std::string(op) + ": too many parameters");
}

void Signature::check_device(PyObject* const* values) const {
  if (device_ == size() || values[device_] == Py_None) return;
  PyObject* device = values[device_];
  if (!PyUnicode_Check(device)) raise_type(op_, "device", "'cpu' or None", device);
  const char* text = PyUnicode_AsUTF8(device);
  check<ValueError>(text && std::string(text) == "cpu", op_, ": device expects 'cpu', got '",
                    text ? text : "?", "'");
}

bool Signature::fail(const std::string& message) const {
  PyErr_SetString(PyExc_TypeError, (std::string(op_) + ": " + message).c_str());
  return false;
}

size_t Signature::find(PyObject* keyword) const {
  for (size_t i = 0; i < size(); ++i)
    if (keyword == interned_[i]) return i;
  const std::string text = PyUnicode_AsUTF8(keyword);
  for (size_t i = 0; i < size(); ++i)
    if (names_[i] == text) return i;
  for (const auto& [torch, numpy] : kAliases)
    for (size_t i = 0; i < size(); ++i)
      if ((text == torch && names_[i] == numpy) || (text == numpy && names_[i] == torch)) return i;
  return size();
}

bool Signature::bind(PyObject* const* args, size_t nargs, PyObject* names, bool method,
                     PyObject** values) const {
  const size_t limit = method ? size() : positional_;
  if (nargs > limit)
    return fail("expects at most " + std::to_string(limit) + " positional arguments, got " +
                std::to_string(nargs));
  for (size_t i = 0; i < size(); ++i) values[i] = i < nargs ? args[i] : nullptr;
  const size_t keywords = names ? static_cast<size_t>(PyTuple_GET_SIZE(names)) : 0;
  for (size_t k = 0; k < keywords; ++k) {
    PyObject* keyword = PyTuple_GET_ITEM(names, k);
    const size_t i = find(keyword);
    const std::string text = PyUnicode_AsUTF8(keyword);
    // NumPy's functions call methods of the same name with these, as in np.sum(tensor).
    if (i == size() && method && args[nargs + k] == Py_None && (text == "out" || text == "dtype"))
      continue;
    if (i == size() || (i < positional_only_ && !method)) {
      std::string expected;
      for (const auto& n : names_) expected += (expected.empty() ? "" : ", ") + n;
      return fail("got an unexpected argument '" + text + "' (takes " + expected + ")");
    }
    if (values[i]) return fail("got two values for argument '" + text + "'");
    values[i] = args[nargs + k];
  }
  for (size_t i = 0; i < size(); ++i) {
    if (!values[i]) values[i] = fallbacks_[i];
    if (!values[i]) return fail("missing argument '" + names_[i] + "'");
  }
  return true;
}

void raise_type(const char* op, const char* parameter, const char* expected, PyObject* got) {
  raise<TypeError>(op, ": ", parameter, " expects ", expected, ", got ", Py_TYPE(got)->tp_name);
}

namespace {

// An integer as Python's own rules see one (NumPy integers too, floats not).
std::optional<int64_t> integer(const char* op, const char* parameter, PyObject* object) {
  if (!PyIndex_Check(object) || (is_tensor(object) && is_floating(unwrap(object).dtype())))
    return std::nullopt;
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(object));
  if (!number) {
    PyErr_Clear();
    return std::nullopt;
  }
  int overflow = 0;
  const int64_t value = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  check<ValueError>(!overflow, op, ": ", parameter, " does not fit into 64 bits");
  return value;
}

bool is_sequence(PyObject* object) {
  return PySequence_Check(object) && !PyUnicode_Check(object) && !PyBytes_Check(object);
}

}  // namespace

Tensor Argument<Tensor>::from(const char* op, const char* parameter, PyObject* object) {
  if (!is_tensor(object)) raise_type(op, parameter, "a Tensor", object);
  return unwrap(object);
}

Scalar Argument<Scalar>::from(const char* op, const char* parameter, PyObject* object) {
  if (PyBool_Check(object)) return {Scalar::Kind::kBool, 0, object == Py_True};
  if (PyFloat_Check(object)) return {Scalar::Kind::kFloat, PyFloat_AS_DOUBLE(object), 0};
  if (const auto i = integer(op, parameter, object)) return {Scalar::Kind::kInteger, 0, *i};
  return {Scalar::Kind::kFloat, Argument<double>::from(op, parameter, object), 0};
}

Operand Argument<Operand>::from(const char* op, const char* parameter, PyObject* object) {
  if (is_tensor(object)) return unwrap(object);
  if (PyFloat_Check(object) || PyLong_Check(object))
    return Argument<Scalar>::from(op, parameter, object);
  if (PyObject_HasAttrString(object, "__array_interface__") ||
      PyObject_HasAttrString(object, "__array_struct__"))
    return to_tensor(op, object, std::nullopt, std::nullopt);
  raise_type(op, parameter, "a Tensor or a number", object);
}

std::vector<Tensor> Argument<std::vector<Tensor>>::from(const char* op, const char* parameter,
                                                        PyObject* object) {
  if (!is_sequence(object) || is_tensor(object))
    raise_type(op, parameter, "a sequence of Tensors", object);
  std::vector<Tensor> result;
  for (const py::handle item : py::reinterpret_borrow<py::object>(object))
    result.push_back(Argument<Tensor>::from(op, parameter, item.ptr()));
  return result;
}

std::vector<Gradient> Argument<std::vector<Gradient>>::from(const char* op, const char* parameter,
                                                            PyObject* object) {
  if (!is_sequence(object) || is_tensor(object))
    raise_type(op, parameter, "a sequence of Tensors or SparseRows", object);
  std::vector<Gradient> result;
  for (const py::handle item : py::reinterpret_borrow<py::object>(object)) {
    if (py::isinstance<SparseRows>(item))
      result.push_back(item.cast<Ref<SparseRows>>());
    else
      result.push_back(Argument<Tensor>::from(op, parameter, item.ptr()));
  }
  return result;
}

int64_t Argument<int64_t>::from(const char* op, const char* parameter, PyObject* object) {
  if (const auto value = integer(op, parameter, object)) return *value;
  raise_type(op, parameter, "an int", object);
}

Diagonal Argument<Diagonal>::from(const char* op, const char* parameter, PyObject* object) {
  constexpr int64_t kFar = int64_t{1} << 60;
  int overflow = 0;
  if (PyLong_Check(object)) PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow) return {overflow * kFar};
  return {std::clamp(Argument<int64_t>::from(op, parameter, object), -kFar, kFar)};
}

double Argument<double>::from(const char* op, const char* parameter, PyObject* object) {
  const double value = PyFloat_AsDouble(object);
  if (value == -1.0 && PyErr_Occurred()) {
    PyErr_Clear();
    raise_type(op, parameter, "a number", object);
  }
  return value;
}

bool Argument<bool>::from(const char* op, const char* parameter, PyObject* object) {
  if (object == Py_True || object == Py_False) return object == Py_True;
  const int truth = PyObject_IsTrue(object);
  if (truth < 0 || is_sequence(object)) {
    PyErr_Clear();
    raise_type(op, parameter, "a bool", object);
  }
  return truth == 1;
}

std::string Argument<std::string>::from(const char* op, const char* parameter, PyObject* object) {
  if (!PyUnicode_Check(object)) raise_type(op, parameter, "a str", object);
  return PyUnicode_AsUTF8(object);
}

Dims Argument<Dims>::from(const char* op, const char* parameter, PyObject* object) {
  Dims dims;
  if (const auto value = integer(op, parameter, object)) {
    dims.push_back(*value);
    return dims;
  }
  if (!is_sequence(object)) raise_type(op, parameter, "an int or a sequence of ints", object);
  for (const py::handle item : py::reinterpret_borrow<py::object>(object)) {
    const auto value = integer(op, parameter, item.ptr());
    if (!value) raise_type(op, parameter, "a sequence of ints", item.ptr());
    dims.push_back(*value);
  }
  return dims;
}

Pair Argument<Pair>::from(const char* op, const char* parameter, PyObject* object) {
  const Dims dims = Argument<Dims>::from(op, parameter, object);
  check<ValueError>(dims.size() == 1 || dims.size() == 2, op, ": ", parameter,
                    " expects one or two ints, got ", dims);
  return {dims[0], dims.back()};
}

MaybePair Argument<MaybePair>::from(const char* op, const char* parameter, PyObject* object) {
  const auto one = [&](PyObject* item) -> std::optional<int64_t> {
    if (item == Py_None) return std::nullopt;
    return Argument<int64_t>::from(op, parameter, item);
  };
  if (!is_sequence(object)) return {one(object), one(object)};
  const auto items = py::reinterpret_borrow<py::sequence>(object);
  check<ValueError>(items.size() == 1 || items.size() == 2, op, ": ", parameter,
                    " expects one or two ints or None, got ", items.size());
  return {one(py::object(items[0]).ptr()), one(py::object(items[items.size() - 1]).ptr())};
}

Padding Argument<Padding>::from(const char* op, const char* parameter, PyObject* object) {
  if (PyUnicode_Check(object)) {
    const std::string mode = PyUnicode_AsUTF8(object);
    check<ValueError>(mode == "same" || mode == "valid", op, ": ", parameter,
                      " expects ints, 'same' or 'valid', got '", mode, "'");
    return {{}, mode};
  }
  return {Argument<Pair>::from(op, parameter, object), ""};
}

DType Argument<DType>::from(const char* op, const char*, PyObject* object) {
  return to_dtype(op, object);
}

std::vector<std::string> BoundOp::parameter_types() const {
  std::vector<std::string> types;
  for (const Stub& stub : stubs())
    types.push_back(stub.text + std::string(stub.or_none ? " | None" : ""));
  if (signature.device() < signature.size())
    types.insert(types.begin() + static_cast<std::ptrdiff_t>(signature.device()), "str | None");
  return types;
}

PyObject* to_python(const std::vector<Tensor>& xs) {
  py::tuple result(xs.size());
  for (size_t i = 0; i < xs.size(); ++i) PyTuple_SET_ITEM(result.ptr(), i, wrap(xs[i]));
  return result.release().ptr();
}

PyObject* to_python(const Dims& dims) {
  py::tuple result(dims.size());
  for (size_t i = 0; i < dims.size(); ++i)
    PyTuple_SET_ITEM(result.ptr(), i, PyLong_FromLongLong(dims[i]));
  return result.release().ptr();
}

namespace {

template <bool method>
PyObject* trampoline(PyObject* self, PyObject* const* args, Py_ssize_t nargs, PyObject* names) {
  const auto* op = static_cast<const BoundOp*>(PyCapsule_GetPointer(self, nullptr));
  PyObject* values[kMaxParameters];
  try {
    // t.reshape(2, 3) is t.reshape((2, 3)).
    py::object packed;
    PyObject* repacked[2];
    if (method && op->packs_positional && nargs > 2) {
      packed = py::reinterpret_steal<py::object>(PyTuple_New(nargs - 1));
      for (Py_ssize_t i = 1; i < nargs; ++i)
        PyTuple_SET_ITEM(packed.ptr(), i - 1, Py_NewRef(args[i]));
      repacked[0] = args[0];
      repacked[1] = packed.ptr();
      if (names && PyTuple_GET_SIZE(names))
        raise<TypeError>(op->info.name, ": lengths given one by one take no keyword arguments");
      args = repacked;
      nargs = 2;
    }
    if (!op->signature.bind(args, static_cast<size_t>(nargs), names, method, values))
      return nullptr;
    op->signature.check_device(values);
    return op->call(values);
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

}  // namespace

py::object make_callable(const BoundOp* op, bool method, const char* module_name) {
  const std::string signature =
      method ? "self" + std::string(op->info.signature).substr(op->signature.parameter(0).size())
             : op->info.signature;
  std::string doc = std::string(op->info.name) + "(" + signature + ")\n--\n\n" + op->info.doc;
  if (op->info.formula) doc += std::string("\n\nFormula: ``") + op->info.formula + "``";
  // Leaked on purpose: function objects may outlive every module.
  auto* definition = new PyMethodDef{op->info.name,
                                     reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(
                                         method ? trampoline<true> : trampoline<false>)),
                                     METH_FASTCALL | METH_KEYWORDS, strdup(doc.c_str())};
  const py::object self =
      py::reinterpret_steal<py::object>(PyCapsule_New(const_cast<BoundOp*>(op), nullptr, nullptr));
  const py::str module(module_name);
  auto function =
      py::reinterpret_steal<py::object>(PyCFunction_NewEx(definition, self.ptr(), module.ptr()));
  return method ? py::reinterpret_steal<py::object>(PyInstanceMethod_New(function.ptr()))
                : function;
}

}  // namespace lepton::python
