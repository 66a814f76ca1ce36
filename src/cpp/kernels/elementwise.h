// All elementwise ops. One struct is the whole declaration of an op; each header ends in its list.
// SPDX-License-Identifier: Apache-2.0
//
//   struct Tanh : UnaryOp<kFloating> {                   // number of arrays, and their types
//     static constexpr ElementwiseInfo info{...};        // name, ONNX name, doc, formula, ...
//     template <class V>                                 // Vec<float>, Vec<double> or a scalar
//     LEPTON_INLINE V forward(V x);
//     static constexpr unsigned needs = kNeedsY;         // absent: the op has no gradient
//     template <class V>
//     LEPTON_INLINE V gradient0(V dy, V x, V y);         // dL/dx
//   };
//
// A BinaryOp has gradient0 and gradient1 of (dy, x1, x2, y). Parameters follow as further arguments
// of type V, in the order of info.parameters.
#pragma once
#include "kernels/activation.h"
#include "kernels/arithmetic.h"
#include "kernels/compare.h"
#include "kernels/exponential.h"
#include "kernels/loss.h"
#include "kernels/rounding.h"
#include "kernels/trigonometric.h"

namespace lepton::LEPTON_ISA {

/// Every elementwise op, in the order of ElementwiseTable::ops.
using ElementwiseOps = Concat<ArithmeticOps, RoundingOps, CompareOps, ExponentialOps,
                              TrigonometricOps, ActivationOps, LossOps>;

}  // namespace lepton::LEPTON_ISA
