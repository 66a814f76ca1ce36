// The Winograd transforms of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/winograd.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T, class Algorithm>
constexpr WinogradKernel<T> kForward = {
    Algorithm::kOutputs,
    Algorithm::kTaps,
    winograd_input<T, Algorithm, WinogradOfImage<T, Algorithm>>,
    winograd_weight<T, Algorithm>,
    winograd_output<T, Algorithm>,
    nullptr,
    nullptr,
};

template <class T, class Algorithm>
constexpr WinogradKernel<T> with_gradient() {
  WinogradKernel<T> kernel = kForward<T, Algorithm>;
  kernel.gradient = winograd_input<T, Algorithm, WinogradOfGradient<T, Algorithm>>;
  kernel.taps = winograd_taps<T, Algorithm>;
  return kernel;
}

template <class T>
constexpr WinogradPart<T> kPart = {
    with_gradient<T, WinogradTwo<T>>(),
    kForward<T, WinogradFour<T>>,
    with_gradient<T, WinogradTwoTaps<T>>(),
};

}  // namespace

extern const WinogradTable winograd_table;
const WinogradTable winograd_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
