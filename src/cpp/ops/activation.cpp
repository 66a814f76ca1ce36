// Choice between the forms of gelu.
// SPDX-License-Identifier: Apache-2.0
#include "ops/activation.h"

#include "ops/elementwise.h"

namespace lepton {

Tensor gelu(const Tensor& input, const std::string& approximate) {
  if (approximate == "tanh") return apply<LEPTON_ISA::GeluTanh>({input});
  check<ValueError>(approximate == "none", "gelu: approximate expects 'none' or 'tanh', got '",
                    approximate, "'");
  return apply<LEPTON_ISA::GeluErf>({input});
}

}  // namespace lepton
