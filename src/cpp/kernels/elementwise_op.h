// What the structs of the elementwise ops are built from, and the type of their list.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/elementwise_info.h"
#include "kernels/math.h"

namespace lepton::LEPTON_ISA {

template <int arrays, unsigned types>
struct ElementwiseOp {
  static constexpr int arity = arrays;            // number of input arrays
  static constexpr unsigned dtypes = types;       // set of input types, of ElementwiseInfo's bits
  static constexpr unsigned needs = kNoGradient;  // overridden by ops that have a gradient
  static constexpr bool scalar = false;  // forward and gradient take scalars only (C's libm)
};
template <unsigned types>
using UnaryOp = ElementwiseOp<1, types>;
template <unsigned types>
using BinaryOp = ElementwiseOp<2, types>;

/// A list of ops, as a type.
template <class... Ops>
struct OpList {
  static constexpr int size = sizeof...(Ops);
  /// Calls visit(Op{}) for every op, in order.
  template <class Visit>
  LEPTON_INLINE void for_each(Visit&& visit) {
    (visit(Ops{}), ...);
  }
};

template <class... Lists>
struct ConcatLists;
template <class... Ops>
struct ConcatLists<OpList<Ops...>> {
  using type = OpList<Ops...>;
};
template <class... A, class... B, class... Rest>
struct ConcatLists<OpList<A...>, OpList<B...>, Rest...> : ConcatLists<OpList<A..., B...>, Rest...> {
};
/// The list of the ops of several lists.
template <class... Lists>
using Concat = typename ConcatLists<Lists...>::type;

}  // namespace lepton::LEPTON_ISA
