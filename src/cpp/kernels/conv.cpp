// The convolution kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv.h"

#include "kernels/conv_depthwise.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr ConvPart<T> kPart = {
    kConvWeightKernel<T, kTallRows, 2>,
    kConvWeightKernel<T, kWideRows, kWideVectors>,
    kConvWeightKernel<T, kTallRows, 1>,
    depthwise_line<T>,
    depthwise_weight<T>,
};

}  // namespace

extern const ConvTable conv_table;
const ConvTable conv_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
