// The kernels of recurrent layers of one instruction set.
// SPDX-License-Identifier: Apache-2.0
#include "kernels/recurrent.h"

namespace lepton::LEPTON_ISA {
namespace {

template <class T>
constexpr RecurrentPart<T> kPart = {
    {lstm_forward<T>, lstm_gradient<T>},
    {gru_forward<T>, gru_gradient<T>},
    {rnn_forward<T, TanhUnit>, rnn_gradient<T, TanhUnit>},
    {rnn_forward<T, ReluUnit>, rnn_gradient<T, ReluUnit>},
};

}  // namespace

extern const RecurrentTable recurrent_table;
const RecurrentTable recurrent_table = {kPart<float>, kPart<double>};

}  // namespace lepton::LEPTON_ISA
