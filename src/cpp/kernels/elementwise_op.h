// What the structs of the elementwise ops are built from, and the type of their list.
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "kernels/elementwise_info.h"
#include "kernels/math.h"

namespace lepton::LEPTON_ISA {

/// The unsigned type whose arithmetic wraps where T's would overflow; T itself if it is floating.
template <class T>
struct Wrapping {
  using type = T;
};
template <>
struct Wrapping<uint8_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<int32_t> {
  using type = uint32_t;
};
template <>
struct Wrapping<int64_t> {
  using type = uint64_t;
};
template <class T>
LEPTON_INLINE constexpr typename Wrapping<T>::type wrap(T x) {
  return static_cast<typename Wrapping<T>::type>(x);
}
template <class V>
LEPTON_INLINE V zero() {
  return constant<V>(0);
}

template <int arrays, unsigned types>
struct ElementwiseOp {
  static constexpr int arity = arrays;            // number of input arrays
  static constexpr unsigned dtypes = types;       // set of input types, of ElementwiseInfo's bits
  static constexpr unsigned needs = kNoGradient;  // overridden by ops that have a gradient
  static constexpr bool scalar = false;           // true: its functions take scalars only
};
template <unsigned types>
using UnaryOp = ElementwiseOp<1, types>;
template <unsigned types>
using BinaryOp = ElementwiseOp<2, types>;

/// A list of ops, as a type.
template <class... Ops>
struct OpList {
  static constexpr int size = sizeof...(Ops);
  /// Place of Op in the list.
  template <class Op>
  static constexpr int position = [] {
    int i = 0, at = -1;
    ((__is_same(Op, Ops) ? at = i : 0, ++i), ...);
    return at;
  }();
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
