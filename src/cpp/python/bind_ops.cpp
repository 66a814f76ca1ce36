// Binds every declared op by walking the lists; no op is named here.
// SPDX-License-Identifier: Apache-2.0
#include <pybind11/stl.h>

#include "kernels/dispatch.h"
#include "ops/list.h"
#include "python/arguments.h"
#include "python/bind.h"

namespace lepton::python {
namespace {

// An elementwise op: its signature follows from its arity and parameters.
class ElementwiseBinding final : public BoundOp {
 public:
  ElementwiseBinding(const ElementwiseOp& op, const char* text)
      : BoundOp({.name = op.info->name,
                 .signature = text,
                 .doc = op.info->doc,
                 .formula = op.info->formula,
                 .onnx = op.info->onnx}),
        op_(op),
        stubs_(signature.size(), {"float"}) {
    for (int i = 0; i < op.arity; ++i)
      stubs_[i] = op.arity == 1 ? stub_of<Tensor>() : stub_of<Operand>();
  }

  PyObject* call(PyObject* const* values) const override {
    std::array<Operand, 2> operands{0.0, 0.0};
    std::array<double, 3> parameters{};
    int64_t elements = 0;
    bool any_tensor = false;
    for (int i = 0; i < op_.arity; ++i) {
      operands[i] = argument<Operand>(values, i);
      elements += weight(operands[i]);
      any_tensor |= !operands[i].number.has_value();
    }
    if (!any_tensor) raise_type(info.name, signature.parameter(0).c_str(), "a Tensor", values[0]);
    const int count = op_.info->parameter_count();
    for (int i = 0; i < count; ++i) parameters[i] = argument<double>(values, op_.arity + i);
    const auto run = [&] {
      const Release release(elements >= kReleaseThreshold);
      return elementwise(op_, {operands.data(), static_cast<size_t>(op_.arity)},
                         {parameters.data(), static_cast<size_t>(count)});
    };
    return wrap(run());
  }
  std::string result_type() const override { return "Tensor"; }
  const ElementwiseOp& op() const { return op_; }

 protected:
  std::span<const Stub> stubs() const override { return stubs_; }

 private:
  const ElementwiseOp& op_;
  std::vector<Stub> stubs_;
};

const char* elementwise_signature(const ElementwiseOp& op) {
  const bool functional = op.info->space == Space::kFunctional;
  std::ostringstream text;
  text << (op.arity == 2 ? "x1, x2, /" : functional ? "input" : "x, /");
  for (int i = 0; i < op.info->parameter_count(); ++i)
    text << ", " << op.info->parameters[i].name << "="
         << py::repr(py::float_(op.info->parameters[i].fallback)).cast<std::string>();
  return strdup(text.str().c_str());
}

py::dict describe(const BoundOp& op, const char* space) {
  py::dict entry;
  entry["name"] = op.info.name;
  entry["space"] = space;
  entry["signature"] = op.info.signature;
  entry["doc"] = op.info.doc;
  entry["formula"] = op.info.formula ? py::object(py::str(op.info.formula)) : py::none();
  entry["samples"] = op.info.samples ? py::object(py::str(op.info.samples)) : py::none();
  entry["onnx"] = op.info.onnx ? py::object(py::str(op.info.onnx)) : py::none();
  entry["constants"] = op.info.constants ? py::object(py::str(op.info.constants)) : py::none();
  entry["writes"] = op.info.writes ? py::object(py::str(op.info.writes)) : py::none();
  entry["random"] = op.info.random;
  const std::vector<std::string> types = op.parameter_types();
  py::list parameters;
  for (size_t i = 0; i < op.signature.size(); ++i)
    parameters.append(
        py::make_tuple(op.signature.parameter(i), types[i], op.signature.fallback(i)));
  entry["parameters"] = parameters;
  entry["result"] = op.result_type();
  return entry;
}

void add_details(py::dict& entry, const ElementwiseOp& op) {
  const auto& table = kernels().elementwise->ops[op.id];
  py::list dtypes;
  for (int d = 0; d < kDTypes; ++d)
    if (table.forward[d]) dtypes.append(name(static_cast<DType>(d)));
  entry["elementwise"] = py::dict(py::arg("arity") = op.arity, py::arg("dtypes") = dtypes,
                                  py::arg("low") = op.info->low, py::arg("high") = op.info->high,
                                  py::arg("differentiable") = op.needs != kNoGradient,
                                  py::arg("boolean_result") = op.info->boolean_result);
}

class Binder {
 public:
  Binder(py::module_ target, const char* space, py::list registry, bool methods)
      : target_(std::move(target)),
        space_(space),
        registry_(std::move(registry)),
        methods_(methods) {}

  template <class Function>
  void operator()(const OpInfo& info, Function function) {
    add(bind_function(info, function), methods_);
  }
  void elementwise(const ElementwiseOp& op) {
    py::dict entry = add(new ElementwiseBinding(op, elementwise_signature(op)), true);
    add_details(entry, op);
  }

 private:
  py::dict add(BoundOp* op, bool method) {
    const std::string& first = op->signature.parameter(0);
    const std::string module =
        std::string("lepton") + (std::string(space_) == "array" ? "" : ".nn.functional");
    target_.attr(op->info.name) = make_callable(op, false, strdup(module.c_str()));
    if (!py::hasattr(target_, "__all__")) target_.attr("__all__") = py::list();
    target_.attr("__all__").cast<py::list>().append(op->info.name);
    if (method && (first == "x" || first == "x1" || first == "input")) {
      op->packs_positional = op->signature.size() > 1 && (op->signature.parameter(1) == "shape" ||
                                                          op->signature.parameter(1) == "axes");
      py::setattr(reinterpret_cast<PyObject*>(tensor_type()), op->info.name,
                  make_callable(op, true, "lepton.Tensor"));
    }
    py::dict entry = describe(*op, space_);
    registry_.append(entry);
    return entry;
  }
  py::module_ target_;
  const char* space_;
  py::list registry_;
  bool methods_;
};

}  // namespace

void bind_ops(py::module_& module) {
  const py::list registry;
  Binder array(module.def_submodule("array"), "array", registry, true);
  Binder functional(module.def_submodule("functional"), "functional", registry, false);
  Binder internal(module.def_submodule("internal"), "internal", registry, false);
  LEPTON_ISA::ElementwiseOps::for_each([&]<class Op>(Op) {
    constexpr Space space = Op::info.space;
    (space == Space::kArray        ? array
     : space == Space::kFunctional ? functional
                                   : internal)
        .elementwise(elementwise_op<Op>);
  });
  visit_array_ops(array);
  visit_functional_ops(functional);
  Binder core(module, "core", registry, false);
  visit_internal_ops(core);
  module.attr("registry") = registry;
}

}  // namespace lepton::python
