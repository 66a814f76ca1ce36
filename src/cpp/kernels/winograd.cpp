// The Winograd transforms of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/winograd.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T, class Algorithm>
constexpr WinogradKernel<T> kKernel = {
    Algorithm::kOutputs,
    winograd_input<T, Algorithm, WinogradOfImage<T, Algorithm>>,
    winograd_weight<T, Algorithm>,
    winograd_output<T, Algorithm>,
};

template <class T>
constexpr WinogradPart<T> kPart = {
    kKernel<T, WinogradTwo<T>>,
    kKernel<T, WinogradFour<T>>,
    winograd_input<T, WinogradTwo<T>, WinogradOfGradient<T, WinogradTwo<T>>>,
    winograd_taps<T, WinogradTwo<T>>,
};

}  // namespace

extern const WinogradTable winograd_table;
const WinogradTable winograd_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
