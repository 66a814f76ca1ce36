// Calls of ops from Python: signatures, conversion of arguments, errors in one sentence.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "python/tensor_object.h"

namespace lepton::python {

/// A parsed signature such as "x, /, *, axis=None, keepdims=False".
class Signature {
 public:
  Signature(const char* op, const char* text);

  const char* op() const { return op_; }
  size_t size() const { return names_.size(); }
  const std::string& parameter(size_t i) const { return names_[i]; }
  /// The text of the default, empty where there is none.
  const std::string& fallback(size_t i) const { return fallback_texts_[i]; }
  size_t positional_only() const { return positional_only_; }
  size_t positional() const { return positional_; }
  /// Place of the argument `device`; size() if there is none.
  size_t device() const { return device_; }
  /// Raises unless the argument `device`, if there is one, is None or "cpu".
  void check_device(PyObject* const* values) const;

  /// Sorts the arguments of a vectorcall into values (borrowed); defaults fill the gaps. A method
  /// takes keyword-only arguments by position too. False with a Python error set when they do not
  /// fit.
  bool bind(PyObject* const* args, size_t nargs, PyObject* names, bool method,
            PyObject** values) const;

 private:
  size_t find(PyObject* keyword) const;
  bool fail(const std::string& message) const;
  const char* op_;
  std::vector<std::string> names_, fallback_texts_;
  std::vector<PyObject*> interned_, fallbacks_;
  size_t positional_only_ = 0, positional_ = 0, device_ = 0;
};

/// Raises TypeError "op: parameter expects <expected>, got <type>".
[[noreturn]] void raise_type(const char* op, const char* parameter, const char* expected,
                             PyObject* got);

/// Conversion of one argument to T, and the name of T in stubs.
template <class T>
struct Argument;

#define LEPTON_ARGUMENT(type, stub_text)                                       \
  template <>                                                                  \
  struct Argument<type> {                                                      \
    static constexpr const char* stub = stub_text;                             \
    static type from(const char* op, const char* parameter, PyObject* object); \
  };
LEPTON_ARGUMENT(Tensor, "Tensor")
LEPTON_ARGUMENT(Operand, "Tensor | bool | int | float")
LEPTON_ARGUMENT(std::vector<Tensor>, "Sequence[Tensor]")
LEPTON_ARGUMENT(std::vector<Gradient>, "Sequence[Tensor | SparseRows]")
LEPTON_ARGUMENT(Scalar, "bool | int | float")
LEPTON_ARGUMENT(int64_t, "int")
LEPTON_ARGUMENT(double, "float")
LEPTON_ARGUMENT(bool, "bool")
LEPTON_ARGUMENT(std::string, "str")
LEPTON_ARGUMENT(Diagonal, "int")
LEPTON_ARGUMENT(Dims, "int | Sequence[int]")
LEPTON_ARGUMENT(Pair, "int | tuple[int, int]")
LEPTON_ARGUMENT(MaybePair, "int | None | tuple[int | None, int | None]")
LEPTON_ARGUMENT(Padding, "int | tuple[int, int] | str")
LEPTON_ARGUMENT(DType, "DTypeLike")
#undef LEPTON_ARGUMENT

template <class T>
struct Argument<std::optional<T>> {
  static std::optional<T> from(const char* op, const char* parameter, PyObject* object) {
    if (object == Py_None) return std::nullopt;
    return Argument<T>::from(op, parameter, object);
  }
};

/// What stubs call a type of arguments, and whether None will do as well.
struct Stub {
  const char* text;
  bool or_none = false;
};

template <class T>
constexpr Stub stub_of() {
  if constexpr (requires { Argument<T>::stub; })
    return {Argument<T>::stub};
  else
    return {Argument<typename T::value_type>::stub, true};
}

inline PyObject* to_python(Tensor x) { return wrap(std::move(x)); }
PyObject* to_python(const std::vector<Tensor>& xs);
PyObject* to_python(const Dims& dims);
inline PyObject* to_python(bool x) { return PyBool_FromLong(x); }
inline PyObject* to_python(double x) { return PyFloat_FromDouble(x); }
inline PyObject* to_python(int64_t x) { return PyLong_FromLongLong(x); }

/// Elements above which a call is worth releasing the interpreter lock for.
constexpr int64_t kReleaseThreshold = 1 << 14;

inline int64_t weight(const Tensor& x) { return x.defined() ? x.numel() : 0; }
inline int64_t weight(const Operand& x) { return weight(x.tensor); }
inline int64_t weight(const std::optional<Tensor>& x) { return x ? weight(*x) : 0; }
inline int64_t weight(const std::vector<Tensor>& xs) {
  int64_t n = 0;
  for (const Tensor& x : xs) n += weight(x);
  return n;
}
inline int64_t weight(const std::vector<Gradient>& grads) {
  int64_t n = 0;
  for (const Gradient& g : grads) n += weight(g.stored());
  return n;
}
template <class T>
int64_t weight(const T&) {
  return 0;
}

/// Lets other threads of the interpreter run while it lives, if told to.
class Release {
 public:
  explicit Release(bool wanted) : state_(wanted ? PyEval_SaveThread() : nullptr) {}
  ~Release() {
    if (state_) PyEval_RestoreThread(state_);
  }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;

 private:
  PyThreadState* state_;
};

/// Everything the interpreter needs to call one op.
class BoundOp {
 public:
  explicit BoundOp(OpInfo info) : info(info), signature(info.name, info.signature) {}
  virtual ~BoundOp() = default;
  /// Calls the op with bound values; throws C++ exceptions.
  virtual PyObject* call(PyObject* const* values) const = 0;
  virtual std::string result_type() const = 0;
  /// One for each parameter of the signature.
  std::vector<std::string> parameter_types() const;

  OpInfo info;
  Signature signature;
  bool packs_positional = false;  // as a method, takes a shape or axes one by one too

 protected:
  /// The types of the C++ function's parameters, which knows no device.
  virtual std::span<const Stub> stubs() const = 0;
  /// The function's argument i: those after the device stand one place further in the signature.
  template <class T>
  T argument(PyObject* const* values, size_t i) const {
    i += i >= signature.device();
    return Argument<T>::from(info.name, signature.parameter(i).c_str(), values[i]);
  }
};

template <class R>
constexpr const char* result_stub() {
  if constexpr (std::is_same_v<R, Tensor>) return "Tensor";
  if constexpr (std::is_same_v<R, std::vector<Tensor>>) return "tuple[Tensor, ...]";
  if constexpr (std::is_same_v<R, Dims>) return "tuple[int, ...]";
  if constexpr (std::is_same_v<R, bool>) return "bool";
  if constexpr (std::is_same_v<R, double>) return "float";
  if constexpr (std::is_same_v<R, int64_t>) return "int";
  return "None";
}

template <class R, class... Args>
class FunctionOp final : public BoundOp {
 public:
  FunctionOp(OpInfo info, R (*function)(Args...)) : BoundOp(info), function_(function) {}

  PyObject* call(PyObject* const* values) const override {
    return call(values, std::index_sequence_for<Args...>{});
  }
  std::string result_type() const override { return result_stub<R>(); }

 protected:
  std::span<const Stub> stubs() const override {
    static constexpr std::array<Stub, sizeof...(Args)> kStubs{stub_of<std::decay_t<Args>>()...};
    return kStubs;
  }

 private:
  // Made with braces, so that the arguments are converted in their order.
  struct Run {
    PyObject* result;
    Run(R (*function)(Args...), const std::decay_t<Args>&... args) {
      const auto run = [&]() -> R {
        const Release release((weight(args) + ... + 0) >= kReleaseThreshold);
        return function(args...);
      };
      if constexpr (std::is_void_v<R>) {
        run();
        result = Py_NewRef(Py_None);
      } else {
        result = to_python(run());
      }
    }
  };
  template <size_t... I>
  PyObject* call(PyObject* const* values, std::index_sequence<I...>) const {
    return Run{function_, argument<std::decay_t<Args>>(values, I)...}.result;
  }
  R (*function_)(Args...);
};

template <class R, class... Args>
BoundOp* bind_function(OpInfo info, R (*function)(Args...)) {
  return new FunctionOp<R, Args...>(info, function);
}

/// A Python callable for op (which lives as long as the process); a method binds its first
/// argument.
py::object make_callable(const BoundOp* op, bool method, const char* module_name);

}  // namespace lepton::python
