// Operator slots of Tensor; each is one line over the ops.
// SPDX-License-Identifier: Apache-2.0
#include "python/operators.h"

#include "autograd/node.h"
#include "ops/elementwise.h"
#include "ops/index.h"
#include "ops/matmul.h"
#include "ops/view.h"
#include "python/arguments.h"

namespace lepton::python {
namespace {

namespace isa = LEPTON_ISA;

bool is_operand(PyObject* object) {
  return is_tensor(object) || PyFloat_Check(object) || PyLong_Check(object) ||
         PyObject_HasAttrString(object, "__array_interface__");
}

template <class Body>
PyObject* guarded(PyObject* a, PyObject* b, Body&& body) {
  if (!is_operand(a) || !is_operand(b)) Py_RETURN_NOTIMPLEMENTED;
  try {
    return body();
  } catch (...) {
    set_python_error();
    return nullptr;
  }
}

Operand operand(const char* op, PyObject* object) {
  return Argument<Operand>::from(op, "operand", object);
}

// Calls body, without the interpreter lock where the work is worth it.
template <class Body>
Tensor heavy(int64_t elements, Body&& body) {
  if (elements < kReleaseThreshold) return body();
  const py::gil_scoped_release released;
  return body();
}

template <class Op>
PyObject* binary(PyObject* a, PyObject* b) {
  return guarded(a, b, [&] {
    const Operand x = operand(Op::info.name, a), y = operand(Op::info.name, b);
    return wrap(heavy(weight(x) + weight(y), [&] { return apply<Op>({x, y}); }));
  });
}

template <class Op>
PyObject* unary(PyObject* a) {
  return guarded(a, a, [&] {
    const Tensor& x = unwrap(a);
    return wrap(heavy(x.numel(), [&] { return apply<Op>({x}); }));
  });
}

PyObject* matrix_product(PyObject* a, PyObject* b) {
  return guarded(a, b, [&] {
    const Operand x = operand("matmul", a), y = operand("matmul", b);
    check<TypeError>(!x.number && !y.number, "matmul: expects two tensors, got a number");
    return wrap(heavy(weight(x) + weight(y), [&] { return matmul(x.tensor, y.tensor); }));
  });
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  if (PyFloat_Check(b) || PyLong_Check(b)) {
    const double exponent = PyFloat_AsDouble(b);
    if (exponent == 2.0 && is_tensor(a) && (PyLong_Check(b) || is_floating(unwrap(a).dtype())))
      return unary<isa::Square>(a);
    if (PyErr_Occurred()) PyErr_Clear();
  }
  return binary<isa::Pow>(a, b);
}

// Values may lose precision in place, never their kind.
int kind(DType d) { return d == DType::kBool ? 0 : is_floating(d) ? 2 : 1; }

// x op= y: the result takes x's memory and, where gradients are recorded, x's place in the tape.
template <class Function>
PyObject* in_place(PyObject* a, PyObject* b, const char* op, Function&& function) {
  return guarded(a, b, [&]() -> PyObject* {
    const Tensor& x = unwrap(a);
    const Operand y = operand(op, b);
    check_writable(op, x);
    const bool records =
        grad_enabled() && (x.requires_grad() || (y.tensor.defined() && y.tensor.requires_grad()));
    check<StateError>(
        !records || x.storage().tracked <= (x.requires_grad() ? 1 : 0), op,
        ": another tensor that records gradients shares this memory; write to a copy");
    heavy(x.numel(), [&] {
      // The gradient may need the old content, so a recorded op reads a copy.
      Tensor z = function(records ? Operand(copy(x)) : Operand(x.detach()), y);
      check<TypeError>(kind(z.dtype()) <= kind(x.dtype()), op, ": a result of ", z.dtype(),
                       " cannot be written into ", x.dtype());
      check<ValueError>(z.shape() == x.shape(), op, ": a result of shape ", z.shape(),
                        " cannot be written into shape ", x.shape());
      z = astype(z, x.dtype(), false);
      copy_into(x, z);
      written(x);
      if (records && z.requires_grad()) {
        if (!x.requires_grad()) x.storage().tracked++;
        x.impl()->requires_grad = true;
        x.impl()->history = z.impl()->history;
      }
      return x;
    });
    return Py_NewRef(a);
  });
}

template <class Op>
PyObject* in_place_binary(PyObject* a, PyObject* b) {
  return in_place(a, b, Op::info.name,
                  [](const Operand& x, const Operand& y) { return apply<Op>({x, y}); });
}

PyObject* in_place_power(PyObject* a, PyObject* b, PyObject*) {
  return in_place_binary<isa::Pow>(a, b);
}

PyObject* in_place_matmul(PyObject* a, PyObject* b) {
  return in_place(a, b, "matmul", [](const Operand& x, const Operand& y) {
    check<TypeError>(!y.number, "matmul: expects two tensors, got a number");
    return matmul(x.tensor, y.tensor);
  });
}

PyObject* compare(PyObject* a, PyObject* b, int operation) {
  switch (operation) {
    case Py_LT:
      return binary<isa::Less>(a, b);
    case Py_LE:
      return binary<isa::LessEqual>(a, b);
    case Py_EQ:
      return binary<isa::Equal>(a, b);
    case Py_NE:
      return binary<isa::NotEqual>(a, b);
    case Py_GT:
      return binary<isa::Greater>(a, b);
    default:
      return binary<isa::GreaterEqual>(a, b);
  }
}

Py_ssize_t length(PyObject* self) {
  if (unwrap(self).ndim() > 0) return unwrap(self).shape()[0];
  PyErr_SetString(PyExc_TypeError, "len: a tensor without axes has no length");
  return -1;
}

int truth(PyObject* self) {
  try {
    const Tensor& x = unwrap(self);
    check<ValueError>(x.numel() == 1, "bool: the truth of a tensor of shape ", x.shape(),
                      " is ambiguous; use any or all");
    return x.item<bool>();
  } catch (...) {
    set_python_error();
    return -1;
  }
}

PyObject* number(PyObject* self, PyObject* (*convert)(PyObject*)) {
  return guarded(self, self, [&]() -> PyObject* {
    const py::object value = py::reinterpret_steal<py::object>(to_number(unwrap(self)));
    return convert(value.ptr());
  });
}
PyObject* to_float(PyObject* self) { return number(self, PyNumber_Float); }
PyObject* to_int(PyObject* self) { return number(self, PyNumber_Long); }
PyObject* as_integer(PyObject* self) {
  if (!is_integral(unwrap(self).dtype()) || unwrap(self).ndim() != 0) {
    PyErr_SetString(PyExc_TypeError, "index: only integer tensors without axes can be an index");
    return nullptr;
  }
  return number(self, PyNumber_Index);
}

template <class Function>
PyType_Slot slot(int id, Function function) {
  return {id, reinterpret_cast<void*>(function)};
}

}  // namespace

std::vector<PyType_Slot> operator_slots() {
  return {
      slot(Py_tp_richcompare, compare),
      slot(Py_mp_length, length),
      slot(Py_mp_subscript, get_item),
      slot(Py_mp_ass_subscript, set_item),
      slot(Py_nb_add, binary<isa::Add>),
      slot(Py_nb_subtract, binary<isa::Subtract>),
      slot(Py_nb_multiply, binary<isa::Multiply>),
      slot(Py_nb_true_divide, binary<isa::Divide>),
      slot(Py_nb_floor_divide, binary<isa::FloorDivide>),
      slot(Py_nb_remainder, binary<isa::Remainder>),
      slot(Py_nb_power, power),
      slot(Py_nb_matrix_multiply, matrix_product),
      slot(Py_nb_and, binary<isa::BitwiseAnd>),
      slot(Py_nb_or, binary<isa::BitwiseOr>),
      slot(Py_nb_xor, binary<isa::BitwiseXor>),
      slot(Py_nb_lshift, binary<isa::BitwiseLeftShift>),
      slot(Py_nb_rshift, binary<isa::BitwiseRightShift>),
      slot(Py_nb_inplace_add, in_place_binary<isa::Add>),
      slot(Py_nb_inplace_subtract, in_place_binary<isa::Subtract>),
      slot(Py_nb_inplace_multiply, in_place_binary<isa::Multiply>),
      slot(Py_nb_inplace_true_divide, in_place_binary<isa::Divide>),
      slot(Py_nb_inplace_floor_divide, in_place_binary<isa::FloorDivide>),
      slot(Py_nb_inplace_remainder, in_place_binary<isa::Remainder>),
      slot(Py_nb_inplace_power, in_place_power),
      slot(Py_nb_inplace_matrix_multiply, in_place_matmul),
      slot(Py_nb_inplace_and, in_place_binary<isa::BitwiseAnd>),
      slot(Py_nb_inplace_or, in_place_binary<isa::BitwiseOr>),
      slot(Py_nb_inplace_xor, in_place_binary<isa::BitwiseXor>),
      slot(Py_nb_inplace_lshift, in_place_binary<isa::BitwiseLeftShift>),
      slot(Py_nb_inplace_rshift, in_place_binary<isa::BitwiseRightShift>),
      slot(Py_nb_negative, unary<isa::Negative>),
      slot(Py_nb_positive, unary<isa::Positive>),
      slot(Py_nb_absolute, unary<isa::Abs>),
      slot(Py_nb_invert, unary<isa::BitwiseInvert>),
      slot(Py_nb_bool, truth),
      slot(Py_nb_float, to_float),
      slot(Py_nb_int, to_int),
      slot(Py_nb_index, as_integer),
  };
}

}  // namespace lepton::python
