// The normalisation kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/batch_norm.h"
#include "kernels/layer_norm.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr NormPart<T> kPart = {
    layer_norm<T>, layer_norm_gradient<T>, moments<T>, normalize<T>, gradient_sums<T>, gradient<T>,
};

}  // namespace

extern const NormTable norm_table;
const NormTable norm_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
