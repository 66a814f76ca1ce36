// Elementwise ops on tensors: broadcasting, promotion and gradients, from the kernels' structs.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <initializer_list>
#include <span>
#include <type_traits>

#include "core/tensor.h"
#include "kernels/elementwise.h"
#include "ops/op.h"

namespace lepton {

/// What the rest of Lepton needs of one elementwise op, with its types erased.
struct ElementwiseOp {
  const ElementwiseInfo* info;
  int id;  // place in the kernel table
  int arity;
  unsigned dtypes;  // bit i: the DType with that value is accepted
  unsigned needs;   // what the gradient reads; kNoGradient
};

/// The erased description of the op declared as struct Op.
template <class Op>
inline constexpr ElementwiseOp elementwise_op = {
    &Op::info, LEPTON_ISA::ElementwiseOps::position<Op>, Op::arity, Op::dtypes, Op::needs};

/// Applies an op: operands are broadcast, promoted, and recorded where a gradient is asked for.
Tensor elementwise(const ElementwiseOp& op, std::span<const Operand> operands,
                   std::span<const double> parameters = {});

/// apply<LEPTON_ISA::Tanh>(x), apply<LEPTON_ISA::Add>(a, b).
template <class Op>
Tensor apply(std::initializer_list<Operand> operands,
             std::initializer_list<double> parameters = {}) {
  return elementwise(elementwise_op<Op>, {operands.begin(), operands.size()},
                     {parameters.begin(), parameters.size()});
}

inline Tensor add(const Operand& a, const Operand& b) { return apply<LEPTON_ISA::Add>({a, b}); }
inline Tensor subtract(const Operand& a, const Operand& b) {
  return apply<LEPTON_ISA::Subtract>({a, b});
}
inline Tensor multiply(const Operand& a, const Operand& b) {
  return apply<LEPTON_ISA::Multiply>({a, b});
}
inline Tensor divide(const Operand& a, const Operand& b) {
  return apply<LEPTON_ISA::Divide>({a, b});
}
inline Tensor negative(const Tensor& x) { return apply<LEPTON_ISA::Negative>({x}); }
inline Tensor relu(const Tensor& x) { return apply<LEPTON_ISA::Relu>({x}); }

/// condition ? x1 : x2, elementwise, with broadcasting.
Tensor where(const Tensor& condition, const Operand& x1, const Operand& x2);

/// The dtype of an operation on these operands: tensors promote, numbers follow the tensors.
DType result_type(const char* op, std::span<const Operand> operands);

/// dx summed over the axes that broadcasting had stretched, in shape and dtype of the input.
Tensor sum_to(const Tensor& dx, const Shape& shape, DType dtype);

template <class Visit>
void visit_elementwise_ops(Visit&& op) {
  op(OpInfo{.name = "where",
            .signature = "condition, x1, x2, /",
            .doc = "Elements of x1 where condition is true, of x2 elsewhere; all three broadcast.",
            .formula = "where(condition, x1, x2)",
            .samples = "randbool(3, 4), randn(3, 4), randn(4); randbool(4, 1), randn(5), 2.0"},
     &where);
}

}  // namespace lepton
