// The normalisation kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/batch_norm.h"
#include "kernels/layer_norm.h"

namespace lepton::LEPTON_ISA {
namespace {

constexpr Activation kNone = Activation::kNone, kRelu = Activation::kRelu,
                     kResidualRelu = Activation::kResidualRelu;

template <class T>
constexpr NormPart<T> kPart = {
    layer_norm<T>,
    layer_norm_gradient<T>,
    moments<T>,
    {normalize<T, kNone>, normalize<T, kRelu>, normalize<T, kResidualRelu>},
    {gradient_sums<T, kNone>, gradient_sums<T, kRelu>, gradient_sums<T, kResidualRelu>},
    {gradient<T, kNone>, gradient<T, kRelu>, gradient<T, kNone>},
};

}  // namespace

extern const NormTable norm_table;
const NormTable norm_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
