// The attention kernels of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/attention.h"

#include "kernels/attention_gradient.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr AttentionPart<T> kPart = {attention_scratch<T>, attention_forward<T>,
                                    attention_backward<T>};

}  // namespace

extern const AttentionTable attention_table;
const AttentionTable attention_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
