// All elementwise ops. One struct is the whole declaration of an op; each header ends in its list.
// SPDX-License-Identifier: Apache-2.0
//
//   struct Tanh : UnaryOp<kFloating> {                      // number of arrays, and their types
//     static constexpr ElementwiseInfo info{...};           // name, ONNX name, doc, formula, ...
//     template <class V> LEPTON_INLINE V forward(V x);      // V: Vec<float>, Vec<double> or a scalar
//     static constexpr unsigned needs = kNeedsY;            // absent: the op has no gradient
//     template <class V> LEPTON_INLINE V gradient0(V dy, V x, V y);   // dL/dx
//   };
//
// A BinaryOp has gradient0 and gradient1 of (dy, x1, x2, y). Parameters follow as further arguments of
// type V, in the order of info.parameters.
#pragma once
#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/compare.h"
#include "kernels/transcendental.h"

namespace lepton::LEPTON_ISA {

/// Every elementwise op, in the order of ElementwiseTable::ops.
using ElementwiseOps = Concat<ArithmeticOps, CompareOps, TranscendentalOps, ActivationOps>;

}  // namespace lepton::LEPTON_ISA
