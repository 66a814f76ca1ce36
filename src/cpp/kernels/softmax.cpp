// The softmax kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/softmax.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr SoftmaxPart<T> kPart = {
    softmax<T>,          log_softmax<T>,
    softmax_gradient<T>, log_softmax_gradient<T>,
    log_sum_exp<T>,      cross_entropy_gradient<T>,
};

}  // namespace

extern const SoftmaxTable softmax_table;
const SoftmaxTable softmax_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
